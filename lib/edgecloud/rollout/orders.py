"""How a node answers an order: it obeys news about its own plan, and refuses what is stale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from edgecloud.rollout import messages, moves, route, state

State = state.State
Verb = messages.Verb
Node = state.Node

REMEMBERED_PLANS = 8
UNDOABLE = frozenset({State.CORDONING, State.DRAINING, State.BACKING_UP})
"""States that have disturbed workloads but changed nothing that a rollback would be needed for."""
RETRIABLE = frozenset({State.FAILED_SAFE, State.ROLLED_BACK, State.SKIPPED, State.QUARANTINED})


def obey(node: Node, event: state.Ordered) -> Node:
    """Return the node after it read an order; unchanged if that is no news or must wait."""
    if not is_news(node, event.order):
        return node
    return _ANSWERS[event.order.verb](node, event)


def is_news(node: Node, order: messages.Order) -> bool:
    """Return whether an order is newer than all that this node acted on, by epoch then number."""
    return order.stamp > node.stamp


def is_own(node: Node, order: messages.Order) -> bool:
    """Return whether an order speaks of the step that this node is at."""
    return node.work is not None and (order.digest, order.part) == (
        node.work.digest,
        node.work.part,
    )


def is_for(work: route.Work, order: messages.Order) -> bool:
    """Return whether the plan at hand is the one that an order is bound to."""
    return (work.digest, work.part) == (order.digest, order.part)


def refusal(node: Node, work: route.Work, now: int) -> str:
    """Return why a node does not take up a plan; empty if it does."""
    if now >= work.expires:
        return "the plan expired"
    if work.generation < dict(node.generations).get(work.plan_id, 0):
        return "a newer generation of the plan is known"
    return ""


def _prepare(node: Node, event: state.Ordered) -> Node:
    order, seen = event.order, replace(node, stamp=event.order.stamp)
    if is_own(node, order):
        return _retry(seen, order) if order.token > node.token else seen
    if not can_change_plan(node):
        return node  # Another plan's work is under way; the order is read again when it ends.
    if event.work is None or not is_for(event.work, order):
        return node  # Plan and order were not published together; the next reading has both.
    problem = refusal(node, event.work, event.now)
    if problem:
        return replace(seen, reason=f"refused: {problem}")
    if node.state is State.QUARANTINED and order.token:
        # Its own work knows what has to be set free; then the order is read again.
        return moves.uncordon(node, State.IDLE)
    return _take_up(seen, event.work, order)


def can_change_plan(node: Node) -> bool:
    """Return whether a node can begin other work without leaving its own half done."""
    return node.state in state.RESTING or node.state in state.UNTOUCHED


def _take_up(node: Node, work: route.Work, order: messages.Order) -> Node:
    known = {**dict(node.generations), work.plan_id: work.generation}
    fresh = replace(
        node,
        work=work,
        wave=order.wave,
        token=order.token,
        target=work.target,
        prior="",
        drains=0,
        aborts=False,
        reason="",
        generations=tuple(known.items())[-REMEMBERED_PLANS:],
    )
    if node.state is State.QUARANTINED:  # Only an operator knows that it was mended.
        return replace(fresh, work=node.work, target=node.target, reason=node.reason)
    if is_burnt(fresh) and not order.token:
        return replace(fresh, state=State.FAILED_SAFE, reason="it failed here before")
    return replace(_unburnt(fresh) if order.token else fresh, state=State.PREFLIGHT)


def is_burnt(node: Node) -> bool:
    """Return whether the artefact at hand failed on this node before."""
    return bool(node.target) and node.target in node.burnt


def _unburnt(node: Node) -> Node:
    return replace(node, burnt=tuple(each for each in node.burnt if each != node.target))


def _retry(node: Node, order: messages.Order) -> Node:
    """Try a step again because an operator said so, once for each token."""
    if node.state not in RETRIABLE:
        return replace(node, token=order.token)
    again = replace(_unburnt(node), token=order.token, drains=0, aborts=False, prior="")
    return moves.uncordon(again, State.PREFLIGHT)


def _grant(node: Node, event: state.Ordered) -> Node:
    order, seen = event.order, replace(node, stamp=event.order.stamp)
    if node.state is not State.WAITING or not is_own(node, order):
        return seen
    return _begin(seen, event, back=False)


def _roll_back(node: Node, event: state.Ordered) -> Node:
    order, seen = event.order, replace(node, stamp=event.order.stamp)
    if node.state not in (State.SOAKING, State.DONE, State.REGRESSED) or not is_own(node, order):
        return seen
    if node.work is None or node.work.rollback in route.ONE_WAY or not node.prior:
        where = State.QUARANTINED if node.state is State.REGRESSED else State.SKIPPED
        return replace(seen, state=where, reason="there is no way back")
    return _begin(seen, event, back=True)


def _begin(node: Node, event: state.Ordered, *, back: bool) -> Node:
    """Take a grant up, or refuse it for good: its number is spent either way."""
    granted = replace(node, expires=event.order.expires, rest=node.state, back=back, reason="")
    problem = moves.begin_blocker(granted, event.facts, event.now)
    if problem:
        return moves.to_rest(granted, f"refused: {problem}")
    return replace(granted, state=State.GRANTED)


def _hold(node: Node, event: state.Ordered) -> Node:
    seen = replace(node, stamp=event.order.stamp)
    return moves.to_rest(seen, "held") if node.state is State.GRANTED else seen


def _forget(node: Node, event: state.Ordered) -> Node:
    seen = replace(node, stamp=event.order.stamp)
    if node.state is State.QUARANTINED:
        return seen
    if node.state is State.GRANTED and node.back:
        return moves.to_rest(seen, "held")
    if can_change_plan(node) or node.state is State.GRANTED:
        return moves.uncordon(seen, State.IDLE)
    if node.state in UNDOABLE and not node.back:
        return moves.uncordon(seen, State.IDLE)
    return node  # It is past undoing: it ends first, and then the order is read again.


_ANSWERS: Mapping[Verb, Callable[[Node, state.Ordered], Node]] = {
    Verb.PREPARE: _prepare,
    Verb.GRANT: _grant,
    Verb.ROLL_BACK: _roll_back,
    Verb.HOLD: _hold,
    Verb.FORGET: _forget,
}
