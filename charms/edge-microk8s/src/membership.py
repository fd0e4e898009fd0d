"""Decide who belongs to the cluster, who may join next, and which member acts for the others.

Pure bookkeeping over what the units say: no clock, no machine, no Juju. The leader of the
application runs :func:`plan` on every hook; the record it returns is the only truth, so any later
leader goes on where this one stopped. The leader itself need not be a member: the steward is.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping

from edgecloud import books
from edgecloud.books import JOINED, JOINING, LEAVING, joined, leaving, refusal_of
from edgecloud.interfaces.cluster_join import (
    CONTROL_PLANE,
    ClusterRecord,
    Member,
    MemberReport,
    NodeReport,
    Refusal,
    Turn,
    owner,
)

__all__ = [
    "JOINED",
    "JOINING",
    "LEAVING",
    "REMEDIES",
    "disturbed",
    "joined",
    "leaving",
    "plan",
    "refusal_of",
]

TURN_S = 600
"""How long one unit may take to restart and be ready again."""

LATE_S = 3600
"""How long one that was not waits for its next turn."""

API_PORT = 16443

REMEDIES = (
    "rename one machine",
    "give one machine another address",
    "set channel to the cluster's version and replace this unit",
)
"""How a refusal ends that only an operator can resolve."""


def plan(
    record: ClusterRecord,
    *,
    reports: Mapping[str, NodeReport],
    acts: Mapping[str, MemberReport],
    leader: str,
    now: float,
) -> ClusterRecord:
    """Return the record as it should be now.

    Args:
        record: what the last leader published.
        reports: what every unit in sight says about itself, workers of other applications too.
        acts: what every unit of this application in sight, this one included, did and saw.
        leader: this unit, which wins a tie for founding the cluster and for being its steward.
        now: seconds since 1970 UTC.
    """
    departed = {unit for act in acts.values() for unit in act.departed} - set(reports)
    departed |= {unit for unit, report in reports.items() if report.leaving}
    gone = acts.get(record.steward or "", MemberReport()).gone
    addons = acts.get(record.steward or "", MemberReport()).addons
    record = dataclasses.replace(record, addons=addons or record.addons)
    record = books.settle_departures(record, lambda unit: _has_left(unit, departed), gone, now)
    record = _settle_admission(record, reports, now)
    record = _found(record, reports, acts, leader, now)
    record = dataclasses.replace(record, steward=_steward(record, reports, acts, leader))
    record = _give_turn(record, reports, now)
    record = _admit(record, reports, now)
    return dataclasses.replace(
        record,
        members=tuple(sorted(record.members)),
        refusals=tuple(sorted(record.refusals)),
        endpoints=_endpoints(record),
    )


def disturbed(record: ClusterRecord, reports: Mapping[str, NodeReport]) -> list[str]:
    """Return the control planes that their agents disturb now: nobody joins or restarts then."""
    planes = [m.unit for m in joined(record) if m.role == CONTROL_PLANE]
    return [unit for unit in planes if reports.get(unit, NodeReport()).busy]


def _has_left(unit: str, departed: Collection[str]) -> bool:
    """Return whether a unit, or the one that hosts this node, departed."""
    return unit in departed or owner(unit) in departed


def _settle_admission(
    record: ClusterRecord, reports: Mapping[str, NodeReport], now: float
) -> ClusterRecord:
    """Take note of who joined, and of an admission that failed or ran out."""

    def is_in(unit: str) -> bool:
        return _joined(record, reports, unit)

    def answer(unit: str) -> books.Answer:
        report = reports.get(unit, NodeReport())
        return books.Answer(report.attempt, report.error)

    return books.settle_admission(books.settle_joins(record, is_in, now), is_in, answer, now)


def _found(
    record: ClusterRecord,
    reports: Mapping[str, NodeReport],
    peers: Collection[str],
    leader: str,
    now: float,
) -> ClusterRecord:
    """Begin the cluster with one unit, once; begin anew only when nobody is left of the old."""
    if record.admission is not None or joined(record):
        return record
    ready = [
        unit
        for unit in (leader, *sorted(peers, key=_number))
        if _ready(reports.get(unit, NodeReport()), CONTROL_PLANE)
    ]
    if not ready:
        return record
    report = reports[ready[0]]
    # The keys of encryption at rest belong to the application, and outlive a cluster.
    return ClusterRecord(
        cluster=report.ca,
        members=(_member(ready[0], report, JOINED, now),),
        encryption=record.encryption,
        generation=record.generation,
    )


def _give_turn(
    record: ClusterRecord, reports: Mapping[str, NodeReport], now: float
) -> ClusterRecord:
    """Let one member at a time restart what it has to, while nobody joins."""
    wanting = [m.unit for m in joined(record) if reports.get(m.unit, NodeReport()).wants_turn]
    turn = record.turn
    if turn is not None and turn.unit in wanting and now < turn.until:
        return record
    late = [each for each in record.late if each.unit in wanting and now < each.until]
    if turn is not None and turn.unit in wanting:
        # It may be dead, and must not keep the others from joining and restarting for ever.
        late.append(Turn(turn.unit, float(round(now + LATE_S))))
    record = dataclasses.replace(record, turn=None, late=tuple(sorted(late)))
    able = sorted(set(wanting) - {each.unit for each in late}, key=_number)
    if not able or record.admission is not None or disturbed(record, reports):
        return record
    return dataclasses.replace(record, turn=Turn(able[0], float(round(now + TURN_S))))


def _admit(record: ClusterRecord, reports: Mapping[str, NodeReport], now: float) -> ClusterRecord:
    """Let the next unit join, if nobody is joining now."""
    if record.admission is not None or record.steward is None or record.turn is not None:
        return record
    if disturbed(record, reports):
        return record
    settled = {member.unit for member in record.members if member.state != JOINING}
    for unit in sorted(reports, key=lambda unit: _turn(unit, reports[unit])):
        report = reports[unit]
        refusal = refusal_of(record, unit) or Refusal(unit)
        if unit in settled or not _ready(report) or now < refusal.not_before:
            continue
        reason = _collision(record, unit, report) or _misfit(record, reports, report)
        if not reason:
            others = tuple(member for member in record.members if member.unit != unit)
            return dataclasses.replace(
                record,
                admission=books.admission_of(record, unit, report.attempt, now),
                members=(*others, _member(unit, report, JOINING, now)),
            )
        record = books.with_refusal(record, dataclasses.replace(refusal, reason=reason))
    return record


def _collision(record: ClusterRecord, unit: str, report: NodeReport) -> str:
    """Return why a node would clash with a member, or nothing."""
    for member in record.members:
        if member.unit == unit or (member.node, member.address) == ("", ""):
            continue
        clash = member.node == report.node or member.address == report.address
        if clash and member.state == LEAVING:
            return f"waits until the node of {member.unit} is out of the cluster"
        if member.node == report.node:
            return f"host name {report.node} is taken by {member.unit}: {REMEDIES[0]}"
        if member.address == report.address:
            return f"address {report.address} is taken by {member.unit}: {REMEDIES[1]}"
    return ""


def _misfit(record: ClusterRecord, reports: Mapping[str, NodeReport], report: NodeReport) -> str:
    """Return why a node's version does not go with the cluster's, or nothing.

    MicroK8s lets anything in. But a datastore that a newer version wrote cannot be read by an
    older one, API servers stand one minor version between them, and no kubelet may be newer than
    an API server. Who does not say which version it has is not judged.
    """
    planes = [m.unit for m in joined(record) if m.role == CONTROL_PLANE]
    minors = [_minor(reports.get(unit, NodeReport()).version) for unit in planes]
    known, mine = [minor for minor in minors if minor is not None], _minor(report.version)
    if mine is None or not known:
        return ""
    if report.role == CONTROL_PLANE:
        fits = max(known) <= mine <= min(known) + 1
    else:
        fits = mine == min(known)
    if fits:
        return ""
    having = f"1.{min(known)}" if len(set(known)) == 1 else f"1.{min(known)} to 1.{max(known)}"
    return f"Kubernetes {report.version} does not go with the cluster's {having}: {REMEDIES[2]}"


def _minor(version: str | None) -> int | None:
    found = re.match(r"v?1\.([0-9]+)", version or "")
    return int(found.group(1)) if found else None


def _steward(
    record: ClusterRecord,
    reports: Mapping[str, NodeReport],
    peers: Collection[str],
    leader: str,
) -> str | None:
    """Return the member that acts for the cluster.

    One whose agent disturbs it acts for nobody, as long as there is another.
    """
    able = [m.unit for m in joined(record) if m.role == CONTROL_PLANE and m.unit in peers]
    able = [unit for unit in able if not reports.get(unit, NodeReport()).busy] or able
    return books.steward(able, record.refusals, leader)


def _endpoints(record: ClusterRecord) -> tuple[str, ...]:
    """Return where the Kubernetes API answers, members on their way out left out."""
    members: Iterable[Member] = joined(record)
    return tuple(sorted(f"{m.address}:{API_PORT}" for m in members if m.role == CONTROL_PLANE))


def _joined(record: ClusterRecord, reports: Mapping[str, NodeReport], unit: str) -> bool:
    """Return whether a node says that it is in this very cluster."""
    report = reports.get(unit, NodeReport())
    return bool(report.joined) and report.ca == record.cluster


def _ready(report: NodeReport, role: str | None = None) -> bool:
    """Return whether a node said all that admitting it takes."""
    complete = bool(report.node and report.address and report.role and report.ca)
    return complete and not report.leaving and role in (None, report.role)


def _member(unit: str, report: NodeReport, state: str, now: float) -> Member:
    return Member(
        unit=unit,
        node=report.node or "",
        address=report.address or "",
        role=report.role or "",
        state=state,
        since=float(round(now)),
    )


def _turn(unit: str, report: NodeReport) -> tuple[bool, str, int, str]:
    """Return the order in which units join: control planes first, then by name and number."""
    return report.role != CONTROL_PLANE, unit.partition("/")[0], _number(unit), unit


def _number(unit: str) -> int:
    return int(owner(unit).partition("/")[2])
