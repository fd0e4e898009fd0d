"""Decide who begins the cluster, who joins next, who acts for all, who is on the way out.

Pure bookkeeping over what the units say: no clock, no machine, no Juju. The leader runs
:func:`plan` on every hook; the record it returns is the only truth, so any later leader goes on
where this one stopped. One founder is written down before anything begins, so that there is never
a second cluster.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from edgecloud.interfaces.lxd_cluster import (
    Admission,
    Build,
    ClusterRecord,
    Member,
    MemberReport,
    Refusal,
)

JOINING = "joining"
JOINED = "joined"
LEAVING = "leaving"

ADMISSION_S = 900
"""How long one unit may take to join before the next one has its turn."""

BACKOFF_S = 30
BACKOFF_LIMIT_S = 600

Reports = Mapping[str, MemberReport]


def plan(record: ClusterRecord, *, reports: Reports, leader: str, now: float) -> ClusterRecord:
    """Return the record as it should be now.

    Args:
        record: what the last leader published.
        reports: what every unit in sight says, the leader included.
        leader: this unit, which wins a tie for founding and for being the steward.
        now: seconds since 1970 UTC.
    """
    departed = {unit for one in reports.values() for unit in one.departed} - set(reports)
    record = _settle_departures(record, reports, departed, now)
    record = _settle_admission(record, reports, now)
    record = dataclasses.replace(record, builds=_builds(record, reports, leader))
    record = _found(record, reports, leader, now)
    record = dataclasses.replace(record, steward=_steward(record, reports, leader))
    record = _admit(record, reports, now)
    return dataclasses.replace(
        record, members=tuple(sorted(record.members)), refusals=tuple(sorted(record.refusals))
    )


def member_name(unit: str) -> str:
    """Return a unit's name as a member. Host names of Pis flashed from one image are the same."""
    return unit.replace("/", "-")


def leaving(record: ClusterRecord) -> list[Member]:
    """Return the members whose units departed."""
    return [member for member in record.members if member.state == LEAVING]


def joined(record: ClusterRecord) -> list[Member]:
    """Return the members that are in the cluster for good."""
    return [member for member in record.members if member.state == JOINED]


def refusal_of(record: ClusterRecord, unit: str) -> Refusal | None:
    """Return why a unit has to wait, if it does."""
    return next((refusal for refusal in record.refusals if refusal.unit == unit), None)


def build_for(record: ClusterRecord, unit: str, arch: str) -> Build | None:
    """Return the build that a unit has to install; None while that is not known yet.

    The unit that goes first installs whatever the channel has: its build has no revision.
    """
    found = next((build for build in record.builds if build.arch == arch), None)
    if found is None or (not found.revision and found.unit != unit):
        return None
    return found


def may_found(record: ClusterRecord, unit: str) -> bool:
    """Return whether a unit may begin the cluster: if it was chosen, and nobody has begun."""
    return record.founder == unit and record.cluster is None


def _settle_departures(
    record: ClusterRecord, reports: Reports, departed: Collection[str], now: float
) -> ClusterRecord:
    """Mark members whose unit departed; forget those that the cluster has no more."""
    absent = reports.get(record.steward or "", MemberReport()).absent
    members = tuple(
        dataclasses.replace(member, state=LEAVING, since=float(round(now)))
        if member.unit in departed and member.state != LEAVING
        else member
        for member in record.members
        if not (member.state == LEAVING and member.unit in absent)
    )
    admission = record.admission
    if admission is not None and admission.unit in departed:
        admission = None
    refusals = tuple(refusal for refusal in record.refusals if refusal.unit not in departed)
    founder = record.founder
    if founder in departed and record.cluster is None:
        founder = None  # It took with it whatever it may have begun; nobody had joined.
    return dataclasses.replace(
        record, members=members, admission=admission, refusals=refusals, founder=founder
    )


def _settle_admission(record: ClusterRecord, reports: Reports, now: float) -> ClusterRecord:
    """Take note of who joined, and of an admission that failed or ran out."""
    members = tuple(
        dataclasses.replace(member, state=JOINED, since=float(round(now)))
        if member.state == JOINING and _is_in(record, reports, member.unit)
        else member
        for member in record.members
    )
    known = {member.unit for member in members}
    # Who is in the cluster is a member, however late its word of it came.
    adopted = tuple(
        _member(unit, report, JOINED, now)
        for unit, report in reports.items()
        if unit not in known and _is_in(record, reports, unit)
    )
    record = dataclasses.replace(record, members=(*members, *adopted))
    admission = record.admission
    if admission is None:
        return record
    if _is_in(record, reports, admission.unit):
        return dataclasses.replace(_without_refusal(record, admission.unit), admission=None)
    report = reports.get(admission.unit, MemberReport())
    if report.error and report.attempt == admission.attempt:
        return _refuse(record, admission, report.error, now)
    if now >= admission.until:
        return _refuse(record, admission, "did not answer in time", now)
    return record


def _builds(record: ClusterRecord, reports: Reports, leader: str) -> tuple[Build, ...]:
    """Return which build each architecture has: what its first machine found in the channel."""
    found = {build.arch: build for build in record.builds}
    for unit in (leader, *sorted(reports, key=_number)):
        report = reports.get(unit, MemberReport())
        if not report.arch:
            continue
        build = found.get(report.arch)
        if build is None or (not build.revision and build.unit not in reports):
            build = found[report.arch] = Build(report.arch, unit)
        if not build.revision and build.unit == unit and report.revision:
            found[report.arch] = dataclasses.replace(build, revision=report.revision)
    return tuple(sorted(found.values()))


def _found(record: ClusterRecord, reports: Reports, leader: str, now: float) -> ClusterRecord:
    """Choose who begins, once; note that it has begun; begin anew only when nobody is left."""
    if record.cluster is not None and not record.members and record.admission is None:
        record = ClusterRecord(builds=record.builds)
    if record.founder is None:
        ready = [unit for unit in (leader, *sorted(reports, key=_number)) if _ready(reports, unit)]
        if not ready:
            return record
        network = reports[ready[0]].network
        return dataclasses.replace(record, founder=ready[0], network=network)
    report = reports.get(record.founder, MemberReport())
    if record.cluster is None and report.cluster:
        member = _member(record.founder, report, JOINED, now)
        return dataclasses.replace(record, cluster=report.cluster, members=(member,))
    return record


def _steward(record: ClusterRecord, reports: Reports, leader: str) -> str | None:
    """Return the member that acts for the cluster: the leader if it is one.

    A leader that is no member cannot tell whether another one's machine is alive; so after each
    failed attempt the next member has its turn.
    """
    able = [member.unit for member in joined(record) if member.unit in reports]
    if leader in able or not able:
        return leader if able else None
    failures = max((refusal.attempt for refusal in record.refusals), default=0)
    return sorted(able, key=_number)[failures % len(able)]


def _admit(record: ClusterRecord, reports: Reports, now: float) -> ClusterRecord:
    """Let the next unit join, if nobody is joining now."""
    if record.admission is not None or record.steward is None:
        return record
    settled = {member.unit for member in record.members if member.state != JOINING}
    for unit in sorted(reports, key=_number):
        refusal = refusal_of(record, unit) or Refusal(unit)
        if unit in settled or not _ready(reports, unit) or now < refusal.not_before:
            continue
        report = reports[unit]
        attempt = max(refusal.attempt, report.attempt or 0) + 1
        others = tuple(member for member in record.members if member.unit != unit)
        return dataclasses.replace(
            record,
            admission=Admission(unit, attempt, float(round(now + ADMISSION_S))),
            members=(*others, _member(unit, report, JOINING, now)),
        )
    return record


def _refuse(record: ClusterRecord, admission: Admission, reason: str, now: float) -> ClusterRecord:
    """End an admission; its unit waits longer after every failure, the others go ahead."""
    wait = min(BACKOFF_S * 2 ** min(max(admission.attempt - 1, 0), 16), BACKOFF_LIMIT_S)
    refusal = Refusal(admission.unit, admission.attempt, float(round(now + wait)), reason)
    others = _without_refusal(record, admission.unit).refusals
    members = tuple(
        member
        for member in record.members
        if not (member.unit == admission.unit and member.state == JOINING)
    )
    return dataclasses.replace(
        record, refusals=(*others, refusal), members=members, admission=None
    )


def _without_refusal(record: ClusterRecord, unit: str) -> ClusterRecord:
    kept = tuple(refusal for refusal in record.refusals if refusal.unit != unit)
    return dataclasses.replace(record, refusals=kept)


def _is_in(record: ClusterRecord, reports: Reports, unit: str) -> bool:
    """Return whether a machine says that it is in this very cluster."""
    report = reports.get(unit, MemberReport())
    return report.cluster is not None and report.cluster == record.cluster


def _ready(reports: Reports, unit: str) -> bool:
    """Return whether a unit said all that admitting it takes."""
    report = reports.get(unit, MemberReport())
    return bool(report.ready and report.name and report.address)


def _member(unit: str, report: MemberReport, state: str, now: float) -> Member:
    return Member(unit, report.name or "", report.address or "", state, float(round(now)))


def _number(unit: str) -> int:
    return int(unit.partition("/")[2])
