"""One simulated machine and its agent: every way in which one step of it can go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from edgecloud.rollout import audit, messages, node, route, skew, state, window

State = state.State
Effect = state.Effect
BROKEN = "broken"
USER = "user"


@dataclass(frozen=True)
class Box:
    """A machine, its journal, and what its agent is about to do."""

    node: state.Node
    running: str
    default: str
    version: str
    staged: str = ""
    cordon: str = ""
    boot: int = 0
    pending: tuple[Effect, ...] = ()
    undone: bool = False
    wrong: str = ""
    """The invariant that was broken here, if one was."""
    applied: tuple[str, ...] = ()
    checked: bool = False
    valid: bool = False
    first: str = ""
    """What ran before the first change."""
    read: messages.Stamp = messages.NEVER
    veto: bool = False
    hosted: tuple[str, ...] = ()
    """The versions of Kubernetes in the nodes that it hosts."""


def fresh(name: str, version: str, running: str, hosted: tuple[str, ...] = ()) -> Box:
    """Return a machine on which nothing happened yet."""
    return Box(state.Node(name), running, running, version, first=running, hosted=hosted)


def facts(box: Box) -> state.Facts:
    """Return what the machine itself says."""
    return state.Facts(
        running=box.running,
        default=box.default,
        staged=box.staged,
        version=box.version,
        cordoned=bool(box.cordon),
        owner="" if box.cordon == USER else box.cordon,
        boot=str(box.boot),
        undone=box.undone,
        veto=box.veto,
    )


def report(box: Box) -> messages.Report:
    """Return what its agent says to the coordinator."""
    return state.report(box.node, facts(box))


def order(box: Box, given: messages.Order, work: route.Work, now: int) -> Box:
    """The agent reads its inbox between two effects."""
    after = _step(box, state.Ordered(given, work, facts(box), now), now)
    if box.node.state is State.WAITING and after.node.state is State.GRANTED:
        if given.stamp < box.read or now >= given.expires or now >= work.expires:
            after = _wrong(after, "I17 took up a stale or expired grant")
        if given.verb not in (messages.Verb.GRANT,):
            after = _wrong(after, "I21 began without a grant")
    if _is_other(box.node, after.node) and not is_idle(box.node):
        after = _wrong(after, "I29 changed plans in the middle of one")
    is_new = box.node.state is not after.node.state and after.node.work
    begins = is_new and after.node.state in (State.PREFLIGHT, State.GRANTED)
    if begins and after.node.work and after.node.work.digest != given.digest:
        after = _wrong(after, "I16 works on another plan than was ordered")
    return replace(after, read=max(box.read, given.stamp))


def is_idle(box: state.Node) -> bool:
    """Return whether a node can take up other work."""
    return box.state in state.RESTING or box.state in state.UNTOUCHED


def _is_other(before: state.Node, after: state.Node) -> bool:
    return bool(before.work and after.work and before.work.digest != after.work.digest)


def outcomes(box: Box, now: int) -> Iterator[tuple[str, int, Box]]:
    """Yield (what happened, faults it costs, machine) for the effect at hand."""
    if not box.pending:
        return
    effect = box.pending[0]
    done = perform(box, effect)
    yield "done", 0, _step(done, state.Done(effect, facts(done), now), now)
    if effect is Effect.STAGE:
        other = replace(done, staged="other bytes")
        yield "fails unseen", 1, _step(other, state.Done(effect, facts(other), now), now)
    if effect is Effect.ROLL_BACK:
        yield "fails unseen", 1, _step(box, state.Done(effect, facts(box), now), now)
    if box.node.state is State.PREFLIGHT:
        event = state.Failed(effect, facts(box), now, "too hot", passes=True)
        yield "fails for now", 1, _step(box, event, now)
    for how, failed in _failures(box, effect):
        event = state.Failed(effect, facts(failed), now, how, burns=how == "digest")
        yield f"fails ({how})", 1, _step(failed, event, now)
    for where, machine in (("before", box), ("after", done)):
        yield f"power cut {where}", 1, resume(power_cut(machine), now)
        yield f"killed {where}", 1, resume(machine, now)


def tick(box: Box, now: int, *, healthy: bool = True) -> Box:
    """Let the time of a soak pass, or what waits for an effect try again."""
    seconds = box.node.work.soak_s if box.node.work else 0
    return _step(box, state.Ticked(facts(box), now, seconds, healthy), now)


def power_cut(box: Box) -> Box:
    """The machine starts again from its default."""
    return replace(box, running=box.default, boot=box.boot + 1, valid=False)


def resume(box: Box, now: int) -> Box:
    """Start the agent again: it knows its journal and the facts."""
    return _step(replace(box, pending=()), state.Resumed(facts(box), now), now)


def perform(box: Box, effect: Effect) -> Box:
    """Do what an effect does to the machine; note what should never have been done."""
    return _DO[effect](box)


def _step(box: Box, event: state.Event, now: int) -> Box:
    after, effects = node.step(box.node, event)
    moved = replace(box, node=after, pending=effects)
    for problem in _problems(box, moved, event, now):
        moved = _wrong(moved, problem)
    if after.state is State.PREFLIGHT and box.node.state is not State.PREFLIGHT:
        moved = replace(moved, checked=False, staged="", undone=False, first=box.running)
    if after.state is State.WAITING and box.node.state is not State.WAITING:
        moved = replace(moved, checked=False)
    return moved


def _problems(before: Box, after: Box, event: state.Event, now: int) -> Iterator[str]:
    was, then, work = before.node.state, after.node.state, after.node.work
    if (was is not then) != (audit.node_transition(before.node, after.node) is not None):
        yield "I25 a transition without one record"
    begins = was is State.GRANTED and then is not was and then is not before.node.rest
    if begins and work and window.remaining(work.calendar, now) < work.duration_s:
        yield "I14 began outside what is left of the window"
    if begins and work and now >= before.node.expires:
        yield "I17 began after its grant expired"
    if then is State.ROLLED_BACK and after.running != after.first:
        yield "I12 rolled back to something else than it ran before"
    is_revert = work is not None and work.voter and work.rollback == "revert"
    if then is State.ROLLING_BACK and is_revert and _is_kubernetes(work):
        yield "I13 would revert a voter's data"
    if then is State.APPLYING and after.node.target in after.node.burnt:
        yield "I9 applies what failed here before"
    is_failed = isinstance(event, state.Failed)
    is_busy = state.status(after.node) in messages.DISRUPTED
    if is_busy and not after.pending and not is_failed:
        yield "I22 waits for somebody in the middle"
    is_over = then in state.RESTING and then is not State.QUARANTINED
    if is_over and after.cordon not in ("", USER):
        yield "I7 rests with our cordon on"
    if then is State.QUARANTINED and after.node.isolated and after.cordon not in ("", USER):
        yield "I7 is quarantined under a cordon instead of a taint"


def _failures(box: Box, effect: Effect) -> Iterator[tuple[str, Box]]:
    if effect is Effect.APPLY:
        yield "undone", replace(box, undone=True)
        half = replace(box, hosted=(*box.hosted, *_renewed(box)))
        yield "broken", replace(half, running=BROKEN, default=BROKEN, version=_target(box)[1])
    elif effect is Effect.STAGE:
        yield "digest", box
    elif effect is not Effect.REBOOT:
        yield "failed", box


def _target(box: Box) -> tuple[str, str]:
    work = box.node.work
    version = work.version if work and _is_kubernetes(work) else box.version
    return box.node.target, version


def _renewed(box: Box) -> tuple[str, ...]:
    """Return what runs in the nodes that a step makes anew; empty if it makes none."""
    work = box.node.work
    is_hosted = work is not None and work.part.startswith(route.Kind.HOSTED.value)
    return (work.version,) if work and is_hosted else ()


def _is_kubernetes(work: route.Work | None) -> bool:
    return work is not None and work.part.startswith("kubernetes")


def _wrong(box: Box, what: str) -> Box:
    return box if box.wrong else replace(box, wrong=what)


def _check(box: Box) -> Box:
    return replace(box, checked=True)


def _stage(box: Box) -> Box:
    if not box.checked:
        box = _wrong(box, "I26 staged without a check of the floors")
    if box.running != box.default:
        box = _wrong(box, "I10 wrote the slot of the last good system")
    return replace(box, staged=box.node.target)


def _cordon(box: Box) -> Box:
    return box if box.cordon else replace(box, cordon=box.node.owner)


def _same(box: Box) -> Box:
    return box


def _apply(box: Box) -> Box:
    target, version = _target(box)
    if not box.checked:
        box = _wrong(box, "I26 applied without a check of the floors since its grant")
    if box.staged != target:
        box = _wrong(box, "I16 applied something else than was staged")
    work = box.node.work
    reboots = work is not None and work.reboots
    if target in box.applied:
        if box.running == target or box.undone or not reboots:
            return _wrong(box, "I9 applied the same artefact twice")
    elif _is_kubernetes(work) and _minor(version) - _minor(box.version) > 1:
        box = _wrong(box, "I5 skipped a minor")
    box = replace(box, hosted=_renewed(box) or box.hosted)
    applied = tuple(sorted({*box.applied, target}))
    if reboots:
        return replace(box, applied=applied)  # The other slot is armed for one boot.
    return replace(box, applied=applied, running=target, default=target, version=version)


def _reboot(box: Box) -> Box:
    return replace(box, running=box.node.target, boot=box.boot + 1, valid=False)


def _validate(box: Box) -> Box:
    return replace(box, valid=True)


def _commit(box: Box) -> Box:
    if not box.valid or box.running != box.node.target:
        box = _wrong(box, "I11 committed a system that was not found healthy since it booted")
    return replace(box, default=box.running)


def _uncordon(box: Box) -> Box:
    if box.cordon == USER:
        box = _wrong(box, "I8 took a cordon away that somebody else put there")
    return replace(box, cordon="")


def _roll_back(box: Box) -> Box:
    prior, work = box.node.prior, box.node.work
    version = box.version
    if work and _is_kubernetes(work) and prior != box.running:
        version = f"1.{_minor(work.version) - 1}" if not prior.endswith("late") else box.version
    boot = box.boot + (prior != box.running and bool(work and work.reboots))
    return replace(
        box, running=prior, default=prior, version=version, boot=boot, valid=False, applied=()
    )


def _taint(box: Box) -> Box:
    return box if box.cordon == USER else replace(box, cordon="")


def _minor(version: str) -> int:
    parsed = skew.parse(version)
    return parsed.minor if parsed else 0


_DO: Mapping[Effect, Callable[[Box], Box]] = {
    Effect.CHECK: _check,
    Effect.STAGE: _stage,
    Effect.CORDON: _cordon,
    Effect.DRAIN: _same,
    Effect.BACK_UP: _same,
    Effect.APPLY: _apply,
    Effect.REBOOT: _reboot,
    Effect.VALIDATE: _validate,
    Effect.COMMIT: _commit,
    Effect.UNCORDON: _uncordon,
    Effect.ROLL_BACK: _roll_back,
    Effect.TAINT: _taint,
}
