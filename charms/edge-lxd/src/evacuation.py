"""Take a member out of service and put it back, however often and wherever it was interrupted.

A daemon that dies in the middle leaves the member marked and its instances where they were: LXD
then says that all is done. So what runs where is looked at, not what LXD says of itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgecloud.host import failures
from edgecloud.lxd import client, cluster, instances

HERE = "auto"
"""What each instance says for itself."""


class EvacuationError(failures.WorkloadError):
    """The member is neither in service nor out of it; says what is left."""


def evacuate(lxd: client.Client, member: str, *, mode: str = HERE) -> bool:
    """Have nothing run on a member. Return whether anything was done."""
    wanted = "" if mode == HERE else mode
    done = cluster.ensure_evacuated(lxd, member, mode=wanted)
    if not running(lxd, member):
        return done
    cluster.ensure_restored(lxd, member)
    cluster.ensure_evacuated(lxd, member, mode=wanted)
    left = running(lxd, member)
    if left:
        raise EvacuationError(f"still running on {member}: {', '.join(left)}")
    return True


def restore(lxd: client.Client, member: str) -> bool:
    """Have a member in service, with its instances back. Return whether anything was done."""
    done = cluster.ensure_restored(lxd, member)
    if not away(lxd, member):
        return done
    cluster.ensure_evacuated(lxd, member)
    cluster.ensure_restored(lxd, member)
    left = away(lxd, member)
    if left:
        shown = ", ".join(f"{name} on {where}" for name, where in sorted(left.items()))
        raise EvacuationError(f"not back on {member} yet: {shown}")
    return True


def running(lxd: client.Client, member: str) -> tuple[str, ...]:
    """Return the instances that run on a member."""
    found = instances.of_all_projects(lxd)
    return tuple(one.name for one in found if one.member == member and one.running)


def away(lxd: client.Client, member: str) -> Mapping[str, str]:
    """Return the instances that were moved from a member, and where they are."""
    found = instances.of_all_projects(lxd)
    origin = "volatile.evacuate.origin"
    return {one.name: one.member for one in found if one.config.get(origin) == member}
