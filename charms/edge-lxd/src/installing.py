"""Have the LXD snap on this machine, at one exact build, and held there."""

from __future__ import annotations

from edgecloud import host as machines
from edgecloud.host import snap

SNAP = "lxd"


def installed(host: machines.Host) -> snap.Snap | None:
    """Return the LXD that is installed. Raises snap.SnapError."""
    return snap.info(host, SNAP)


def ensure(
    host: machines.Host, present: snap.Snap | None, channel: str, *, revision: str = ""
) -> snap.Snap | None:
    """Have LXD, and have it held; one that is there is not moved. Return what is installed.

    Args:
        host: the machine.
        present: what :func:`installed` found.
        channel: where to install from.
        revision: the build to install; what the channel has if empty.

    Raises snap.SnapError.
    """
    if present is not None and present.held:
        return present
    snap.install(host, SNAP, channel=channel, revision=revision or None)
    # A member that refreshes by itself leaves its cluster waiting for the others.
    snap.hold(host, SNAP)
    return installed(host)
