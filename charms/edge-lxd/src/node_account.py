"""Leave in each hosted node the account by which it is drained before this machine reboots.

The control plane makes it and hands its token to this unit, anew long before it expires. It lies
inside the node: there it is good with Juju away, and gives away nothing that is not the node's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import pool_plan
from edgecloud import host as machines
from edgecloud.host import files
from edgecloud.interfaces import handouts
from edgecloud.lxd import client as lxd
from edgecloud.lxd import errors, instances
from edgecloud.lxd_member import nodes

STATE = "/var/lib/edge-lxd"


class End(Protocol):
    """What this needs of the relation to the control plane."""

    def access(self, hosted: str = "") -> handouts.Handout | None:
        """Return where the token of a node is found."""
        ...

    def read(self, secret: str) -> dict[str, str] | None:
        """Return what is in a secret."""
        ...


def ensure(
    host: machines.Host,
    client: lxd.Client,
    unit: str,
    end: End,
    *,
    inside: Callable[[lxd.Client, instances.Instance], machines.Host] = nodes.inside,
) -> tuple[str, ...]:
    """Have the account in each node that runs. Return the nodes that were given a new one.

    Asks no node anything unless there is something to leave in it. One that does not answer keeps
    no other from having its own.

    Raises:
        OSError: a node does not answer.
        errors.LxdError: LXD does not.
    """
    known = files.read_state(host, _known(unit))
    present = [one for one in instances.every(client) if one.config.get(nodes.OWNER) == unit]
    kept = {one.name: known[one.name] for one in present if one.name in known}
    given: list[str] = []
    failed: Exception | None = None
    for one in present:
        handout = end.access(pool_plan.hosted_as(unit, one.name))
        if not one.running or handout is None or kept.get(one.name) == _written(handout):
            continue
        token = (end.read(handout.secret) or {}).get("token")
        if not token:
            continue
        try:
            nodes.give_account(inside(client, one), token)
        except (errors.LxdError, OSError) as e:
            failed = e
            continue
        kept[one.name] = _written(handout)
        given.append(one.name)
    if kept != known:
        files.write_state(host, _known(unit), kept)
    if failed is not None:
        raise failed
    return tuple(given)


def forget(host: machines.Host, unit: str) -> None:
    """Forget what was given to the nodes of a unit."""
    host.remove(_known(unit))


def _written(handout: handouts.Handout) -> dict[str, object]:
    return dataclasses.asdict(handout)


def _known(unit: str) -> str:
    return f"{STATE}/accounts-{unit.replace('/', '-')}.json"
