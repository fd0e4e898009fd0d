"""The invariants, judged by counting afresh, with nothing of the core's own rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from edgecloud.rollout import (
    audit,
    inventory,
    ledger,
    messages,
    plan,
    route,
    site,
    skew,
    staging,
    state,
    waves,
    window,
)
from edgecloud.twin import box as boxes

Status, Phase = messages.Status, ledger.Phase
BAD = {Status.DISRUPTED, Status.UNCOMMITTED, Status.REGRESSED, Status.QUARANTINED}
WELL = {Status.SOAKING, Status.DONE}
ENDS = (Phase.COMPLETED, Phase.COMPLETED_WITH_DEBT)


class Premise(Protocol):
    """What is carried out, and where."""

    @property
    def members(self) -> inventory.Inventory:
        """Return the site's nodes."""
        ...

    @property
    def accepted(self) -> plan.Plan:
        """Return the plan."""
        ...


@dataclass
class Judged:
    """One decision, and what it was taken on."""

    case: Premise
    before: ledger.Rollout
    sight: ledger.Sight
    decision: site.Decision
    now: int

    @cached_property
    def rollout(self) -> ledger.Rollout:
        """The ledger after it."""
        return self.decision.rollout

    @cached_property
    def accepted(self) -> plan.Plan:
        """The plan."""
        return self.case.accepted

    @cached_property
    def ups(self) -> list[str]:
        """The nodes that may go forward by it."""
        entries = self.rollout.entries
        return [n for n in self.decision.granted if entries[n].verb is messages.Verb.GRANT]

    @cached_property
    def down(self) -> set[str]:
        """The nodes that are out of service, for any cause; but none that was given up."""
        said = self.sight.reports.items()
        found = {n for n, r in said if not r.ready or r.status in BAD} | set(self.sight.silent)
        return found - {n for n, e in self.rollout.entries.items() if e.released}

    @cached_property
    def held(self) -> set[str]:
        """The nodes whose grants may be in use."""
        return {n for n, e in self.rollout.entries.items() if e.granted != messages.NEVER}

    @cached_property
    def fresh(self) -> list[str]:
        """Nodes that this decision adds to those that are unavailable."""
        return [n for n in self.decision.granted if n not in self.down]

    @cached_property
    def is_together(self) -> bool:
        """Whether it is about members that change all at once."""
        steps = self.rollout.steps
        kinds = {steps[self.rollout.entries[n].order_step].kind for n in self.decision.granted}
        return kinds == {route.Kind.LXD}


def grant_problem(
    case: Premise, before: ledger.Rollout, sight: ledger.Sight, decision: site.Decision, now: int
) -> str:
    """Return which invariant a decision breaks; empty if none."""
    judged = Judged(case, before, sight, decision, now)
    return next((problem for rule in RULES for problem in rule(judged)), "")


def _ending(judged: Judged) -> Iterator[str]:
    rollout, before = judged.rollout, judged.before
    owed = {
        n: e for n, e in rollout.entries.items() if e.step < len(rollout.steps) and not e.is_out
    }
    has_ended = rollout.phase in ENDS and before.phase not in ENDS
    if has_ended and any(not (e.debt or _was_passed_by(before, n, e)) for n, e in owed.items()):
        yield "I18 ended before its last wave had"
    if rollout.phase is Phase.COMPLETED and owed:
        yield "I23 completed without a node that is owed"
    if before.waves and (before.step, before.wave) != (rollout.step, rollout.wave):
        left = [rollout.entries[n] for n in before.waves[before.wave]]
        if any(e.step <= before.step and not e.is_out and not e.debt for e in left):
            yield "I18 left a wave before it had ended"


def _was_passed_by(before: ledger.Rollout, name: str, entry: ledger.Entry) -> bool:
    """Return whether a node's wave was over before; that it was away then was judged then."""
    earlier = {n for names in before.waves[: before.wave] for n in names}
    return entry.step < before.step or (entry.step == before.step and name in earlier)


def _pausing(judged: Judged) -> Iterator[str]:
    for name, entry in judged.rollout.entries.items() if judged.rollout.paused else ():
        report = judged.sight.reports.get(name)
        is_unread = report and report.seen < entry.stamp
        if entry.verb is messages.Verb.GRANT and is_unread:
            yield "I21 left a grant standing while paused"
    if judged.ups and judged.rollout.paused:
        yield "I21 granted while paused"


def _counting(judged: Judged) -> Iterator[str]:
    if judged.is_together:
        return
    busy, limits, members = judged.down | judged.held, judged.accepted.limits, judged.case.members
    most = waves.count(limits.max_unavailable, len(judged.rollout.entries))
    if judged.fresh and len(busy) > most:
        yield "I1 more nodes unavailable than the plan allows"
    for domain in {members[n].domain for n in judged.fresh} - {""}:
        if sum(members[n].domain == domain for n in busy) > limits.per_domain:
            yield "I2 more nodes unavailable in a failure domain than the plan allows"


def _voting(judged: Judged) -> Iterator[str]:
    voters = {n for n, m in judged.case.members.items() if m.voter}
    is_alone = len(voters) == 1 and judged.accepted.drain.single_node == "accept-downtime"
    at_work = {n for n, r in judged.sight.reports.items() if r.status in messages.DISRUPTED}
    alive = (judged.sight.answering & voters) - judged.held - at_work
    is_voter = bool(set(judged.decision.granted) & voters)
    if is_voter and not is_alone and not judged.is_together and 2 * len(alive) <= len(voters):
        yield "I3 no majority of voters would be left"


def _waves(judged: Judged) -> Iterator[str]:
    rollout, entries = judged.rollout, judged.rollout.entries
    if any(judged.sight.reports[n].status is not Status.WAITING for n in judged.ups):
        yield "I18 granted a node that does not wait"
    for name in judged.ups:
        at = entries[name].order_step
        wave = next((i for i, names in enumerate(rollout.waves) if name in names), 0)
        if at != rollout.step or not wave:
            continue
        early = [entries[m] for names in rollout.waves[:wave] for m in names]
        if any(e.step <= at and not e.is_out and not e.debt for e in early):
            yield "I18 granted a node before the wave before it was through"
        if not any(entries[m].step > at for m in rollout.waves[0]):
            yield "I18 granted a node without a canary that went through"


def _order(judged: Judged) -> Iterator[str]:
    members, entries = judged.case.members, judged.rollout.entries
    for name in judged.ups:
        at, role = entries[name].order_step, members[name].role
        left = [m for m, e in entries.items() if e.step <= at and m != name]
        is_kubernetes = judged.rollout.steps[at].kind is route.Kind.KUBERNETES
        there = [m for m in left if not entries[m].released]
        planes = [m for m in there if members[m].role == skew.CONTROL_PLANE]
        if is_kubernetes and role == skew.WORKER and planes:
            yield "I6 granted a worker before a control plane"
        peers = [m for m in left if members[m].role == role and not entries[m].is_out]
        is_last = entries[name].debt or not set(peers) - set(judged.sight.silent)
        if members[name].coordinator and not is_last:
            yield "I27 granted the coordinator's own node before its peers"


def _holding(judged: Judged) -> Iterator[str]:
    accepted, sight = judged.accepted, judged.sight
    if not judged.decision.granted:
        return
    asked = [g.name for g in accepted.gates if "before" in g.when and g.on_unknown == "block"]
    if judged.ups and any(sight.gates.get(g) is not ledger.Verdict.PASS for g in asked):
        yield "I20 granted while a gate did not pass"
    if sight.foreign:
        yield "I29 granted beside another tool's upgrade"
    if not sight.clock_trusted:
        yield "I14 granted by a clock that is not trusted"
    if judged.ups and judged.now >= accepted.expires:
        yield "I17 granted after the plan expired"
    for name in judged.decision.granted:
        kind = judged.rollout.steps[judged.rollout.entries[name].order_step].kind
        needed = route.duration_s(accepted, judged.case.members[name], kind)
        if not _is_open(accepted.calendar, judged.now, judged.now + needed):
            yield "I14 granted what does not fit the window"


def _failing(judged: Judged) -> Iterator[str]:
    entries, reports = judged.rollout.entries, judged.sight.reports.items()
    if not judged.decision.granted:
        return
    failed = sum(e.failed for e in entries.values())
    if judged.ups and failed >= judged.accepted.abort.node_failures:
        yield "I19 granted although too many failed"
    if judged.ups and _has_row(judged):
        yield "I19 granted although too many failed in a row"
    ended = [n for n, r in reports if r.aborts and r.status is Status.FAILED]
    if any(entries[n].failed for n in ended if n in entries):
        yield "I19 granted although a drain ended the plan"


def _has_row(judged: Judged) -> bool:
    """Return whether what was heard now makes a row of failures too long, whoever counted it."""
    limit, before = judged.accepted.abort.consecutive, judged.before
    pairs = [(before.entries[name], e) for name, e in judged.rollout.entries.items()]
    fresh = sum(e.failed and not old.failed for old, e in pairs)
    is_broken = any(e.status in WELL and old.status not in WELL for old, e in pairs)
    return bool(limit) and not is_broken and before.row + fresh >= limit


def _staging(judged: Judged) -> Iterator[str]:
    """Judge what nodes are told to fetch, by what they say and by what the plan says of it."""
    limits, before, entries = judged.accepted.limits, judged.before, judged.rollout.entries
    told = {n: e for n, e in entries.items() if e.stamp != before.entries[n].stamp}
    told = {n: e for n, e in told.items() if e.verb is messages.Verb.PREPARE}
    if not told or not (limits.staging or limits.daily_mib):
        return
    there = {n: e for n, e in entries.items() if not (e.is_out or e.debt)}
    prepared = {n for n, e in there.items() if e.verb is messages.Verb.PREPARE}
    said = {n: r.status for n, r in judged.sight.reports.items() if n not in judged.sight.silent}
    early = {n for n in prepared if said.get(n) in (Status.IDLE, Status.STAGING)}
    if limits.staging and len(early | set(told)) > limits.staging:
        yield "I26 more nodes fetch at once than the plan allows"
    steps, members = judged.rollout.steps, judged.case.members
    parts = [(steps[e.order_step].part, members[n]) for n, e in told.items()]
    mib = sum(staging.needed_mib(judged.accepted, *each) or 0 for each in parts)
    spent = before.day_mib if judged.now < (before.day + 1) * staging.DAY_S else 0
    if limits.daily_mib and spent + mib > limits.daily_mib:
        yield "I26 more is fetched on one day than the plan allows"


def _is_open(calendar: window.Calendar, start: int, end: int) -> bool:
    """Return whether disruption is allowed all the time, windows that join on included."""
    if any(each.start < end and start < each.end for each in calendar.blackouts):
        return False
    until, spans = start, [s for each in calendar.windows for s in window.spans(each, start, end)]
    for opening, closing in sorted(spans):
        until = max(until, closing) if opening <= until else until
    return not calendar.windows or (until >= end and until > start)


def _recording(judged: Judged) -> Iterator[str]:
    before, after = judged.before, judged.rollout
    records = audit.site_transitions(before, after)
    given = sorted(n for n, e in after.entries.items() if e.stamp != before.entries[n].stamp)
    if sorted(each["node"] for each in records if "order" in each) != given:
        yield "I25 an order without one record"
    moved = (before.phase, before.wave, before.step) != (after.phase, after.wave, after.step)
    if moved and sum("to" in each for each in records) != 1:
        yield "I25 a wave or phase without one record"


def _rehearsing(judged: Judged) -> Iterator[str]:
    if judged.rollout.members != judged.case.members:
        yield "I30 goes on with another site than it began with"
    if judged.rollout.digest != judged.accepted.digest:
        yield "I30 goes on with another plan than it began with"


RULES: tuple[Callable[[Judged], Iterator[str]], ...] = (
    _ending,
    _pausing,
    _counting,
    _voting,
    _waves,
    _order,
    _holding,
    _failing,
    _staging,
    _recording,
    _rehearsing,
)


def is_in_flight(box: boxes.Box) -> bool:
    """Return whether an upgrade is at work on a machine."""
    return state.status(box.node) in messages.DISRUPTED


def state_problem(case: Premise, phase: ledger.Phase, machines: Sequence[boxes.Box]) -> str:
    """Judge the machines as they truly are, whatever anybody was told."""
    found = [*_disturbed(case, machines), *_versions(case, machines), *_over(phase, machines)]
    return found[0] if found else ""


def _disturbed(case: Premise, machines: Sequence[boxes.Box]) -> Iterator[str]:
    if case.accepted.targets.lxd is not None:
        return
    busy = [box for box in machines if is_in_flight(box)]
    alone = [box for box in busy if box.node.back and box.node.rest is not state.State.SOAKING]
    total = len(route.selected(case.accepted, case.members))
    if len(busy) - len(alone) > waves.count(case.accepted.limits.max_unavailable, total):
        yield "I1 more machines are disturbed than the plan allows"
    voters = [member.name for member in case.members.values() if member.voter]
    if len(voters) > 1 and 2 * sum(box.node.name in voters for box in busy) >= len(voters):
        yield "I3 the majority of voters is disturbed"


def _versions(case: Premise, machines: Sequence[boxes.Box]) -> Iterator[str]:
    found = {(case.members[b.node.name].role, skew.parse(b.version)) for b in machines}
    found |= {(skew.WORKER, skew.parse(version)) for b in machines for version in b.hosted}
    pairs = {(role, minor) for role, minor in found if minor}
    planes = sorted(minor for role, minor in pairs if role == skew.CONTROL_PLANE)
    if not planes:
        return
    if planes[-1].minor - planes[0].minor > 1:
        yield "I4 control planes more than one minor apart"
    if any(minor > planes[0] for role, minor in pairs if role == skew.WORKER):
        yield "I6 a worker is newer than a control plane"
    if any(planes[-1].minor - minor.minor > 3 for _, minor in pairs):
        yield "I4 a kubelet is too old"


def _over(phase: ledger.Phase, machines: Sequence[boxes.Box]) -> Iterator[str]:
    if phase not in ledger.TERMINAL or phase is Phase.COMPLETED_WITH_DEBT:
        return
    for box in machines:
        if box.cordon not in ("", boxes.USER):
            yield "I7 the plan is over and our cordon is still there"
        if is_in_flight(box):
            yield "I22 the plan is over and a node is still disturbed"
