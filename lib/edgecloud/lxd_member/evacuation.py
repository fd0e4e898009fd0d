"""Take a member out of service and put it back, however often and wherever it was interrupted.

A daemon that dies in the middle leaves the member marked and its instances where they were: LXD
then says that all is done. So what runs where is looked at, not what LXD says of itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgecloud.host import failures
from edgecloud.lxd import client, cluster, errors, instances

HERE = "auto"
"""What each instance says for itself."""

STOP = "stop"
"""Nothing is moved: what runs here is stopped, and starts again here."""

RAN = "user.edge-lxd.ran-on"
"""Where an instance ran when its member was to be evacuated."""

_STOP_S = 120.0
_STOP_ORDER = "boot.stop.priority"
_START_ORDER = "boot.autostart.priority"


class EvacuationError(failures.WorkloadError):
    """The member is neither in service nor out of it; says what is left."""


def evacuate(lxd: client.Client, member: str, *, mode: str = HERE) -> bool:
    """Have nothing run on a member. Return whether anything was done."""
    wanted = "" if mode == HERE else mode
    _note_running(lxd, member)
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
        return _start_noted(lxd, member) or done
    cluster.ensure_evacuated(lxd, member)
    cluster.ensure_restored(lxd, member)
    _start_noted(lxd, member)
    left = away(lxd, member)
    if left:
        shown = ", ".join(f"{name} on {where}" for name, where in sorted(left.items()))
        raise EvacuationError(f"not back on {member} yet: {shown}")
    return True


def stop(lxd: client.Client, member: str) -> bool:
    """Have nothing run on a machine that has no others, in order. Return whether anything did."""
    _note_running(lxd, member)
    found = [one for one in _on(lxd, member, _STOP_ORDER) if one.running]
    for one in found:
        _stop(lxd.in_project(one.project), one.name)
    return bool(found)


def start(lxd: client.Client, member: str) -> bool:
    """Have those run that :func:`stop` stopped. Return whether any did not."""
    return _start_noted(lxd, member)


def _stop(lxd: client.Client, name: str) -> None:
    try:
        instances.ensure_stopped(lxd, name, timeout_s=_STOP_S)
    except errors.LxdError:
        # The machine's own shutdown would do no better.
        instances.ensure_stopped(lxd, name, force=True)


def _on(lxd: client.Client, member: str, order: str) -> list[instances.Instance]:
    """Return the instances on a member, those of the highest priority first."""
    found = [one for one in instances.of_all_projects(lxd) if one.member == member]
    return sorted(found, key=lambda one: -int(one.expanded_config.get(order) or 0))


def _note_running(lxd: client.Client, member: str) -> None:
    """Note in each instance that it ran here: one that LXD stopped as it died, it forgets."""
    for one in instances.of_all_projects(lxd):
        if one.member == member and one.running:
            instances.ensure_keys(lxd.in_project(one.project), one.name, {RAN: member}, {})


def _start_noted(lxd: client.Client, member: str) -> bool:
    """Have those run that ran here before. Return whether any did not."""
    started = False
    for one in _on(lxd, member, _START_ORDER):
        if one.config.get(RAN) == member:
            inside = lxd.in_project(one.project)
            started = instances.ensure_running(inside, one.name) or started
            instances.ensure_keys(inside, one.name, {RAN: None}, {})
    return started


def running(lxd: client.Client, member: str) -> tuple[str, ...]:
    """Return the instances that run on a member."""
    found = instances.of_all_projects(lxd)
    return tuple(one.name for one in found if one.member == member and one.running)


def away(lxd: client.Client, member: str) -> Mapping[str, str]:
    """Return the instances that were moved from a member, and where they are."""
    found = instances.of_all_projects(lxd)
    origin = "volatile.evacuate.origin"
    return {one.name: one.member for one in found if one.config.get(origin) == member}
