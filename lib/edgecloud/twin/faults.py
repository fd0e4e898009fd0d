"""What can go wrong in a rehearsal: every way in which each effect of each node can end, and more.

A fault strikes once, when its node comes to its state for the first time. What befalls the whole
site strikes then as well, so that nothing has to be said of time.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgecloud.rollout import state

HOUR = 3600
OUTAGE_S = 300
"""How long a node is without power."""
SILENT_S = HOUR
COORDINATOR_AWAY_S = 3 * 24 * HOUR

SILENT = "is not heard for an hour"
GONE = "never returns"
UNHEALTHY = "is unhealthy in its soak"
CORDONED = "is cordoned by a user"
LEADER = "the leader changes"
AWAY = "the coordinator is away for three days"
GATES = "the gates have no answer for an hour"
CLOCK = "the clock is not trusted for an hour"
FOREIGN = "another tool upgrades for an hour"
OF_SITE = (LEADER, AWAY, GATES, CLOCK, FOREIGN)
OF_NODE = (SILENT, GONE)


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that goes wrong."""

    node: str
    state: str
    what: str
    """One of this module's, or how an effect ends, as :func:`edgecloud.twin.box.outcomes` says."""

    def __str__(self) -> str:
        """Say it as a report does."""
        if self.what in OF_SITE:
            return f"{self.what} while {self.node} is {self.state}"
        return f"{self.node}, {self.state}: {self.what}"


def lasts_s(what: str) -> int:
    """Return for how long something befalls the site."""
    return COORDINATOR_AWAY_S if what == AWAY else HOUR


Met = tuple[str, state.State, tuple[str, ...]]
"""A node, a state that it came to, and how its effect could have gone wrong there."""


def catalogue(met: Iterable[Met]) -> tuple[Fault, ...]:
    """Return every single fault that a run without one had an occasion for."""
    found = set[Fault]()
    for node, at, ways in met:
        kinds = [*ways, *OF_NODE, *OF_SITE]
        if at is state.State.SOAKING:
            kinds.append(UNHEALTHY)
        if at is state.State.WAITING:
            kinds.append(CORDONED)
        found |= {Fault(node, at.value, what) for what in kinds}
    return tuple(sorted(found))


def kinds(faults: Iterable[Fault]) -> int:
    """Return how many of them differ in more than the node that they strike."""
    return len({(fault.state, fault.what) for fault in faults})


def spread(faults: Sequence[Fault], most: int, draw: random.Random) -> tuple[Fault, ...]:
    """Return at most so many, of as many kinds as there are before any kind comes twice."""
    shuffled = draw.sample(list(faults), len(faults))
    seen, ranked = dict[tuple[str, str], int](), list[tuple[int, Fault]]()
    for fault in shuffled:
        kind = (fault.state, fault.what)
        seen[kind] = seen.get(kind, 0) + 1
        ranked.append((seen[kind], fault))
    return tuple(fault for _, fault in sorted(ranked, key=lambda each: each[0]))[:most]
