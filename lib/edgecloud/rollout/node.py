"""How one node goes through a step: a pure machine that survives a power cut in every state.

The caller writes the new node to its journal *before* it performs the effects, performs each, and
reports the end of it by the next event. It reads its inbox between effects. After a cut it reads
the journal, asks the machine for facts, and sends :class:`state.Resumed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from edgecloud.rollout import moves, orders, resume, route, skew, state

State = state.State
Node = state.Node

MOST_DRAINS = 3


def step(node: Node, event: state.Event) -> tuple[Node, tuple[state.Effect, ...]]:
    """Return the node after an event, and the effects to perform once that is on disk."""
    before = node if node.vetoed == event.facts.veto else replace(node, vetoed=event.facts.veto)
    match event:
        case state.Ordered():
            after = orders.obey(before, event)
        case state.Done():
            after = _done(before, event)
        case state.Failed():
            after = _failed(before, event)
        case state.Resumed():
            after = resume.after_cut(before, event.facts, event.now)
        case state.Ticked():
            after = _ticked(before, event)
    if isinstance(event, state.Failed) and after.state is node.state:
        return after, ()  # It is tried again at the next tick, not at once.
    return after, pending(after)


def pending(node: Node) -> tuple[state.Effect, ...]:
    """Return what is still to be done in the state that a node is in."""
    effect = state.EFFECTS.get(node.state)
    is_over = node.state is State.QUARANTINED and node.isolated
    return (effect,) if effect and not is_over else ()


def _done(node: Node, event: state.Done) -> Node:
    if event.effect is not state.EFFECTS.get(node.state) or node.work is None:
        return node  # The end of something that was given up meanwhile.
    return _AFTER[node.state](node, node.work, event)


def _checked(node: Node, work: route.Work, event: state.Done) -> Node:
    if resume.is_at(event.facts, node.target):
        return replace(node, state=State.DONE, reason="ran it already")
    if skips_a_minor(work, event.facts):
        reason = f"{event.facts.version} to {work.version} skips a minor"
        return replace(node, state=State.FAILED_SAFE, reason=reason)
    return replace(node, state=State.STAGING, reason="")


def skips_a_minor(work: route.Work, facts: state.Facts) -> bool:
    """Return whether the way from what runs to the target leaves a minor out."""
    current, target = skew.parse(facts.version), skew.parse(work.version)
    if not work.part.startswith(route.Kind.KUBERNETES.value) or not current or not target:
        return False
    return current.major != target.major or not 0 <= target.minor - current.minor <= 1


def _staged(node: Node, work: route.Work, event: state.Done) -> Node:
    staged = event.facts.staged
    if not staged or (work.target and staged != work.target):
        return replace(node, state=State.FAILED_SAFE, reason=f"staged {staged}, not {work.target}")
    found = replace(node, target=staged, state=State.WAITING)
    if orders.is_burnt(found):
        return replace(found, state=State.FAILED_SAFE, reason="it failed here before")
    return found


def _rechecked(node: Node, work: route.Work, event: state.Done) -> Node:
    problem = moves.begin_blocker(node, event.facts, event.now)
    if problem:
        return moves.to_rest(node, f"refused: {problem}")
    if not work.cordons or node.rest is State.REGRESSED:
        return _disturb(node, event.facts)
    if is_theirs(node, event.facts):
        return replace(node, state=State.DRAINING, cordon=state.Cordon.THEIRS)
    return replace(node, state=State.CORDONING, cordon=state.Cordon.OURS)


def is_theirs(node: Node, facts: state.Facts) -> bool:
    """Return whether somebody else cordoned the node, so that the cordon must outlive us."""
    return facts.cordoned and facts.owner != node.owner


def _cordoned(node: Node, work: route.Work, event: state.Done) -> Node:
    theirs = is_theirs(node, event.facts)
    cordon = state.Cordon.THEIRS if theirs else state.Cordon.OURS
    return replace(node, state=State.DRAINING, cordon=cordon)


def _drained(node: Node, work: route.Work, event: state.Done) -> Node:
    return _disturb(node, event.facts)


def _disturb(node: Node, facts: state.Facts) -> Node:
    if node.back:
        return replace(moves.burn(node), state=State.ROLLING_BACK)
    return replace(node, state=State.BACKING_UP, prior=facts.running)


def _backed_up(node: Node, work: route.Work, event: state.Done) -> Node:
    return replace(node, state=State.APPLYING, prior=event.facts.running, boot=event.facts.boot)


def _applied(node: Node, work: route.Work, event: state.Done) -> Node:
    if work.reboots:
        return replace(node, state=State.REBOOTING, boot=event.facts.boot)
    if resume.is_at(event.facts, node.target):
        return replace(node, state=State.VALIDATING)
    return moves.fail(node, f"runs {event.facts.running}, not {node.target}")


def _rebooted(node: Node, work: route.Work, event: state.Done) -> Node:
    return resume.after_cut(node, event.facts, event.now)


def _validated(node: Node, work: route.Work, event: state.Done) -> Node:
    if not resume.is_at(event.facts, node.target):
        return moves.fail(node, f"runs {event.facts.running}, not {node.target}")
    if work.reboots:
        return replace(node, state=State.COMMITTING)
    return moves.finish(node, event.facts)


def _committed(node: Node, work: route.Work, event: state.Done) -> Node:
    if event.facts.default == node.target:
        return moves.finish(node, event.facts)
    return moves.quarantine(moves.burn(node), "the next boot would not be the new system")


def _uncordoned(node: Node, work: route.Work, event: state.Done) -> Node:
    return moves.arrive(node)


def _went_back(node: Node, work: route.Work, event: state.Done) -> Node:
    if is_back(node, event.facts):
        return replace(node, state=State.ROLLBACK_VALIDATING)
    return moves.quarantine(node, f"runs {event.facts.running}, not {node.prior}")


def is_back(node: Node, facts: state.Facts) -> bool:
    """Return whether exactly what ran before runs again."""
    return bool(node.prior) and facts.running == node.prior


def _old_validated(node: Node, work: route.Work, event: state.Done) -> Node:
    if not is_back(node, event.facts):
        return moves.quarantine(node, f"runs {event.facts.running}, not {node.prior}")
    return moves.uncordon(node, State.ROLLED_BACK, node.reason)


def _tainted(node: Node, work: route.Work, event: state.Done) -> Node:
    return replace(node, isolated=True, cordon=state.Cordon.NONE)


_AFTER: Mapping[State, Callable[[Node, route.Work, state.Done], Node]] = {
    State.PREFLIGHT: _checked,
    State.STAGING: _staged,
    State.GRANTED: _rechecked,
    State.CORDONING: _cordoned,
    State.DRAINING: _drained,
    State.BACKING_UP: _backed_up,
    State.APPLYING: _applied,
    State.REBOOTING: _rebooted,
    State.VALIDATING: _validated,
    State.COMMITTING: _committed,
    State.UNCORDONING: _uncordoned,
    State.ROLLING_BACK: _went_back,
    State.ROLLBACK_VALIDATING: _old_validated,
    State.QUARANTINED: _tainted,
}


def _failed(node: Node, event: state.Failed) -> Node:
    if event.effect is not state.EFFECTS.get(node.state):
        return node
    reason = event.reason or f"{event.effect.value} failed"
    if event.passes and node.state is State.PREFLIGHT:
        return postponed(node, reason)
    match node.state:
        case State.PREFLIGHT | State.STAGING:
            failed = replace(node, state=State.FAILED_SAFE, reason=reason)
            return moves.burn(failed) if event.burns else failed
        case State.GRANTED:
            return moves.to_rest(node, f"refused: {reason}")
        case State.CORDONING:
            return moves.uncordon(node, node.rest, reason)
        case State.DRAINING:
            return _blocked(node, reason)
        case State.BACKING_UP:
            return moves.uncordon(node, State.FAILED_SAFE, reason)
        case State.APPLYING | State.REBOOTING | State.VALIDATING:
            return moves.fail(node, reason)
        case State.UNCORDONING | State.QUARANTINED:
            return replace(node, reason=reason)
        case _:  # Committing or going back: nothing safe is left to try.
            return moves.quarantine(moves.burn(node), reason)


def postponed(node: Node, reason: str) -> Node:
    """Wait, with nothing written yet: the same is checked again at the next tick."""
    return replace(node, reason=reason)


def _blocked(node: Node, reason: str) -> Node:
    """Undo the cordon of a node whose pods do not yield, as the plan's policy says."""
    drains = node.drains + 1
    undone = replace(node, drains=drains)
    if node.back:
        return moves.uncordon(
            undone, State.SKIPPED if drains >= MOST_DRAINS else node.rest, reason
        )
    if node.work and node.work.on_block == "skip-node":
        return moves.uncordon(undone, State.SKIPPED, reason)
    if node.work and node.work.on_block == "wait" and drains < MOST_DRAINS:
        return moves.uncordon(undone, State.WAITING, reason)
    aborts = node.work is not None and node.work.on_block == "abort"
    return moves.uncordon(replace(undone, aborts=aborts), State.FAILED_SAFE, reason)


def _ticked(node: Node, event: state.Ticked) -> Node:
    if node.state is not State.SOAKING or node.work is None:
        return node
    if not event.healthy:
        return moves.regress(node, "unhealthy in its soak")
    alive_s = node.alive_s + event.seconds
    done = alive_s >= node.work.soak_s
    return replace(node, alive_s=alive_s, state=State.DONE if done else State.SOAKING)
