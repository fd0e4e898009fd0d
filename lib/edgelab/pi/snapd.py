"""snapd: installing, refreshing, reverting and removing snaps, as changes that need no client."""

from __future__ import annotations

import datetime
import math
import typing

from edgelab.pi import durations, hooks, state, store
from edgelab.pi.lxd import daemon as lxd

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds

FOR_EVER = math.inf


class SnapdError(Exception):
    """snapd refuses, or a change failed; the text is what ``snap`` prints after ``error:``."""

    def __init__(self, text: str, code: int = 1):
        super().__init__(text)
        self.code = code


def begin(machine: machines.Machine, change: state.Change, seconds: float) -> state.Change:
    """Begin a change. It goes on whether or not anybody waits for it."""
    busy = next((item for item in machine.changes if _in_the_way(item, change)), None)
    if busy is not None:
        raise SnapdError(f'snap "{change.snap}" has "{busy.kind}" change in progress', code=10)
    change.id = len(machine.changes) + 1
    change.due = machine.world.clock.now() + seconds * machine.world.speed
    if _mood(machine, change.argument) == "hangs" and change.kind == "refresh-snap":
        change.due = math.inf
    machine.changes.append(change)
    return change


def finish(machine: machines.Machine, change: state.Change) -> None:
    """Do what a change is for, or note why it could not be done."""
    if change.status != "Doing":
        return
    # Before: what it does may let the world go on, which must not do it once more.
    change.status = "Done"
    try:
        _DOERS[change.kind](machine, change)
    except (SnapdError, hooks.HookFailed) as error:
        change.status, change.error = "Error", str(error)


def abort(change: state.Change) -> None:
    """Give a change up; what it was about to do is undone."""
    if change.status == "Doing":
        change.status, change.due = "Undone", math.inf


def suspend(machine: machines.Machine) -> None:
    """Stop working on changes, because the power is gone."""
    for change in machine.changes:
        if change.status == "Doing":
            change.left, change.due = change.due - machine.world.clock.now(), math.inf


def resume(machine: machines.Machine) -> None:
    """Go on with the changes that the power cut interrupted."""
    for change in machine.changes:
        if change.status == "Doing":
            change.due = machine.world.clock.now() + max(change.left, 1.0)


def background(world: worlds.World) -> float:
    """Finish changes that are due, and refresh what nobody held."""
    due = math.inf
    # A copy: with the snap of LXD go the machines in its instances.
    for machine in list(world.machines.values()):
        if machine.powered and (machine.changes or machine.snaps):
            due = min(due, _work(machine), _refresh_unheld(machine))
    return due


def is_held(machine: machines.Machine, snap: state.Snap) -> bool:
    """Return whether snapd refreshes this snap by itself no more."""
    now = machine.now()
    if snap.held_until > now or snap.is_local:
        return True
    general = machine.snapd_settings.get("refresh.hold", "")
    if general == "forever":
        return True
    if not general:
        return False
    return datetime.datetime.fromisoformat(general.replace("Z", "+00:00")).timestamp() > now


def find(machine: machines.Machine, name: str, channel: str, revision: str) -> store.Release:
    """Ask the store for what a channel, or a revision number, means on this machine."""
    if not machine.uplink:
        raise SnapdError("unable to contact snap store")
    shelf = machine.world.store
    if not shelf.has(name):
        raise SnapdError(f'snap "{name}" not found')
    found = shelf.release(name, revision) if revision else shelf.find(name, channel, machine.arch)
    if found is None or found.arch != machine.arch:
        raise SnapdError(
            f'snap "{name}" is not available on {channel or revision} for this device'
        )
    return found


def base_of(name: str, version: str) -> str | None:
    """Return the base snap that a snap needs."""
    if name != "microk8s":
        return None
    return "core22" if store.minor_of(version) >= 34 else "core20"


def _work(machine: machines.Machine) -> float:
    due = math.inf
    for change in machine.changes:
        if change.status == "Doing":
            if change.due <= machine.world.clock.now():
                finish(machine, change)
            else:
                due = min(due, change.due)
    return due


def _in_the_way(change: state.Change, new: state.Change) -> bool:
    return change.status == "Doing" and change.snap == new.snap


def _mood(machine: machines.Machine, revision: str) -> str:
    bad = machine.world.bad_revisions
    return bad.get(f"{machine.id}/{revision}", bad.get(revision, ""))


def _install(machine: machines.Machine, change: state.Change) -> None:
    release = _release(machine, change)
    _make_room(machine, release.size, f'Mount snap "{change.snap}" ({release.revision})')
    base = base_of(change.snap, release.version)
    if base is not None and base not in machine.snaps:
        _put(machine, find(machine, base, "latest/stable", ""), "latest/stable", classic=False)
    snap = _put(machine, release, change.channel, classic=change.snap != base)
    if change.snap == "lxd":
        lxd.install(machine)
    if change.snap == "microk8s":
        try:
            hooks.install(machine, snap.revision, snap.version)
        except hooks.HookFailed:
            hooks.remove(machine)
            del machine.snaps[change.snap]
            raise


def _refresh(machine: machines.Machine, change: state.Change) -> None:
    snap = machine.snaps[change.snap]
    release = _release(machine, change)
    _make_room(machine, release.size, f'Mount snap "{change.snap}" ({release.revision})')
    before = snap.revision
    if change.snap == "microk8s":
        _make_room(machine, hooks.data_size(machine), f'Copy snap "{change.snap}" data')
        fails = _mood(machine, release.revision) == "fails"
        hooks.refresh(machine, before, release.revision, release.version, fails=fails)
    snap.revision, snap.version = release.revision, release.version
    snap.channel = change.channel or snap.channel
    snap.revisions = [*(item for item in snap.revisions if item != snap.revision), snap.revision]
    snap.versions[snap.revision] = snap.version
    snap.channels[snap.revision] = snap.channel
    if change.snap == "lxd":
        lxd.refresh(machine)
    _forget_old(machine, snap)


def _revert(machine: machines.Machine, change: state.Change) -> None:
    snap = machine.snaps[change.snap]
    if change.snap == "microk8s":
        hooks.revert(machine, snap.revision, change.argument, snap.versions[change.argument])
    snap.refused.append(snap.revision)
    snap.revision = change.argument
    snap.version = snap.versions[snap.revision]
    if change.snap == "lxd":
        lxd.refresh(machine)


def _remove(machine: machines.Machine, change: state.Change) -> None:
    if change.snap == "microk8s":
        if change.argument != "purge":
            hooks.keep_snapshot(machine)
        hooks.remove(machine)
    if change.snap == "lxd":
        lxd.remove(machine)
    snap = machine.snaps.pop(change.snap)
    machine.disk_used -= sum(_size(machine, snap.name, item) for item in snap.revisions)


def _put(
    machine: machines.Machine, release: store.Release, channel: str, *, classic: bool
) -> state.Snap:
    snap = state.Snap(
        release.name,
        release.revision,
        release.version,
        channel,
        classic=classic and release.name in ("microk8s",),
        revisions=[release.revision],
        versions={release.revision: release.version},
        channels={release.revision: channel},
        next_auto_refresh=machine.world.clock.now() + durations.AUTO_REFRESH_EVERY,
    )
    machine.snaps[release.name] = snap
    return snap


def _release(machine: machines.Machine, change: state.Change) -> store.Release:
    if change.argument.startswith("x"):
        return store.Release(change.snap, change.argument, change.summary, machine.arch)
    found = machine.world.store.release(change.snap, change.argument)
    assert found is not None
    return found


def _make_room(machine: machines.Machine, size: int, task: str) -> None:
    if machine.free_bytes() < size:
        raise SnapdError(
            f"cannot perform the following tasks:\n- {task} (write: no space left on device)"
        )
    machine.disk_used += size


def _size(machine: machines.Machine, name: str, revision: str) -> int:
    found = machine.world.store.release(name, revision)
    return 180 * 1000**2 if found is None else found.size


def _forget_old(machine: machines.Machine, snap: state.Snap) -> None:
    """Drop revisions beyond the number that ``refresh.retain`` keeps."""
    keep = int(machine.snapd_settings.get("refresh.retain", "2"))
    for revision in snap.revisions[:-keep]:
        snap.revisions.remove(revision)
        machine.disk_used -= _size(machine, snap.name, revision)
        if snap.name == "microk8s":
            hooks.drop_revision(machine, revision)


def _refresh_unheld(machine: machines.Machine) -> float:
    """Refresh by itself what its channel has anew: four times a day, whoever is surprised."""
    due = math.inf
    now = machine.world.clock.now()
    for snap in list(machine.snaps.values()):
        newer = _newer(machine, snap)
        if newer is None:
            continue
        is_time = False
        while snap.next_auto_refresh <= now:
            snap.next_auto_refresh += durations.AUTO_REFRESH_EVERY
            is_time = True
        if is_time and not any(_in_the_way(item, _blank(snap.name)) for item in machine.changes):
            change = state.Change(0, "refresh-snap", snap.name, f'Auto-refresh snap "{snap.name}"')
            change.argument = newer.revision
            due = begin(machine, change, durations.SECONDS["snap-refresh"]).due
        due = min(due, snap.next_auto_refresh)
    return due


def _newer(machine: machines.Machine, snap: state.Snap) -> store.Release | None:
    if not machine.uplink or not snap.channel or is_held(machine, snap):
        return None
    found = machine.world.store.find(snap.name, snap.channel, machine.arch)
    if found is None or found.revision in (snap.revision, *snap.refused):
        return None
    return found


def _blank(name: str) -> state.Change:
    return state.Change(0, "", name, "")


_DOERS = {
    "install-snap": _install,
    "refresh-snap": _refresh,
    "revert-snap": _revert,
    "remove-snap": _remove,
}
