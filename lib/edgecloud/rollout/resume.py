"""Where a node stands after a power cut or a kill: the facts decide, the journal only suggests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from edgecloud.rollout import moves, state

State = state.State
Node = state.Node
Facts = state.Facts


def after_cut(node: Node, facts: Facts, now: int) -> Node:
    """Return the node as the facts show it; a state that is not listed goes on as it was."""
    found = _BY_STATE.get(node.state)
    return found(node, facts, now) if found else node


def _granted(node: Node, facts: Facts, now: int) -> Node:
    problem = moves.begin_blocker(node, facts, now)
    return moves.to_rest(node, problem) if problem else node


def _cordoning(node: Node, facts: Facts, now: int) -> Node:
    return replace(node, state=State.DRAINING) if facts.owner == node.owner else node


def _applying(node: Node, facts: Facts, now: int) -> Node:
    if facts.undone:
        return moves.fail(node, "the machine took the change back")
    if is_at(facts, node.target):
        return replace(node, state=State.VALIDATING)
    if facts.pending or facts.running == node.prior:
        return node  # Not done yet: the same attempt goes on.
    return moves.fail(node, f"runs {facts.running} after a cut")


def _rebooting(node: Node, facts: Facts, now: int) -> Node:
    if is_at(facts, node.target):
        return replace(node, state=State.VALIDATING)
    if facts.boot == node.boot:
        return node  # The agent was killed before it could reboot.
    return moves.fail(node, "the new system did not come up")


def _validating(node: Node, facts: Facts, now: int) -> Node:
    return node if is_at(facts, node.target) else moves.fail(node, "fell back before it was valid")


def _committing(node: Node, facts: Facts, now: int) -> Node:
    if facts.default == node.target and is_at(facts, node.target):
        return moves.finish(node, facts)
    return _validating(node, facts, now)


def _soaking(node: Node, facts: Facts, now: int) -> Node:
    if not is_at(facts, node.target):
        return moves.regress(node, f"runs {facts.running} in its soak")
    return node if facts.boot == node.boot else replace(node, boot=facts.boot, alive_s=0)


def is_at(facts: Facts, artefact: str) -> bool:
    """Return whether an artefact is what runs."""
    return bool(artefact) and facts.running == artefact


_BY_STATE: Mapping[State, Callable[[Node, Facts, int], Node]] = {
    State.GRANTED: _granted,
    State.CORDONING: _cordoning,
    State.APPLYING: _applying,
    State.REBOOTING: _rebooting,
    State.VALIDATING: _validating,
    State.COMMITTING: _committing,
    State.SOAKING: _soaking,
}
