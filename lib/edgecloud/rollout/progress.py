"""How a rollout moves on: from wave to wave and step to step, or to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from edgecloud.rollout import (
    availability,
    holds,
    ledger,
    listen,
    messages,
    plan,
    route,
    skew,
    waves,
)

Phase = ledger.Phase
Rollout = ledger.Rollout
Status = messages.Status
_RETURNS = (Status.SOAKING, Status.DONE)
"""Classes of state from which an upgraded node can be told to go back."""


def advance(site: ledger.Site, accepted: plan.Plan, now: int) -> Rollout:
    """Return the rollout after everything that follows from what is known now."""
    current = site
    while True:
        rule = _RULES.get(current.rollout.phase)
        after = rule(current, accepted, now) if rule else current.rollout
        if after is current.rollout:
            return after
        current = replace(current, rollout=after)


def enter_step(rollout: Rollout, accepted: plan.Plan, index: int) -> Rollout:
    """Begin the next step that has anything to do, or complete the rollout."""
    for step in rollout.steps[index:]:
        parts = waves.assign(accepted, rollout.members, step)
        if any(parts):
            return replace(rollout, phase=Phase.ACTIVE, step=step.index, wave=0, waves=parts)
    debt = any(is_owed(rollout, entry) for entry in rollout.entries.values())
    phase = Phase.COMPLETED_WITH_DEBT if debt else Phase.COMPLETED
    return replace(rollout, phase=phase, step=len(rollout.steps), wave=0, waves=())


def is_owed(rollout: Rollout, entry: ledger.Entry) -> bool:
    """Return whether the rollout passed a node by that it still has to upgrade."""
    return entry.step < len(rollout.steps) and not entry.is_out


def abort(rollout: Rollout, mode: str, ending: Phase, reason: str) -> Rollout:
    """Stop granting; the phase ends when no node is disturbed any more."""
    return replace(rollout, phase=Phase.ABORTING, mode=mode, ending=ending, reason=reason)


def failing_gate(site: ledger.Site, accepted: plan.Plan) -> str:
    """Return the watched gate that says no; silence and doubt do not count as a no."""
    for gate in accepted.gates:
        if "continuous" in gate.when and site.sight.gates.get(gate.name) is ledger.Verdict.FAIL:
            return f"gate {gate.name} failed"
    return ""


def drain_problem(site: ledger.Site) -> str:
    """Return which node's pods did not yield where the plan says that this ends it."""
    for name, report in site.sight.reports.items():
        entry = site.rollout.entries.get(name)
        if report.aborts and entry is not None and entry.failed and not entry.released:
            return f"{name} could not be drained: {report.reason}"
    return ""


def is_quiet(rollout: Rollout) -> bool:
    """Return whether no node is disturbed, may be, or waits to go back."""
    return not any(
        entry.holds_slot or (entry.status in availability.DOWN - {Status.QUARANTINED})
        for entry in rollout.entries.values()
        if not entry.released
    )


def is_over(rollout: Rollout) -> bool:
    """Return whether nothing can move any more: a node in its soak may still go back by itself."""
    soaks = (entry.status is Status.SOAKING for entry in _heard(rollout))
    return is_quiet(rollout) and not any(soaks)


def _heard(rollout: Rollout) -> Iterator[ledger.Entry]:
    return (entry for entry in rollout.entries.values() if not (entry.released or entry.debt))


def has_settled(rollout: Rollout) -> bool:
    """Return whether nothing more is expected of any node of the wave at hand."""
    return all(
        entry.step > rollout.step or entry.is_out or entry.debt
        for entry in _of_wave(rollout)
        if not entry.holds_slot
    ) and not any(entry.holds_slot for entry in _of_wave(rollout))


def wave_problem(rollout: Rollout, accepted: plan.Plan) -> str:
    """Return why a settled wave did not succeed; empty if it did."""
    specs = (accepted.canary, *accepted.waves)
    spec = specs[min(rollout.wave, len(specs) - 1)]
    failed = sum(entry.failed for entry in _of_wave(rollout))
    done = sum(entry.step > rollout.step and not entry.failed for entry in _of_wave(rollout))
    if failed and done * 100 < spec.min_success * (done + failed):
        return f"only {done} of {done + failed} nodes of {spec.name} succeeded"
    return ""


def has_canary_passed(rollout: Rollout) -> bool:
    """Return whether at least one canary went through, so that there is something to go by.

    Where the canary is all of a step, nobody is left whom it could warn.
    """
    if rollout.wave or not rollout.waves[0] or not any(rollout.waves[1:]):
        return True
    return any(entry.step > rollout.step for entry in _of_wave(rollout))


def rollback_targets(site: ledger.Site, accepted: plan.Plan, now: int) -> Iterator[str]:
    """Yield the nodes that should go back and have not: workers before control planes."""
    rollout = site.rollout
    scope = _scope(rollout) if rollout.phase is Phase.ROLLING_BACK else set[str]()
    entries = rollout.entries.items()
    concerned = [n for n, each in entries if n in scope or each.status is Status.REGRESSED]
    for name in sorted(concerned, key=lambda each: (_is_plane(rollout, each), each)):
        entry = rollout.entries[name]
        if entry.released or listen.silent_for(site, name, now) >= accepted.offline.grace_s:
            continue
        can_return = entry.status in _RETURNS
        is_here = entry.order_step == rollout.step and not is_past_return(rollout, name)
        if entry.status is Status.REGRESSED or (can_return and is_here):
            yield name


def goes_back(rollout: Rollout) -> list[str]:
    """Return the nodes that an abort of this mode takes back, once those at work have ended."""
    return sorted(
        name
        for name in _scope(rollout)
        if ((entry := rollout.entries[name]).status in _RETURNS or entry.holds_slot)
        and entry.order_step == rollout.step
        and not (entry.released or is_past_return(rollout, name))
    )


def _scope(rollout: Rollout) -> set[str]:
    """Return the nodes that an abort of this mode takes back: those of the step or of the wave."""
    if rollout.mode == "rollback-all":
        entries = rollout.entries.items()
        return {n for n, each in entries if each.verb and each.order_step == rollout.step}
    is_wave = rollout.mode == "rollback-wave" and rollout.wave < len(rollout.waves)
    return set(rollout.waves[rollout.wave]) if is_wave else set()


def is_past_return(rollout: Rollout, name: str) -> bool:
    """Return whether the datastore has moved on with most control planes, so none may go back."""
    step = rollout.steps[min(rollout.step, len(rollout.steps) - 1)]
    member = rollout.members[name]
    if step.kind is not route.Kind.KUBERNETES or not _is_plane(rollout, name):
        return False
    if member.minor == skew.parse(step.version):
        return False  # A patch of the same minor: its data can be read by both.
    planes = [each for each in rollout.entries if _is_plane(rollout, each)]
    moved = sum(rollout.entries[each].step > rollout.step for each in planes)
    return 2 * moved > len(planes)


def _is_plane(rollout: Rollout, name: str) -> bool:
    return rollout.members[name].role == skew.CONTROL_PLANE


def _of_wave(rollout: Rollout) -> list[ledger.Entry]:
    return [rollout.entries[name] for name in rollout.waves[rollout.wave]]


def _scheduled(site: ledger.Site, accepted: plan.Plan, now: int) -> Rollout:
    rollout = site.rollout
    if now >= accepted.expires:
        return replace(rollout, phase=Phase.EXPIRED, reason="it expired before it began")
    if now < accepted.not_before or rollout.paused:
        return rollout
    return enter_step(rollout, accepted, 0)


def _active(site: ledger.Site, accepted: plan.Plan, now: int) -> Rollout:
    rollout = site.rollout
    reason = (
        drain_problem(site)
        or holds.too_many_failures(rollout, accepted)
        or failing_gate(site, accepted)
    )
    if reason:
        return abort(rollout, accepted.abort.on_abort, Phase.HELD, reason)
    if now >= accepted.expires:
        return abort(rollout, "hold", Phase.EXPIRED, "the plan expired")
    if not has_settled(rollout):
        return rollout
    problem = wave_problem(rollout, accepted)
    if problem:
        return abort(rollout, accepted.abort.on_abort, Phase.HELD, problem)
    is_open = has_canary_passed(rollout)
    if not is_open or holds.gate_blockers(site, accepted, "after-wave"):
        return rollout
    if rollout.wave + 1 < len(rollout.waves):
        return replace(rollout, wave=rollout.wave + 1)
    return enter_step(rollout, accepted, rollout.step + 1)


def _aborting(site: ledger.Site, accepted: plan.Plan, now: int) -> Rollout:
    rollout = site.rollout
    if rollout.mode in ("rollback-wave", "rollback-all") and is_quiet(rollout):
        return replace(rollout, phase=Phase.ROLLING_BACK)
    return replace(rollout, phase=rollout.ending) if is_over(rollout) else rollout


def _rolling_back(site: ledger.Site, accepted: plan.Plan, now: int) -> Rollout:
    rollout = site.rollout
    if not is_over(rollout) or any(rollback_targets(site, accepted, now)):
        return rollout
    left = {Status.QUARANTINED, Status.SKIPPED, Status.SOAKING, Status.DONE}
    is_partial = any(rollout.entries[name].status in left for name in _scope(rollout))
    return replace(rollout, phase=Phase.PARTIAL if is_partial else Phase.ROLLED_BACK)


def _in_debt(site: ledger.Site, accepted: plan.Plan, now: int) -> Rollout:
    rollout = site.rollout
    if any(is_owed(rollout, entry) for entry in rollout.entries.values()):
        return rollout
    return replace(rollout, phase=Phase.COMPLETED)


_RULES: Mapping[Phase, Callable[[ledger.Site, plan.Plan, int], Rollout]] = {
    Phase.SCHEDULED: _scheduled,
    Phase.ACTIVE: _active,
    Phase.ABORTING: _aborting,
    Phase.ROLLING_BACK: _rolling_back,
    Phase.COMPLETED_WITH_DEBT: _in_debt,
}
