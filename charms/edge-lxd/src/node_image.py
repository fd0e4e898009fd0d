"""The image that nodes are made of: the one that Juju would take, or the operator's own."""

from __future__ import annotations

from edgecloud.lxd import client as lxd
from edgecloud.lxd import images, instances

RELEASE = "24.04"

_FETCH_S = 900.0


def default(arch: str, *, is_vm: bool) -> str:
    """Return the alias under which Juju looks for its image on this machine."""
    return f"juju/ubuntu@{RELEASE}/{arch}{'/vm' if is_vm else ''}"


def ensure(client: lxd.Client, alias: str, server: str, *, kind: str) -> bool:
    """Have an image under an alias, fetched once if it is not there. Return whether it was.

    Args:
        client: the daemon.
        alias: what nodes are made of.
        server: where images of Ubuntu are; empty to never fetch one.
        kind: containers only are fetched.
    """
    is_wanted = server and kind == instances.CONTAINER and alias.startswith("juju/ubuntu@")
    if not is_wanted or images.alias(client, alias):
        return False
    release = alias.partition("@")[2].partition("/")[0]
    fingerprint = images.fetch(client, server, release, timeout_s=_FETCH_S)
    images.ensure_alias(client, alias, fingerprint)
    return True
