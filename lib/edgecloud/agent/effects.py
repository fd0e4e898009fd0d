"""Carrying out one effect: what all kinds of steps share, and the way to the kind's driver."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import cast

from edgecloud.agent import draining, floors, health, kube
from edgecloud.agent.context import Context, Driver, EffectError
from edgecloud.host import failures, kubectl
from edgecloud.rollout import route, skew, state

Effect = state.Effect
Failures = (failures.WorkloadError, *failures.FAILURES)

DRIVERS: Mapping[route.Kind, str] = {
    route.Kind.FIRMWARE: "firmware_step",
    route.Kind.HOSTED: "hosted_step",
    route.Kind.KUBERNETES: "kubernetes_step",
    route.Kind.LXD: "snaps_step",
    route.Kind.SNAPS: "snaps_step",
}
"""The module of each kind of step: a wake-up loads none but the one that it needs."""
SYSTEMS: Mapping[str, str] = {
    "ab-image": "slot_step",
    "apt-snapshot": "apt_step",
    "kernel-only": "kernel_step",
}

_STEADY_S = 45
"""So long must a node be well without a break: some builds come up and fall over later."""
_PAUSE_S = 5
_API_S = 180


def kind_of(work: route.Work) -> route.Kind:
    """Return what a piece of work changes."""
    return route.Kind(work.part.partition("/")[0])


def driver(context: Context) -> Driver | None:
    """Return how a kind of step is done; None if this agent does not do it."""
    system, kind = context.plan.targets.os, kind_of(context.work)
    name = SYSTEMS.get(system.kind) if kind is route.Kind.OS and system else DRIVERS.get(kind)
    found = importlib.import_module(f"edgecloud.agent.{name}") if name else None
    return cast("Driver", found.DRIVER) if found else None


def perform(context: Context, effect: Effect) -> None:
    """Carry an effect out; raise :class:`EffectError` if it does not succeed."""
    try:
        _DO[effect](context)
        if context.work.hosts and context.settings.lxd:
            from edgecloud.agent import lxd_host  # Few machines host others.

            lxd_host.perform(context, effect)
    except Failures as e:
        raise EffectError(str(e)) from e


def _driver(context: Context) -> Driver:
    found = driver(context)
    if found is None:
        raise EffectError(f"this agent cannot do {context.work.part}")
    return found


def _check(context: Context) -> None:
    if context.work.rollback == "restore":
        raise EffectError(route.NO_RESTORE)
    machine, wanted = context.machine, context.plan.floors
    problem = floors.space_problem(machine, wanted)
    if problem:
        raise EffectError(problem)
    passing = floors.power_problem(machine, wanted)
    if not passing and context.node.state is state.State.PREFLIGHT:
        passing = floors.link_problem(machine, context.settings, wanted)
    if passing:
        raise EffectError(passing, passes=True)
    _driver(context).check(context)


def _stage(context: Context) -> None:
    _driver(context).stage(context)


def _await_api(context: Context, limit_s: float = _API_S) -> None:
    """Wait for the API server, which after a boot comes up later than this agent."""
    began = context.machine.now()
    while True:
        try:
            kube.look(context.machine, context.settings)
            return
        except kubectl.KubectlError:
            if context.machine.now() - began >= limit_s:
                raise
        context.sleep(_PAUSE_S)


def _cordon(context: Context) -> None:
    if not context.settings.node:
        return
    _await_api(context)
    kube.cordon(context.machine, context.settings, context.node.owner)


def _drain(context: Context) -> None:
    if not context.settings.node:
        return
    _await_api(context)
    draining.drain(context.machine, context.settings, context.plan.drain)


def _back_up(context: Context) -> None:
    _driver(context).back_up(context)


def _apply(context: Context) -> None:
    _driver(context).apply(context)


def _reboot(context: Context) -> None:
    _driver(context).reboot(context)


def _commit(context: Context) -> None:
    _driver(context).commit(context)


def _roll_back(context: Context) -> None:
    _driver(context).roll_back(context)


def _validate(context: Context) -> None:
    """Wait until the machine has been well for a while; fail when the plan's time is over."""
    machine = context.machine
    began = machine.now()
    well_since: float | None = None
    while True:
        problem = _problem(context)
        now = machine.now()
        well_since = (now if well_since is None else well_since) if not problem else None
        if well_since is not None and now - well_since >= _STEADY_S:
            return
        if now - began >= context.plan.deadlines.validate_s:
            raise EffectError(problem or "it was not well for long enough")
        context.sleep(_PAUSE_S)


def _problem(context: Context) -> str:
    verdict = health.run(context.machine, context.settings)
    if not verdict.is_well:
        return str(verdict)
    return _kubernetes_problem(context) if context.settings.node else ""


def _kubernetes_problem(context: Context) -> str:
    """Return what the cluster says against this node. Silence is no objection."""
    try:
        seen = kube.look(context.machine, context.settings)
    except kubectl.KubectlError:
        return ""
    if not seen.ready:
        return "the node is not ready"
    is_new = context.node.state is state.State.VALIDATING
    wanted = skew.parse(context.work.version) if is_new else None
    runs = skew.parse(seen.version)
    if kind_of(context.work) is route.Kind.KUBERNETES and wanted and runs != wanted:
        return f"the kubelet says {seen.version}"
    return ""


def _uncordon(context: Context) -> None:
    if not context.settings.node:
        return
    _await_api(context, context.plan.deadlines.uncordon_s)
    kube.uncordon(context.machine, context.settings, context.node.owner)


def _taint(context: Context) -> None:
    if not context.settings.node:
        return
    kube.quarantine(context.machine, context.settings, context.node.owner, context.node.reason)


_DO: Mapping[Effect, Callable[[Context], None]] = {
    Effect.CHECK: _check,
    Effect.STAGE: _stage,
    Effect.CORDON: _cordon,
    Effect.DRAIN: _drain,
    Effect.BACK_UP: _back_up,
    Effect.APPLY: _apply,
    Effect.REBOOT: _reboot,
    Effect.VALIDATE: _validate,
    Effect.COMMIT: _commit,
    Effect.UNCORDON: _uncordon,
    Effect.ROLL_BACK: _roll_back,
    Effect.TAINT: _taint,
}
