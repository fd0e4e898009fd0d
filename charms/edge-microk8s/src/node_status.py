"""Say in one line how a node is, from what is known of it. Pure.

Kubernetes knows three states of a node, and so does this: Unknown is neither ready nor failed.
"""

from __future__ import annotations

import dataclasses

import membership
from cluster_view import ClusterView
from edgecloud.host import kubectl
from edgecloud.interfaces import cluster_join

ACTIVE = "active"
BLOCKED = "blocked"
MAINTENANCE = "maintenance"
WAITING = "waiting"

LONGEST = 240
"""As much of a message as `juju status` shows without tearing its table apart."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a node at the end of a hook."""

    unit: str
    role: str
    blockers: tuple[str, ...] = ()
    """What an operator has to mend: options, the machine, a missing relation."""
    installed: bool = True
    troubles: tuple[str, ...] = ()
    """What failed in this hook and will be tried again."""
    node: str = ""
    record: cluster_join.ClusterRecord = dataclasses.field(
        default_factory=cluster_join.ClusterRecord
    )
    view: ClusterView | None = None
    holding: str = ""
    """Why the steward does not act on the record now."""
    speaks_for_all: bool = False
    """Whether this unit reports on the whole cluster: the leader of the control plane."""
    notes: tuple[str, ...] = ()
    """What is worth knowing but stops nothing."""
    disturbed: bool = False
    """Whether the agent is at work on this machine."""
    launching: str = ""
    """What to say of a launch configuration that was not applied in time."""


@dataclasses.dataclass(frozen=True)
class Line:
    """A status and its message."""

    status: str
    message: str


def judge(facts: Facts) -> Line:
    """Return the line for a node."""
    line = _judge(facts)
    rest = f"… all: juju run {facts.unit} preflight" if line.status == BLOCKED else "…"
    return Line(line.status, _short(line.message, rest))


def _short(message: str, rest: str) -> str:
    """Return a message in one line; where it has to end early, with where to read the rest."""
    message = " ".join(message.split())
    return message if len(message) <= LONGEST else message[: LONGEST - len(rest)] + rest


def _judge(facts: Facts) -> Line:
    if facts.disturbed:
        return Line(MAINTENANCE, "the agent is at work on this machine")
    if facts.blockers:
        return Line(BLOCKED, "; ".join(facts.blockers))
    if not facts.installed:
        return Line(*(_trouble(facts) or (MAINTENANCE, "installing MicroK8s")))
    refusal = membership.refusal_of(facts.record, facts.unit)
    if refusal is not None and refusal.reason.endswith(membership.REMEDIES):
        return Line(BLOCKED, refusal.reason)
    if facts.launching:
        return Line(WAITING, facts.launching)
    return Line(*(_outside(facts, refusal) or _trouble(facts) or _inside(facts)))


def _outside(facts: Facts, refusal: cluster_join.Refusal | None) -> tuple[str, str] | None:
    """Return the line of a node that is not in the cluster yet, None if it is."""
    member = cluster_join.by_unit(facts.record.members).get(facts.unit)
    if member is not None and member.state == membership.JOINED:
        return None
    if facts.record.cluster is None:
        return WAITING, "waiting for the cluster to be founded"
    admission = facts.record.admission
    if admission is not None and admission.unit == facts.unit:
        return MAINTENANCE, f"joining the cluster (attempt {admission.attempt})"
    if refusal is not None:
        return WAITING, f"joining again soon: {refusal.reason}"
    return WAITING, "waiting for its turn to join the cluster"


def _trouble(facts: Facts) -> tuple[str, str] | None:
    if not facts.troubles:
        return None
    return WAITING, f"trying again: {facts.troubles[0]}"


def _inside(facts: Facts) -> tuple[str, str]:
    """Return the line of a member."""
    if facts.view is None:
        return WAITING, "the Kubernetes API does not answer"
    node = facts.view.node(facts.node)
    if node is None:
        return WAITING, f"{facts.node} is not registered in Kubernetes"
    remark = facts.view.remarks.get(node.name, "")
    if node.readiness is kubectl.Readiness.UNKNOWN:
        return WAITING, remark or "Kubernetes does not hear from this node"
    if node.readiness is kubectl.Readiness.NOT_READY:
        return WAITING, remark or "node not ready"
    message = summary(facts.record, facts.view) if facts.speaks_for_all else "node ready"
    if node.cordoned:
        message += ", cordoned"
    remarks = facts.view.remarks.values() if facts.speaks_for_all else ()
    parts = (message, *remarks, facts.holding, *facts.notes)
    return ACTIVE, "; ".join(part for part in parts if part)


def summary(record: cluster_join.ClusterRecord, view: ClusterView) -> str:
    """Return the cluster in a few words: ``3/3 nodes ready, 3 voters``."""
    expected = max(len(view.nodes), len(membership.joined(record)))
    voters = "1 voter" if view.voters == 1 else f"{view.voters} voters"
    text = f"{view.ready_count}/{expected} nodes ready, {voters}"
    planes = [m for m in membership.joined(record) if m.role == cluster_join.CONTROL_PLANE]
    if len(planes) == 2:
        text += "; two control planes are less available than one: add a third"
    return text
