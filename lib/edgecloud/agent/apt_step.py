"""A step of the operating system by its packages: to the archive of one stamp, best effort back.

What is to change is written down, with the versions before it, when it is fetched; so are the
packages that the way back needs. A machine of one system has no slot to fall back to: if the new
packages do not let it boot, somebody has to go there. That is why a plan calls its way back
``packages-best-effort``.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from edgecloud.agent import context as contexts
from edgecloud.agent import hardware, packages, paths, tally, trial
from edgecloud.agent.context import Context, EffectError, Look
from edgecloud.host import files

NOTE = f"{paths.HOME}/apt.json"

_NAMED = 3
_LOCAL = ("copy:", "file:")
"""Mirrors that are folders of the machine."""

Note = dict[str, Any]


def _look(context: Context) -> Look:
    note, found = _note(context), _installed(context)
    is_new, is_old = _is_new(context, note, found), _is_old(note, found)
    running = _running(context, note, found, is_new=is_new, is_old=is_old)
    is_begun = bool(note.get("begun")) and note.get("target") == context.work.target
    return Look(
        running=running,
        default=running,
        staged=str(note.get("target", "")) if note.get("whole") else "",
        pending=is_begun and not note.get("back") and not is_new,
    )


def _running(
    context: Context, note: Note, found: packages.Installed, *, is_new: bool, is_old: bool
) -> str:
    """Name what this boot runs: packages count from the boot after they were put in."""
    boot = hardware.boot_id(context.machine)
    if note.get("begun") and boot not in (note.get("boot"), note.get("back")):
        if is_new and not note.get("back"):
            return str(note["target"])
        if is_old:
            return str(note["prior"])
    elif note and not note.get("back") and (note.get("begun") or is_old):
        return str(note["prior"])
    text = json.dumps(dict(found.versions), sort_keys=True)
    return f"os:packages:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _note(context: Context) -> Note:
    return files.read_state(context.machine, NOTE)


def _installed(context: Context) -> packages.Installed:
    return packages.installed(context.machine, context.settings)


def _is_new(context: Context, note: Note, found: packages.Installed) -> bool:
    """Return whether every package is at least what the stamp has, and none is half there."""
    wanted: dict[str, str] = note.get("after", {})
    return not found.broken and all(
        packages.is_at_least(context.machine, found.versions.get(name, ""), version)
        for name, version in wanted.items()
    )


def _is_old(note: Note, found: packages.Installed) -> bool:
    """Return whether every package that the step touches is exactly what it was before."""
    before: dict[str, str] = note.get("before", {})
    return not found.broken and all(
        found.versions.get(name, "") == version for name, version in before.items()
    )


def _stamp(context: Context) -> str:
    system = context.plan.targets.os
    return (system.snapshot_stamp if system else None) or ""


def _check(context: Context) -> None:
    if not context.machine.exists(packages.APT):
        raise EffectError("this machine has no apt")
    if _installed(context).broken and not _note(context).get("begun"):
        raise EffectError("dpkg left packages half installed: dpkg --configure -a")


def _stage(context: Context) -> None:
    """Fetch the archive's lists, what they would change, and what the way back needs."""
    machine, settings, limit = context.machine, context.settings, context.plan.deadlines.stage_s
    rate = context.plan.floors.download_kib_s
    former_stamp = str(_note(context).get("stamp", "")) if _has_arrived(context) else ""
    prior = _look(context).running
    forget(context)
    new = packages.archive(machine, settings, _stamp(context), "new")
    packages.update(machine, new, limit, rate)
    before, after = packages.plan(machine, new, limit)
    missing = packages.fetch(machine, new, after, limit, rate)
    _count(context, new)
    if missing:
        raise EffectError(f"apt fetched no {', '.join(missing[:_NAMED])}; is the mirror a folder?")
    if context.work.rollback != "none":
        _fetch_former(context, former_stamp, before)
    note = {"target": context.work.target, "stamp": _stamp(context), "prior": prior}
    note |= {"before": before, "after": after, "whole": True}
    files.write_state(machine, NOTE, {**note, "files": packages.digests(machine)})


def _has_arrived(context: Context) -> bool:
    """Return whether the last step by packages is what runs, so that its stamp is known."""
    note = _note(context)
    return bool(note) and _look(context).running == note.get("target")


def _fetch_former(context: Context, stamp: str, before: packages.Versions) -> None:
    machine, limit = context.machine, context.plan.deadlines.stage_s
    rate = context.plan.floors.download_kib_s
    former = packages.archive(machine, context.settings, stamp, "former")
    packages.update(machine, former, limit, rate)
    missing = packages.fetch_former(machine, former, before, limit, rate)
    _count(context, former)
    if missing:
        named = ", ".join(missing[:_NAMED])
        raise EffectError(f"no way back: {len(missing)} are not to be had any more, as {named}")


def _count(context: Context, fetched: packages.Archive) -> None:
    """Count what came; what lay in a folder of the machine did not come over the network."""
    machine = context.machine
    if not (fetched.sources and context.settings.apt.get("url", "").startswith(_LOCAL)):
        found = machine.glob(f"{fetched.debs}/*.deb")
        size = sum(machine.path(path).stat().st_size for path in found)
        tally.fetched(machine, tally.PACKAGES, size)


def forget(context: Context) -> None:
    """Give the room of packages that were fetched before back."""
    for pattern in ("*/archives/*.deb", "*/archives/partial/*"):
        for path in context.machine.glob(f"{packages.FOLDER}/{pattern}"):
            context.machine.remove(path)


def _back_up(context: Context) -> None:
    """See that what the way back would restore is what is there."""
    if not _is_old(_note(context), _installed(context)):
        raise EffectError("packages were changed since the new ones were fetched")


def _apply(context: Context) -> None:
    machine, limit = context.machine, context.plan.deadlines.apply_s
    note = _note(context)
    if note.get("target") != context.node.target:
        raise EffectError("another stamp is staged than was granted")
    if packages.digests(machine) != note["files"]:
        raise EffectError("a package was damaged since it was fetched")
    files.write_state(machine, NOTE, {**note, "begun": True, "boot": hardware.boot_id(machine)})
    new = packages.Archive(f"{packages.FOLDER}/new", f"{packages.FOLDER}/new/sources.list")
    if note.get("begun"):
        broken = _installed(context).broken
        half_done = {name: v for name, v in note["after"].items() if name in broken}
        packages.mend(machine, new, half_done, limit)
    packages.upgrade(machine, new, limit)
    if not _is_new(context, note, _installed(context)):
        raise EffectError(f"not all packages are those of {note['stamp']}; is one of them held?")


def _reboot(context: Context) -> None:
    trial.reboot(context.machine)
    context.await_reboot()


def _roll_back(context: Context) -> None:
    """Put the former versions back, and boot with them. Comes here again after the reboot."""
    machine, note = context.machine, _note(context)
    if not note.get("begun"):
        return
    if not _is_old(note, _installed(context)):
        _put_back(context, note)
    elif note.get("back") != hardware.boot_id(machine):
        return  # Either nothing was changed, or what was put back was booted since.
    _reboot(context)


def _put_back(context: Context, note: Note) -> None:
    machine, limit = context.machine, context.plan.rollback.deadline_s
    files.write_state(machine, NOTE, {**note, "back": hardware.boot_id(machine)})
    former = packages.Archive(f"{packages.FOLDER}/former")
    packages.put_back(machine, former, note["before"], limit)
    if not _is_old(note, _installed(context)):
        raise EffectError("not every former package could be put back")


DRIVER = contexts.Driver(
    look=_look,
    check=_check,
    stage=_stage,
    back_up=_back_up,
    apply=_apply,
    roll_back=_roll_back,
    reboot=_reboot,
    commit=contexts.nothing,
)
