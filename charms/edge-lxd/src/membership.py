"""Decide who begins the cluster, who joins next, who acts for all, who is on the way out.

Pure bookkeeping over what the units say: no clock, no machine, no Juju. The leader runs
:func:`plan` on every hook; the record it returns is the only truth, so any later leader goes on
where this one stopped. One founder is written down before anything begins, so that there is never
a second cluster.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from edgecloud import books
from edgecloud.books import JOINED, JOINING, LEAVING, joined, leaving, refusal_of
from edgecloud.interfaces.lxd_cluster import Build, ClusterRecord, Member, MemberReport, Refusal

__all__ = [
    "JOINED",
    "JOINING",
    "LEAVING",
    "build_for",
    "identity",
    "joined",
    "leaving",
    "lost",
    "may_found",
    "member_name",
    "plan",
    "refusal_of",
]

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
    record = _give_up(record, reports)
    record = _found(record, reports, leader, now)
    record = dataclasses.replace(record, steward=_steward(record, reports, leader))
    record = _admit(record, reports, now)
    return dataclasses.replace(
        record, members=tuple(sorted(record.members)), refusals=tuple(sorted(record.refusals))
    )


def member_name(unit: str) -> str:
    """Return a unit's name as a member. Host names of Pis flashed from one image are the same."""
    return unit.replace("/", "-")


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


def identity(record: ClusterRecord) -> str:
    """Return by what an operator names the cluster: its certificate, or who was to begin it."""
    return (record.cluster or "")[:12] or member_name(record.founder or "")


def lost(record: ClusterRecord, reports: Reports, planned: int) -> tuple[str, ...]:
    """Return the members of a cluster of which no unit is left that could let others in.

    Nobody may be left to note who departed, so it counts that all units there are were met.

    Args:
        record: the books.
        reports: what every unit in sight says.
        planned: how many units there shall be.
    """
    if len(reports) < planned or not _is_abandoned(record, reports):
        return ()
    if record.cluster is None:
        return (member_name(record.founder or ""),)
    return tuple(member.name for member in record.members if member.state != JOINING)


def _is_abandoned(record: ClusterRecord, reports: Reports) -> bool:
    """Return whether nobody in sight could begin the cluster, or let anybody in."""
    if record.cluster is None:
        return record.founder is not None and record.founder not in reports
    return not any(member.unit in reports for member in joined(record))


def _give_up(record: ClusterRecord, reports: Reports) -> ClusterRecord:
    """Forget a cluster that an operator gave up, unless somebody of it is still in sight."""
    named = {report.given_up for report in reports.values()}
    if identity(record) in named and _is_abandoned(record, reports):
        return ClusterRecord(builds=record.builds)
    return record


def _settle_departures(
    record: ClusterRecord, reports: Reports, departed: Collection[str], now: float
) -> ClusterRecord:
    """Mark members whose unit departed; forget those that the cluster has no more."""
    absent = reports.get(record.steward or "", MemberReport()).absent
    record = books.settle_departures(record, lambda unit: unit in departed, absent, now)
    if record.founder in departed and record.cluster is None:
        # It took with it whatever it may have begun; nobody had joined.
        return dataclasses.replace(record, founder=None)
    return record


def _settle_admission(record: ClusterRecord, reports: Reports, now: float) -> ClusterRecord:
    """Take note of who joined, and of an admission that failed or ran out."""

    def is_in(unit: str) -> bool:
        return _is_in(record, reports, unit)

    def answer(unit: str) -> books.Answer:
        report = reports.get(unit, MemberReport())
        return books.Answer(report.attempt, report.error)

    settled = books.settle_joins(record, is_in, now)
    known = {member.unit for member in settled.members}
    # Who is in the cluster is a member, however late its word of it came.
    adopted = tuple(
        _member(unit, report, JOINED, now)
        for unit, report in reports.items()
        if unit not in known and is_in(unit)
    )
    settled = dataclasses.replace(settled, members=(*settled.members, *adopted))
    ended = books.settle_admission(settled, is_in, answer, now)
    if settled.admission is None or ended.admission is not None:
        return ended
    # Who was refused is no member, and not one that joins either.
    unit = settled.admission.unit
    kept = (one for one in ended.members if (one.unit, one.state) != (unit, JOINING))
    return dataclasses.replace(ended, members=tuple(kept))


def _builds(record: ClusterRecord, reports: Reports, leader: str) -> tuple[Build, ...]:
    """Return which build each architecture has: what its first machine found in the channel."""
    found = {build.arch: build for build in record.builds}
    for unit in (leader, *sorted(reports, key=books.number)):
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
        ready = [
            unit for unit in (leader, *sorted(reports, key=books.number)) if _ready(reports, unit)
        ]
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
    """Return the member that acts for the cluster."""
    able = [member.unit for member in joined(record) if member.unit in reports]
    return books.steward(able, record.refusals, leader)


def _admit(record: ClusterRecord, reports: Reports, now: float) -> ClusterRecord:
    """Let the next unit join, if nobody is joining now."""
    if record.admission is not None or record.steward is None:
        return record
    settled = {member.unit for member in record.members if member.state != JOINING}
    for unit in sorted(reports, key=books.number):
        refusal = refusal_of(record, unit) or Refusal(unit)
        if unit in settled or not _ready(reports, unit) or now < refusal.not_before:
            continue
        report = reports[unit]
        others = tuple(member for member in record.members if member.unit != unit)
        return dataclasses.replace(
            record,
            admission=books.admission_of(record, unit, report.attempt, now),
            members=(*others, _member(unit, report, JOINING, now)),
        )
    return record


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
