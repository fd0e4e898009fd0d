"""Every reachable state of a small site: breadth first, with faults at every effect boundary.

A state is the ledger, each machine, what the coordinator last read of each, the time and the
faults that are left. Ledgers and machines are numbered when first met, so a state is a short tuple
and the core runs once for each different question.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass, field, replace

import edgecloud.rollout.intent as intents
from edgecloud.rollout import ledger, messages, route, site, state
from edgecloud.twin import box as world
from edgecloud.twin import rules
from tests.rollout import numbers, sites

Status = messages.Status
State = state.State


@dataclass(frozen=True)
class Case:
    """What is searched: a site, a plan, the moments that matter, and which faults may happen."""

    name: str
    members: dict
    accepted: object
    times: tuple[int, ...]
    faults: int
    kinds: frozenset[str]
    races_time: bool = False
    """Whether time may pass at any moment, or only when nothing else is left to happen."""
    limit: int = 1_500_000


@dataclass
class Found:
    """What a search came to."""

    states: int = 0
    edges: int = 0
    violation: str = ""
    trace: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    """The states of the node machine and the phases that were met."""


class Search:
    """One exhaustive walk."""

    def __init__(self, case: Case):
        self.case, self.names = case, tuple(case.members)
        self.rollouts, self.boxes, self.reports = (
            numbers.Numbers(),
            numbers.Numbers(),
            numbers.Numbers(),
        )
        self.decisions, self.machine_moves, self.checked = {}, {}, {}
        self.said, self.ordered = {}, {}
        self.back = collections.defaultdict(list)

    def run(self) -> Found:
        found, first = Found(), self._first()
        parents = {first: (None, "start")}
        queue, terminal = collections.deque([first]), []
        while queue:
            current = queue.popleft()
            problem = self._check(current)
            if self._is_over(current):
                terminal.append(current)
            for label, after, broken in self._moves(current) if not problem else ():
                found.edges += 1
                problem = problem or broken
                if after not in parents:
                    parents[after] = (current, label)
                    queue.append(after)
                self.back[after].append(current)
                if broken:
                    parents.setdefault(("broken",), (current, label))
                    current = ("broken",)
                    break
            if problem:
                found.violation, found.trace = problem, numbers.path(parents, current)
                break
            if len(parents) > self.case.limit:
                found.violation = f"more than {self.case.limit} states"
                break
        found.states = len(parents)
        found.seen = self._seen()
        if not found.violation:
            found.violation = self._stuck(parents, terminal, found)
        return found

    def _first(self):
        rollout = intents.accept(self.case.accepted, self.case.members, self.case.times[0])
        boxes = []
        for name, member in self.case.members.items():
            running = f"{name}-old"
            boxes.append(self.boxes.of(world.fresh(name, member.version, running, member.hosted)))
        reports = [self.reports.of(world.report(self.boxes[box])) for box in boxes]
        return (
            self.rollouts.of(numbers.Ledger(rollout)),
            tuple(boxes),
            tuple(reports),
            0,
            "",
            self.case.faults,
        )

    def _moves(self, at):
        """Yield what may happen next; a machine that prepares goes first, as nobody can tell."""
        for i, number in enumerate(at[1]):
            if self.boxes[number].node.state in (State.PREFLIGHT, State.STAGING):
                yield from self._machine_moves(at, i)
                return
        is_still = True
        for move in self._all_moves(at):
            is_still = is_still and move[1][-1] < at[-1]
            yield move
        if (is_still or self.case.races_time) and at[3] + 1 < len(self.case.times):
            yield "time passes", (*at[:3], at[3] + 1, *at[4:]), ""

    def _all_moves(self, at):
        yield from self._decide(at)
        yield from self._relay(at)
        yield from self._machines(at)
        yield from self._environment(at)

    def _decide(self, at):
        rollout, boxes, reports, time, flags, faults = at
        key = (rollout, reports, time, flags)
        if key not in self.decisions:
            self.decisions[key] = self._decision(rollout, reports, time, flags)
        after, problem = self.decisions[key]
        if after != rollout or problem:
            yield "decide", (after, boxes, reports, time, flags, faults), problem

    def _decision(self, rollout, reports, time, flags):
        before = self.rollouts[rollout].rollout
        sight = self._sight(before, reports, time, flags)
        decision = site.decide(
            ledger.Site(before, sight), self.case.accepted, self.case.times[time]
        )
        problem = rules.grant_problem(self.case, before, sight, decision, self.case.times[time])
        return self.rollouts.of(numbers.Ledger(decision.rollout)), problem

    def _sight(self, rollout, reports, time, flags):
        said = {name: self.reports[r] for name, r in zip(self.names, reports, strict=True)}
        voters = frozenset(name for name, member in self.case.members.items() if member.voter)
        away = {"away": self.names[-1]}.get(flags)
        silent = {away: 0} if away else {}
        gates = {gate.name: ledger.Verdict.PASS for gate in self.case.accepted.gates}
        return ledger.Sight(
            reports=said,
            silent=silent,
            unready=frozenset(silent),
            voters=voters,
            answering=voters - set(silent),
            gates={} if flags == "gate" else gates,
            clock_trusted=flags != "clock",
            foreign="kured" if flags == "foreign" else "",
        )

    def _relay(self, at):
        rollout, boxes, reports, time, flags, faults = at
        for i, name in enumerate(self.names):
            if flags == "away" and i == len(self.names) - 1:
                continue
            now = self._report(boxes[i])
            if now != reports[i]:
                yield (
                    f"{name} is heard",
                    (rollout, boxes, numbers.put(reports, i, now), time, flags, faults),
                    "",
                )

    def _machines(self, at):
        for i in range(len(self.names)):
            yield from self._machine_moves(at, i)

    def _machine_moves(self, at, i):
        rollout, boxes, reports, time, flags, faults = at
        name = self.names[i]
        is_away = flags == "away" and i == len(self.names) - 1
        given = () if is_away else self._orders(rollout, i)
        key = (boxes[i], given, time, faults > 0)
        if key not in self.machine_moves:
            self.machine_moves[key] = list(self._machine(boxes[i], given, time, faults > 0))
        for label, cost, box in self.machine_moves[key]:
            after = (rollout, numbers.put(boxes, i, box), reports, time, flags, faults - cost)
            yield f"{name}: {label}", after, self.boxes[box].wrong

    def _report(self, box):
        """Return what a machine says, by numbers; the same machine is met many times."""
        if box not in self.said:
            self.said[box] = self.reports.of(world.report(self.boxes[box]))
        return self.said[box]

    def _orders(self, rollout, i):
        """Return the order that stands for a machine; the same ledger is met many times."""
        if (rollout, i) not in self.ordered:
            self.ordered[rollout, i] = self._order(rollout, i)
        return self.ordered[rollout, i]

    def _order(self, rollout, i):
        before = self.rollouts[rollout].rollout
        entry = before.entries.get(self.names[i])
        if entry is None or not entry.verb:
            return ()
        return (site.order(before, self.names[i]),)

    def _machine(self, number, given, time, can_fail):
        box, now = self.boxes[number], self.case.times[time]
        for order in given:
            member = self.case.members[box.node.name]
            work = route.work(self.case.accepted, order.part, order.wave, member)
            yield from self._read(number, box, order, work, now, can_fail)
        for label, cost, after in world.outcomes(box, now):
            if cost == 0 or (can_fail and self._allows(label)):
                yield label, cost, self.boxes.of(after)
        if box.node.state is State.SOAKING or (
            box.node.state in (State.PREFLIGHT, State.UNCORDONING, State.QUARANTINED)
            and not box.pending
        ):
            after = self.boxes.of(world.tick(box, now))
            if after != number:
                yield "time passes", 0, after
        if can_fail:
            yield from self._mishaps(number, box, now)

    def _read(self, number, box, order, work, now, can_fail):
        after = self.boxes.of(world.order(box, order, work, now))
        if after != number:
            yield f"reads {order.verb.value} {order.stamp}", 0, after
        if can_fail and "late" in self.case.kinds:
            late = replace(
                order, stamp=(0, order.stamp[1]), verb=messages.Verb.GRANT, expires=2**40
            )
            after = self.boxes.of(world.order(box, late, work, now))
            if after != number:
                yield "reads a grant of an old epoch", 1, after
        if can_fail and "tampered" in self.case.kinds:
            wrong = replace(work, digest="f" * 64, target="bad")
            after = self.boxes.of(world.order(box, order, wrong, now))
            if after != number:
                yield "reads the order with another plan", 1, after
        if can_fail and "second" in self.case.kinds and not world.is_idle(box.node):
            other = replace(work, digest="e" * 64, plan_id="p2")
            newer = replace(order, stamp=(order.stamp[0], order.stamp[1] + 1), digest=other.digest)
            newer = replace(newer, verb=messages.Verb.PREPARE)
            after = self.boxes.of(world.order(box, newer, other, now))
            if after != number:
                yield "reads an order of a second plan", 1, after

    def _mishaps(self, number, box, now):
        kinds = self.case.kinds
        if box.node.state is State.SOAKING and "regress" in kinds:
            yield "is unhealthy", 1, self.boxes.of(world.tick(box, now, healthy=False))
        if "cut" in kinds and not box.pending and box.node.state is not State.IDLE:
            cut = world.resume(world.power_cut(replace(box, boot=box.boot % 4)), now)
            if self.boxes.of(cut) != number and replace(cut, boot=box.boot) != box:
                yield "power cut at rest", 1, self.boxes.of(cut)
        if "user" in kinds and not box.cordon:
            yield "a user cordons", 1, self.boxes.of(replace(box, cordon=world.USER))
        if "veto" in kinds and not box.veto:
            yield "its owner vetoes", 1, self.boxes.of(replace(box, veto=True))

    def _allows(self, label):
        kind = "fail" if "fails" in label else "cut"
        return kind in self.case.kinds

    def _environment(self, at):
        rollout, boxes, reports, time, flags, faults = at
        if flags:
            yield f"{flags} is over", (rollout, boxes, reports, time, "", faults), ""
        elif faults:
            for kind in ("away", "gate", "clock", "foreign"):
                if kind in self.case.kinds:
                    yield kind, (rollout, boxes, reports, time, kind, faults - 1), ""
        for i, box in enumerate(boxes):
            if self.boxes[box].cordon == world.USER or self.boxes[box].veto:
                free = replace(self.boxes[box], veto=False, cordon=_without_user(self.boxes[box]))
                put = numbers.put(boxes, i, self.boxes.of(free))
                yield "a user relents", (rollout, put, reports, time, flags, faults), ""
        before = self.rollouts[rollout].rollout
        for label, cost, after in _intents(before, self.case) if faults or before.paused else ():
            if cost <= faults:
                number = self.rollouts.of(numbers.Ledger(after))
                if number != rollout:
                    yield label, (number, boxes, reports, time, flags, faults - cost), ""

    def _check(self, at) -> str:
        rollout, boxes, *_ = at
        key = (self.rollouts[rollout].rollout.phase, boxes)
        if key not in self.checked:
            machines = [self.boxes[box] for box in boxes]
            self.checked[key] = rules.state_problem(self.case, key[0], machines)
        return self.checked[key]

    def _is_over(self, at) -> bool:
        rollout, boxes, *_ = at
        is_terminal = self.rollouts[rollout].rollout.phase in ledger.TERMINAL
        return is_terminal and all(not rules.is_in_flight(self.boxes[box]) for box in boxes)

    def _stuck(self, parents, terminal, found) -> str:
        """Walk back from the ends: a state that is not met cannot reach one."""
        good, queue = set(terminal), list(terminal)
        while queue:
            for before in self.back[queue.pop()]:
                if before not in good:
                    good.add(before)
                    queue.append(before)
        for at in parents:
            if at not in good:
                found.trace = numbers.path(parents, at)
                return "I24 cannot end any more"
        return ""

    def _seen(self):
        states = {f"node {box.node.state.value}" for box in self.boxes.items}
        return states | {f"site {each.rollout.phase.value}" for each in self.rollouts.items}


def _intents(rollout, case):
    if "pause" in case.kinds and rollout.phase is ledger.Phase.ACTIVE:
        yield (
            "resume" if rollout.paused else "pause",
            0 if rollout.paused else 1,
            (
                intents.resume(rollout, rollout.digest)
                if rollout.paused
                else intents.pause(rollout, "t")
            ),
        )
    if "abort" in case.kinds and rollout.phase in (
        ledger.Phase.ACTIVE,
        ledger.Phase.ABORTING,
        ledger.Phase.ROLLING_BACK,
    ):
        for mode in ("hold", "rollback-all"):
            yield f"abort {mode}", 1, intents.abort(rollout, rollout.digest, mode)
    if "retry" in case.kinds and rollout.phase is ledger.Phase.ACTIVE:
        for name, entry in rollout.entries.items():
            if entry.failed:
                yield f"retry {name}", 1, intents.retry(rollout, name)
    if "leader" in case.kinds:
        yield "leader change", 1, intents.lead(rollout)


def _without_user(box):
    return "" if box.cordon == world.USER else box.cordon


WINDOW = [{"start": "02:00", "length": "4h", "tz": "UTC"}]
NIGHT = sites.at("2030-01-10T02:00:00")
TIMES = (
    NIGHT,
    NIGHT + 3 * 3600 + 1800 + 60,  # Open, but a node does not fit any more; grants expired.
    NIGHT + 86400,
    NIGHT + 30 * 86400,  # The plan has expired.
)
