"""A step of plain snaps, LXD's among them: each to an exact build, and each back to its own.

Which builds ran before is written down before the first of them moves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from edgecloud.agent import context as contexts
from edgecloud.agent import paths, snapd, staged
from edgecloud.agent.context import Context, EffectError, Look
from edgecloud.host import files, snap
from edgecloud.rollout import route, terms

_BEFORE = f"{paths.HOME}/snaps-before.json"


def _wanted(context: Context) -> dict[str, str]:
    """Return the build of each snap that the plan asks for."""
    arch, targets = context.settings.arch, context.plan.targets
    if context.work.part == route.Kind.LXD.value and targets.lxd:
        return {"lxd": str(targets.lxd.revision.get(arch))}
    return {each.name: str(each.revision.get(arch)) for each in targets.snaps}


def _installed(context: Context, names: Mapping[str, str]) -> dict[str, str]:
    found = {name: snap.info(context.machine, name) for name in names}
    return {name: each.revision for name, each in found.items() if each}


def _artefact(context: Context, builds: Mapping[str, str]) -> str:
    """Return the name that the plan's step has for a set of builds."""
    if context.work.part == route.Kind.LXD.value:
        return f"lxd:{builds.get('lxd', '')}"
    numbers = {name: int(build) for name, build in builds.items() if build.isdigit()}
    text = json.dumps(numbers, sort_keys=True)
    return f"snaps:{hashlib.sha256(text.encode()).hexdigest()}"


def _look(context: Context) -> Look:
    machine, wanted = context.machine, _wanted(context)
    installed = _installed(context, wanted)
    running = _artefact(context, installed)
    ready = all(
        staged.find(machine, name, build) or installed.get(name) == build
        for name, build in wanted.items()
    )
    before = files.read_state(machine, _BEFORE)
    is_begun = before.get("target") == context.node.target != running
    return Look(
        running=running,
        default=running,
        staged=context.work.target if ready else "",
        # Between two of several snaps neither the old set runs nor the new one.
        pending=is_begun and installed != before.get("builds"),
        busy=_busy(context, wanted),
    )


def _busy(context: Context, names: Mapping[str, str]) -> str:
    changes = [each for name in names for each in snapd.changes(context.machine, name)]
    return next((f"snapd: {each.summary}" for each in changes if each.is_open), "")


def _check(context: Context) -> None:
    missing = set(_wanted(context)) - set(_installed(context, _wanted(context)))
    if missing:
        raise EffectError(f"not installed: {', '.join(sorted(missing))}")


def _stage(context: Context) -> None:
    context.machine.remove(_BEFORE)
    installed, targets = _installed(context, _wanted(context)), context.plan.targets
    for name, build in _wanted(context).items():
        if installed.get(name) != build:
            pins = targets.lxd.sha3_384 if name == "lxd" and targets.lxd else terms.NONE
            digest = pins.get(context.settings.arch) or ""
            staged.fetch(context, staged.Wanted(name, build, sha3_384=digest))


def _back_up(context: Context) -> None:
    builds = _installed(context, _wanted(context))
    note = {"target": context.node.target, "builds": builds}
    files.write_state(context.machine, _BEFORE, note)


def _apply(context: Context) -> None:
    machine, limit = context.machine, context.plan.deadlines.apply_s
    for name, build in _wanted(context).items():
        snapd.settle(machine, name, limit)
        if _installed(context, {name: build}).get(name) == build:
            continue
        file = staged.find(machine, name, build)
        if not file:
            raise EffectError(f"{name} {build} is not staged")
        staged.verify(machine, file)
        try:
            snapd.install(machine, file, classic=False, timeout_s=limit)
            snap.hold(machine, name)
        except snap.SnapError as e:
            raise EffectError(str(e)) from e


def _roll_back(context: Context) -> None:
    machine, limit = context.machine, context.plan.rollback.deadline_s
    before: dict[str, str] = files.read_state(machine, _BEFORE).get("builds", {})
    for name, build in before.items():
        snapd.settle(machine, name, limit)
        if _installed(context, {name: build}).get(name) == build:
            continue
        try:
            snapd.revert(machine, name, build, limit)
        except snap.SnapError as e:
            raise EffectError(str(e)) from e


def _reboot(context: Context) -> None:
    raise EffectError("a step of snaps reboots nothing")


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
