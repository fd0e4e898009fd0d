"""Rehearse a plan: without a fault at many paces, with single faults, and with pairs of them.

The same plan, inventory, moment, seed and core give the same report, whoever runs it. Its digest
stands for all five, so that a plan can ask to be started only as it was rehearsed.
"""

from __future__ import annotations

import functools
import hashlib
import json
import pathlib
import random
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, field, replace

from edgecloud.rollout import forecast, inventory, ledger, outlook, plan, route
from edgecloud.twin import faults, simulation

Outcome = simulation.Outcome
SHOWN = 10
WORK = 20_000
"""What a short rehearsal may cost: some seconds of a fast core for up to fifty nodes. Ten times as
long is still within the minute for which `juju run` waits: see ``tools/bench/rehearse.py``."""
PASSED = frozenset({ledger.Phase.COMPLETED, ledger.Phase.COMPLETED_WITH_DEBT})


@dataclass(frozen=True)
class Bounds:
    """How many runs there are at most."""

    clean: int = 20
    single: int = 10**6
    double: int = 100

    @classmethod
    def short(cls, nodes: int) -> Bounds:
        """Return what takes seconds, of every kind of fault on a handful of nodes.

        A run has a number of events for each node, each with a decision that looks at every node.
        The number of runs never follows from the clock: any computer comes to the same report.
        """
        most = max(5, min(160, WORK // (nodes * (20 + nodes) or 1)))
        return cls(clean=max(2, min(12, most // 6)), single=most, double=max(1, most // 10))


@dataclass(frozen=True)
class Spread:
    """How a figure differs from run to run."""

    median: int
    p95: int
    most: int


@dataclass(frozen=True)
class Subject:
    """What was rehearsed, and by what: the same subject gives the same report."""

    plan: str
    members: str
    start: int
    seed: int
    core: str


@dataclass(frozen=True)
class Report:
    """What a rehearsal came to."""

    of: Subject
    verdict: str
    """Empty if nothing speaks against the plan."""
    disturbed: int
    unavailable: int
    worst: str
    """What had the most nodes unavailable."""
    problems: tuple[str, ...]
    ends: dict[str, int]
    """How the runs with faults ended."""
    seconds: Spread
    days: Spread
    in_time: int
    """The runs without a fault that carried the plan out before it expired."""
    approvals: int
    mib: int | None
    """What comes over the uplink if every node fetches for itself; None if the plan says none."""
    given_up: int
    """The runs in which an operator had to release a node."""
    budgets: dict[str, tuple[str, ...]] | None
    """By node; None if nobody looked."""
    no_way_back: tuple[str, ...]
    risks: tuple[str, ...]
    runs: dict[str, int] = field(default_factory=dict[str, int])
    faults: int = 0
    """How many single faults there are; not all of them need have been tried."""
    kinds: int = 0
    """The same, where it makes no difference on which node one strikes."""
    kinds_tried: int = 0
    digest: str = ""


def rehearse(
    accepted: plan.Plan,
    members: inventory.Inventory,
    start: int,
    *,
    seed: int = 0,
    bounds: Bounds | None = None,
    budgets: dict[str, tuple[str, ...]] | None = None,
) -> Report:
    """Run a plan on a twin of a site and report; raise as an acceptance would be refused.

    Args:
        accepted: the plan.
        members: the site.
        start: when it would be started.
        seed: of everything that is drawn.
        bounds: how many runs; a few seconds' worth if not given.
        budgets: for each node the disruption budgets that would not let a pod go now; None if
            nobody looked.
    """
    premise = simulation.Premise(members, accepted, start)
    bounds, draw = bounds or Bounds.short(len(members)), random.Random(seed)
    clean = [_run(premise, (), draw) for _ in range(bounds.clean)]
    known = faults.catalogue(clean[0].met)
    single = faults.spread(known, bounds.single, draw)
    pairs = [tuple(draw.sample(known, 2)) for _ in range(bounds.double if len(known) > 1 else 0)]
    faulty = [
        (struck, _run(premise, struck, draw)) for struck in [*((f,) for f in single), *pairs]
    ]
    counts = {"clean": len(clean), "single": len(single), "double": len(pairs)}
    subject = Subject(accepted.digest, inventory.digest(members), start, seed, core())
    report = _report(premise, subject, clean, faulty, budgets)
    kinds, tried = faults.kinds(known), faults.kinds(single)
    report = replace(report, runs=counts, faults=len(known), kinds=kinds, kinds_tried=tried)
    return replace(report, digest=_digest(report))


def _run(
    premise: simulation.Premise, struck: Sequence[faults.Fault], draw: random.Random
) -> Outcome:
    return simulation.Run(premise, struck, random.Random(draw.getrandbits(32))).outcome()


Faulty = Sequence[tuple[Sequence[faults.Fault], Outcome]]


def _report(
    premise: simulation.Premise,
    subject: Subject,
    clean: Sequence[Outcome],
    faulty: Faulty,
    budgets: dict[str, tuple[str, ...]] | None,
) -> Report:
    accepted, members = premise.accepted, premise.members
    every = [((), each) for each in clean] + list(faulty)
    problems = [f"{_named(struck)}: {each.problem}" for struck, each in every if each.problem]
    worst = max(every, key=lambda each: each[1].unavailable)
    chosen, steps = route.selected(accepted, members), route.steps(accepted, members)
    return Report(
        of=subject,
        verdict=_verdict(clean, problems),
        disturbed=max(each.disturbed for _, each in every),
        unavailable=worst[1].unavailable,
        worst=_named(worst[0]),
        problems=tuple(problems[:SHOWN]),
        ends=dict(sorted(Counter(each.phase.value for _, each in faulty).items())),
        seconds=_spread([each.seconds for each in clean]),
        days=_spread([len(each.days) for each in clean]),
        in_time=sum(_is_in_time(premise, each) for each in clean),
        approvals=max(each.approvals for each in clean),
        mib=forecast.download_mib(accepted, members, clean[0].staged),
        given_up=sum(bool(each.released) for _, each in faulty),
        budgets=None if budgets is None else _held(budgets, chosen),
        no_way_back=tuple(outlook.no_ways_back(accepted, chosen, steps)),
        risks=tuple(outlook.risks(accepted, chosen, steps)),
    )


def _held(
    budgets: dict[str, tuple[str, ...]], chosen: Container[str]
) -> dict[str, tuple[str, ...]]:
    return {name: found for name, found in sorted(budgets.items()) if name in chosen}


def _named(struck: Sequence[faults.Fault]) -> str:
    return " and ".join(map(str, struck)) or "no fault"


def _verdict(clean: Sequence[Outcome], problems: Sequence[str]) -> str:
    if problems:
        return f"{len(problems)} runs break a rule: {problems[0]}"
    odd = next((each for each in clean if each.phase not in PASSED), None)
    if odd is None:
        return ""
    left = ", ".join(odd.unfinished[:3])
    return f"without any fault it ends {odd.phase.value}, with {left} not upgraded"


def _spread(figures: Sequence[int]) -> Spread:
    ordered = sorted(figures)
    return Spread(ordered[len(ordered) // 2], ordered[(len(ordered) * 95 - 1) // 100], ordered[-1])


def _is_in_time(premise: simulation.Premise, found: Outcome) -> bool:
    left = premise.accepted.expires - premise.start
    return found.phase in PASSED and found.seconds <= left


def _digest(report: Report) -> str:
    text = json.dumps(asdict(report), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def core() -> str:
    """Return a digest of the core's own text: another core is another rehearsal."""
    files = sorted(pathlib.Path(ledger.__file__).parent.glob("*.py"))
    found = hashlib.sha256()
    for file in files:
        found.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()
