"""Decide what a unit says of the nodes that it hosts, and which of them may go. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

import pool_plan
from edgecloud.interfaces import cluster_join, edge_component
from edgecloud.interfaces.cluster_join import ClusterRecord, HostedNode, Member, NodeReport
from edgecloud.lxd_member import renewal

JOINED = "joined"
LEAVING = "leaving"

VERIFY_S = 300
"""How long a node may take to show up in the cluster after it joined."""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """The last attempt of a node to join."""

    number: int = 0
    at: float = 0.0
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Seen:
    """A node that was looked at in this hook."""

    address: str
    ca: str
    worker: bool
    ready: bool
    version: str = ""


def members(unit: str, record: ClusterRecord) -> dict[str, Member]:
    """Return what the cluster knows of this unit's nodes, by instance."""
    prefix = cluster_join.hosted_name(unit, "")
    return {
        pool_plan.instance_of(unit, member.unit.removeprefix(prefix)): member
        for member in record.members
        if member.unit.startswith(prefix)
    }


def is_settled(name: str, known: Mapping[str, Member], said: Mapping[str, NodeReport]) -> bool:
    """Return whether a node is in, on both sides' word, so that nobody has to look at it."""
    member, report = known.get(name), said.get(name)
    return bool(member and member.state == JOINED and report and report.joined)


def is_going(name: str, known: Mapping[str, Member]) -> bool:
    """Return whether the cluster is letting go of a node, which joins anew if it shall stay."""
    member = known.get(name)
    return member is not None and member.state == LEAVING


def report(
    name: str,
    seen: Seen,
    known: Mapping[str, Member],
    record: ClusterRecord,
    last: Attempt,
    now: float,
) -> NodeReport:
    """Return what a node says about itself.

    Args:
        name: of the instance, and of the node.
        seen: what was seen of it now.
        known: what the cluster knows of this unit's nodes.
        record: what the leader of the control plane says.
        last: its last attempt to join.
        now: seconds since 1970 UTC.
    """
    said = NodeReport(
        node=name,
        address=seen.address or None,
        role=cluster_join.WORKER,
        ca=seen.ca or None,
        attempt=last.number or None,
        version=seen.version or None,
    )
    member = known.get(name)
    if is_going(name, known):
        return said
    belongs = member is not None and member.state == JOINED
    if record.cluster is not None and seen.ca == record.cluster and (seen.ready or belongs):
        return dataclasses.replace(said, joined=True)
    return dataclasses.replace(said, error=_error(last, now))


def leaving(name: str, member: Member) -> NodeReport:
    """Return what is said of a node that shall go, or that was lost."""
    return NodeReport(node=name, address=member.address, role=cluster_join.WORKER, leaving=True)


def publication(
    unit: str,
    reports: Mapping[str, NodeReport],
    known: Mapping[str, Member],
    going: Collection[str],
) -> NodeReport:
    """Return what the unit says: of its nodes, and of those the cluster shall let go.

    Args:
        unit: this unit.
        reports: of the nodes that stay, by instance.
        known: what the cluster knows of this unit's nodes.
        going: nodes that shall go.
    """
    said = {name: one for name, one in reports.items() if name not in going}
    for name, member in known.items():
        if name in going or name not in reports:
            said[name] = leaving(name, member)
    hosted = (
        HostedNode(pool_plan.hosted_as(unit, name), one) for name, one in sorted(said.items())
    )
    return NodeReport(hosted=tuple(hosted))


def may_go(going: Collection[str], known: Mapping[str, Member]) -> tuple[str, ...]:
    """Return the nodes that the cluster let go, or never knew; their instances may be deleted."""
    return tuple(name for name in going if name not in known)


def refusal(unit: str, name: str, record: ClusterRecord) -> str:
    """Return why the leader does not admit a node; empty if it does not refuse it."""
    wanted = cluster_join.hosted_name(unit, pool_plan.hosted_as(unit, name))
    return next((one.reason for one in record.refusals if one.unit == wanted), "")


def is_astray(seen: Seen, record: ClusterRecord) -> bool:
    """Return whether a node is in another cluster than the one that is joined now."""
    return seen.worker and record.cluster is not None and seen.ca not in ("", record.cluster)


def should_join(attempt: int, last: Attempt, record: ClusterRecord, now: float) -> bool:
    """Return whether an offer is a new one and there is time left to use it."""
    if record.admission is None:
        return False
    return attempt > last.number and now < record.admission.until - VERIFY_S


def versions(said: NodeReport) -> tuple[str, ...]:
    """Return which Kubernetes runs in each node that is in the cluster, for a plan to know."""
    joined = (one.report for one in said.hosted if one.report.joined and not one.report.leaving)
    return tuple(one.version for one in joined if one.version)


def wish(asked: edge_component.HostedWish | None) -> renewal.Wish | None:
    """Return what a plan wants of the nodes, as the agent wrote it."""
    if asked is None or not (asked.id and asked.version):
        return None
    return renewal.Wish(asked.id, asked.version, asked.revision)


def _error(last: Attempt, now: float) -> str | None:
    """Return why the last attempt counts as failed; None while it may still come good."""
    if last.error:
        return last.error
    if last.number and now > last.at + VERIFY_S:
        return "the join ended well, but the node is not in the cluster"
    return None
