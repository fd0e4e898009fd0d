"""Leave the cluster in good order, or say what is in the way."""

from __future__ import annotations

from collections.abc import Collection

import cluster_setup
from edgecloud.lxd import client, cluster, errors, instances
from view import View


class DepartureRefusedError(Exception):
    """Leaving now would harm the site; says what to do first."""


def leave(lxd: client.Client, view: View) -> None:
    """Move what can be moved to other members, then take this one out.

    Raises:
        DepartureRefusedError: something lives here that cannot be moved, or the others would lose
            their majority.
        errors.LxdError: LXD refused for a reason of its own.
    """
    check(lxd, view)
    if not _has_others(view):
        return
    cluster.ensure_evacuated(lxd, view.name, mode=_mode(lxd))
    _refuse_if_inhabited(lxd, view.name)
    cluster_setup.release_own(lxd, view.name)
    try:
        cluster.remove(lxd, view.name)
    except errors.UnreachableError:
        # The daemon starts anew while it answers; whether it is out is looked at next time.
        return


def check(lxd: client.Client, view: View, *, own: Collection[str] = ()) -> None:
    """Refuse what nothing that is done on the way out would mend.

    Args:
        lxd: this machine's daemon.
        view: how the cluster looks from it.
        own: instances that go with the unit.

    Raises:
        DepartureRefusedError: the same as for :func:`leave`.
    """
    if view.clustered and not view.quorate:
        raise DepartureRefusedError("the cluster has lost its majority: see recover-quorum")
    if not _has_others(view):
        _refuse_if_inhabited(lxd, "", own)
    elif not view.survives_without(view.name):
        raise DepartureRefusedError("the other members would have no majority")


def _has_others(view: View) -> bool:
    return view.clustered and len(view.members) > 1


def is_inhabited(lxd: client.Client, member: str) -> tuple[str, ...]:
    """Return the instances of all projects on a member; of the daemon if it is by itself."""
    found = instances.of_all_projects(lxd)
    return tuple(one.name for one in found if not member or one.member == member)


def _refuse_if_inhabited(lxd: client.Client, member: str, own: Collection[str] = ()) -> None:
    found = [name for name in is_inhabited(lxd, member) if name not in own]
    if found:
        shown = ", ".join(found[:5])
        raise DepartureRefusedError(f"{shown} live here: move or delete them (`lxc list`)")


def _mode(lxd: client.Client) -> str:
    """Return how to move what would otherwise only be stopped."""
    return "migrate" if lxd.has("clustering_evacuation_mode") else ""
