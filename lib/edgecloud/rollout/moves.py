"""The moves that several events of a node share: fail, undo, uncordon, come to rest."""

from __future__ import annotations

from dataclasses import replace

from edgecloud.rollout import route, state, window

State = state.State
Node = state.Node


def begin_blocker(node: Node, facts: state.Facts, now: int) -> str:
    """Return why this node may not be disturbed now, as far as it can tell itself."""
    if node.work is None:
        return "no work"
    if facts.veto:
        return "vetoed on the node"
    if facts.foreign:
        return f"busy: {facts.foreign}"
    if not facts.clock_trusted:
        return "the clock is not trusted"
    if now >= node.expires:
        return "the grant expired"
    if not window.fits(node.work.calendar, now, node.work.duration_s):
        return "does not fit what is left of the window"
    return ""


def to_rest(node: Node, reason: str) -> Node:
    """Give a grant back that was not taken up."""
    return replace(node, state=node.rest, back=False, reason=reason)


def uncordon(node: Node, outcome: State, reason: str = "") -> Node:
    """Take our cordon or taint away if there is one, then go where it leads."""
    marked = replace(node, outcome=outcome, reason=reason)
    if must_uncordon(node):
        return replace(marked, state=State.UNCORDONING)
    return arrive(marked)


def must_uncordon(node: Node) -> bool:
    """Return whether something of ours is on the node; what others put there stays.

    A member of LXD may be out of service, and its nodes cordoned, though its own node is theirs.
    """
    is_member_out = bool(node.work and node.work.hosts) and node.cordon is state.Cordon.THEIRS
    return node.cordon is state.Cordon.OURS or node.isolated or is_member_out


def arrive(node: Node) -> Node:
    """Come to where uncordoning leads."""
    landed = replace(
        node, state=node.outcome, back=False, cordon=state.Cordon.NONE, isolated=False
    )
    if landed.state is State.IDLE:
        return replace(landed, work=None, target="", prior="", token=0, drains=0, aborts=False)
    return replace(landed, alive_s=0) if landed.state is State.SOAKING else landed


def finish(node: Node, facts: state.Facts) -> Node:
    """End an upgrade that holds: workloads come back, and the soak begins."""
    return uncordon(replace(node, boot=facts.boot), State.SOAKING)


def fail(node: Node, reason: str) -> Node:
    """Burn the artefact and go back, by the way that the work names."""
    burning = burn(node)
    if node.work is None or node.work.rollback == "none":
        return quarantine(burning, f"{reason}; there is no way back")
    return replace(burning, state=State.ROLLING_BACK, back=True, reason=reason)


def regress(node: Node, reason: str) -> Node:
    """Leave a soak that went wrong: at once, or a voter only when it is told that it may.

    A voter goes back by leaving the cluster; while another one is out, that could cost the quorum.
    """
    if node.work and node.work.rollback == route.STAY:
        return quarantine(burn(node), f"{reason}; there is no way back any more")
    if node.work and node.work.voter and node.work.rollback != "none":
        return replace(burn(node), state=State.REGRESSED, reason=reason)
    return fail(node, reason)


def burn(node: Node) -> Node:
    """Never try this artefact here again without an operator's word."""
    if not node.target or node.target in node.burnt:
        return node
    return replace(node, burnt=(*node.burnt, node.target))


def quarantine(node: Node, reason: str) -> Node:
    """Keep the node out of use, under a taint that says why."""
    return replace(node, state=State.QUARANTINED, isolated=False, reason=reason)
