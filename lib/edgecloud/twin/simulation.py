"""One run of a plan on a simulated site, from event to event: the core decides, machines obey.

The coordinator decides whenever something that it can see changed, or when time alone may have
changed something. Messages take no time, but for nodes that cannot be heard, which take and say
nothing. Every decision and every state is judged by rules that count afresh.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgecloud.rollout import (
    holds,
    intent,
    inventory,
    ledger,
    messages,
    plan,
    route,
    site,
    staging,
    state,
    window,
)
from edgecloud.twin import box as boxes
from edgecloud.twin import faults, machine, rules

DAY_S = 86400
RELEASE_S = DAY_S
"""How long the operator of a rehearsal waits for a node before giving it up."""
MOST_EVENTS = 400
"""For each node: a run that takes more does not end."""


@dataclass(frozen=True)
class Premise:
    """What is rehearsed, and where."""

    members: inventory.Inventory
    accepted: plan.Plan
    start: int


@dataclass
class Outcome:
    """What a run came to."""

    phase: ledger.Phase = ledger.Phase.SCHEDULED
    seconds: int = 0
    """From the acceptance to the end."""
    days: set[int] = field(default_factory=set[int])
    """The days, by UTC, on which nodes were disturbed."""
    disturbed: int = 0
    """The most nodes that upgrades had out of service at once."""
    unavailable: int = 0
    """The same with those that a fault had."""
    problem: str = ""
    """The first invariant that was broken."""
    unfinished: tuple[str, ...] = ()
    """The nodes that are not upgraded at its end."""
    approvals: int = 0
    released: tuple[str, ...] = ()
    """The nodes that an operator had to give up."""
    staged: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """What was brought where: node and step."""
    met: list[faults.Met] = field(default_factory=list[faults.Met])

    def note(self, problem: str) -> None:
        """Keep the first problem."""
        self.problem = self.problem or problem


class Run:
    """One run; :meth:`outcome` carries it out."""

    def __init__(self, premise: Premise, struck: Sequence[faults.Fault], draw: random.Random):
        self._premise, self._now, self._draw = premise, premise.start, draw
        self._faults = {(fault.node, fault.state): fault.what for fault in struck}
        self._struck = bool(struck)
        self._rollout = _accept(premise)
        members = premise.members.items()
        self._machines = {name: self._fresh(member) for name, member in members}
        self._queue, self._count = list[tuple[int, int, str, int]](), 0
        self._works = dict[tuple[str, int, str], route.Work]()
        self._troubles = dict[str, int]()
        """What befell the site, and when it is over."""
        chosen = route.selected(premise.accepted, premise.members).values()
        self._longest_s = {
            step.kind: max(route.duration_s(premise.accepted, m, step.kind) for m in chosen)
            for step in self._rollout.steps
        }
        self._found = Outcome()

    def outcome(self) -> Outcome:
        """Run until it ends, breaks an invariant, or takes too long."""
        left = MOST_EVENTS * max(4, len(self._machines))
        self._decide()
        while not self._is_over() and left:
            left -= 1
            self._advance()
        if not left:
            self._found.note("I24 it does not end")
        entries = self._rollout.entries.items()
        found, last = self._found, len(self._rollout.steps)
        found.phase, found.seconds = self._rollout.phase, self._now - self._premise.start
        found.unfinished = tuple(name for name, entry in entries if entry.step < last)
        found.released = tuple(name for name, entry in entries if entry.released)
        return found

    def _fresh(self, member: inventory.Member) -> machine.Machine:
        box = boxes.fresh(member.name, member.version, f"{member.name}-old", member.hosted)
        pace = self._draw.triangular(0.4, 1.0, 0.7)
        return machine.Machine(box, pace, boxes.report(box))

    # --- time --------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Go to the next moment at which anything may happen, and let it."""
        looks = [moment for moment in self._moments() if moment > self._now]
        look = min(looks, default=self._now + DAY_S)
        self._now = max(self._now, min(look, self._queue[0][0])) if self._queue else look
        heard = self._heard()
        while self._queue and self._queue[0][0] <= self._now:
            _, _, name, turn = heapq.heappop(self._queue)
            if turn == self._machines[name].turn:
                self._act(name)
        for each in self._machines.values():
            each.relent(self._now)
        self._judge()
        if not self._is_away() and (self._now >= look or self._heard() != heard):
            self._decide()

    def _moments(self) -> list[int]:
        """Return when time alone may change what the coordinator decides."""
        accepted = self._premise.accepted
        found = [accepted.not_before, accepted.expires, *self._troubles.values()]
        found.append(staging.next_day(self._rollout, accepted))
        for name, each in self._machines.items():
            found.append(each.relents_at)
            if each.is_silent(self._now):
                since = each.silent_since
                found += [each.silent_until, since + accepted.offline.grace_s, since + RELEASE_S]
            entry = self._rollout.entries.get(name)
            if entry is not None and entry.verb:
                found.append(entry.expires)
        if not self._queue:
            found.append(self._opening())
        return found

    def _opening(self) -> int:
        """Return when a window opens next that is long enough for every node."""
        accepted, steps = self._premise.accepted, self._rollout.steps
        needed = self._longest_s[steps[min(self._rollout.step, len(steps) - 1)].kind]
        if window.fits(accepted.calendar, self._now, needed):
            return accepted.expires  # It is not the window that anything waits for.
        return window.next_fit(accepted.calendar, self._now, needed) or accepted.expires

    # --- machines ------------------------------------------------------------------------------

    def _act(self, name: str) -> None:
        """Let a machine end what it is about, the way that is its lot."""
        each = self._machines[name]
        place, work = (name, each.at.value), each.box.node.work
        is_staging = each.at is state.State.STAGING
        if each.act(self._now, self._faults.get(place, "")):
            del self._faults[place]
        if is_staging and each.at is not state.State.STAGING and work:
            self._found.staged.append((name, work.part))
        self._read(name)
        self._settle(name)

    def _read(self, name: str) -> None:
        entry, each = self._rollout.entries.get(name), self._machines[name]
        if entry is not None and entry.verb and entry.stamp > each.box.node.stamp:
            order = site.order(self._rollout, name)
            each.read(order, self._work(order.part, order.wave, name), self._now)

    def _work(self, part: str, wave: int, name: str) -> route.Work:
        key = (part, wave, name)
        if key not in self._works:
            accepted, member = self._premise.accepted, self._premise.members[name]
            self._works[key] = route.work(accepted, part, wave, member)
        return self._works[key]

    def _settle(self, name: str) -> None:
        """Let a fault strike that waits for the state at hand, then plan what comes next."""
        each = self._machines[name]
        if each.at not in each.seen and each.at is not state.State.IDLE:
            each.seen.add(each.at)
            self._meet(name, each)
        each.turn += 1
        due = each.next_at(self._now)
        if due is not None:
            self._count += 1
            heapq.heappush(self._queue, (due, self._count, name, each.turn))
        self._found.note(each.box.wrong)

    def _meet(self, name: str, each: machine.Machine) -> None:
        what = self._faults.get((name, each.at.value), "")
        if not what and self._struck:
            return
        ways = tuple(sorted(each.ways(self._now)))
        self._found.met.append((name, each.at, ways))
        if not what or what in (*ways, faults.UNHEALTHY):
            return  # One that strikes when the effect or the soak ends.
        del self._faults[name, each.at.value]
        if what == faults.LEADER:
            self._rollout = intent.lead(self._rollout)
        elif what in faults.OF_SITE:
            self._troubles[what] = self._now + faults.lasts_s(what)
        else:
            each.befall(self._now, what)

    # --- the coordinator -----------------------------------------------------------------------

    def _is_away(self) -> bool:
        return self._now < self._troubles.get(faults.AWAY, 0)

    def _sight(self) -> ledger.Sight:
        machines, now, members = self._machines, self._now, self._premise.members
        down = {name for name, each in machines.items() if each.is_down(now)}
        voters = frozenset(name for name, member in members.items() if member.voter)
        troubles = {what for what, end in self._troubles.items() if now < end}
        passed = {gate.name: ledger.Verdict.PASS for gate in self._premise.accepted.gates}
        return ledger.Sight(
            reports={name: each.said for name, each in machines.items()},
            silent={n: each.silent_since for n, each in machines.items() if each.is_silent(now)},
            unready=frozenset(down),
            voters=voters,
            answering=voters - down,
            gates={} if faults.GATES in troubles else passed,
            clock_trusted=faults.CLOCK not in troubles,
            foreign="another tool" if faults.FOREIGN in troubles else "",
        )

    def _decide(self) -> None:
        """Decide until nobody acts on it any more; the same question has the same answer."""
        accepted = self._premise.accepted
        for _ in range(2 + len(self._machines)):
            self._hear()
            before, sight = self._rollout, self._sight()
            decided = site.decide(ledger.Site(before, sight), accepted, self._now)
            found = rules.grant_problem(self._premise, before, sight, decided, self._now)
            self._found.note(found)
            self._rollout = decided.rollout
            did = self._deliver()
            if not self._help() and not did:
                break

    def _hear(self) -> None:
        for each, (said, _) in zip(self._machines.values(), self._heard(), strict=True):
            each.said = said

    def _heard(self) -> list[tuple[messages.Report, bool]]:
        """Return what each machine says, the last it said if it cannot be heard."""
        found = list[tuple[messages.Report, bool]]()
        for each in self._machines.values():
            is_silent = each.is_silent(self._now)
            found.append((each.said if is_silent else each.report(), is_silent))
        return found

    def _deliver(self) -> bool:
        """Let machines that are about nothing read their orders. Return whether one did."""
        did, entries = False, self._rollout.entries
        for name, each in self._machines.items():
            before = each.box
            entry = entries.get(name)
            if entry is None or entry.stamp <= before.node.stamp or before.pending:
                continue
            self._read(name)
            if each.box != before:
                self._settle(name)
                did = True
        return did

    def _help(self) -> bool:
        """Do what an operator would: approve, and give up a node that is gone for a day.

        Return whether there was something to do.
        """
        rollout, accepted = self._rollout, self._premise.accepted
        if rollout.phase is ledger.Phase.ACTIVE and holds.needs_approval(rollout, accepted):
            place = (rollout.step, rollout.wave)
            self._rollout = intent.approve(rollout, rollout.digest, *place)
            self._found.approvals += 1
        for name, each in self._machines.items():
            is_lost = each.is_gone and self._now >= each.silent_since + RELEASE_S
            if is_lost and name in rollout.entries and not rollout.entries[name].released:
                self._rollout = intent.release(self._rollout, name)
        return self._rollout is not rollout

    # --- judgement -----------------------------------------------------------------------------

    def _judge(self) -> None:
        found, machines = self._found, self._machines
        there = {n: each for n, each in machines.items() if not each.is_gone}
        working = {n for n, each in there.items() if rules.is_in_flight(each.box)}
        down = {n for n, each in machines.items() if each.is_down(self._now)}
        found.disturbed = max(found.disturbed, len(working))
        found.unavailable = max(found.unavailable, len(working | down))
        found.days |= {self._now // DAY_S} if working else set()
        left = [each.box for each in there.values()]
        found.note(rules.state_problem(self._premise, self._rollout.phase, left))

    def _is_over(self) -> bool:
        if self._found.problem:
            return True
        if self._rollout.phase not in ledger.TERMINAL:
            return False
        entries = self._rollout.entries
        for name, each in self._machines.items():
            if each.is_gone:
                continue
            owed = self._rollout.phase is ledger.Phase.COMPLETED_WITH_DEBT and entries[name].debt
            if rules.is_in_flight(each.box) or each.is_silent(self._now) or owed:
                return False
        return True


def _accept(premise: Premise) -> ledger.Rollout:
    """Accept the plan as if it was rehearsed and the plans before it were carried out."""
    accepted, members = premise.accepted, premise.members
    rehearsed = intent.Rehearsal(accepted.digest, inventory.digest(members))
    return intent.accept(
        accepted, members, premise.start, rehearsal=rehearsed, finished=accepted.depends_on
    )
