"""What a node counts of its own upgrades: how long steps took, what failed, what went back. Pure.

The counts stand in the line of the journal whose move they count, so a power cut leaves both or
neither of them, and they go on when older lines are given up.
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgecloud.rollout import orders, state

State = state.State

BOUNDS_S = (10, 60, 300, 1800)
"""Few, as each is a series of every step on every node: a moment, a minute, patience, an hour."""
TIMED = (
    State.STAGING,
    State.DRAINING,
    State.BACKING_UP,
    State.APPLYING,
    State.REBOOTING,
    State.VALIDATING,
    State.ROLLING_BACK,
    State.ROLLBACK_VALIDATING,
)
"""The states that may take long; what is one question or one line is not worth its series."""
LONGEST_S = 30 * 86400
"""No plan waits so long for one of them: a board without a battery had its clock put right."""


class Cause(str, enum.Enum):
    """Why a step failed, in as few words as there are."""

    ARTEFACT = "artefact"
    """What was fetched is not what it should be."""
    EFFECT = "effect"
    """What had to be done could not be done."""
    UNHEALTHY = "unhealthy"
    """The node is not well with it."""
    VERSION = "version"
    """Another version is there than should be."""
    INTERRUPTED = "interrupted"
    """After a power cut or a boot, the facts say that it did not work."""
    BURNT = "burnt"
    """It failed here before."""


@dataclass(frozen=True)
class Spread:
    """How often each bound was enough, those beyond all of them last, and all time together."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS_S) + 1)
    total_s: int = 0

    def add(self, seconds: int) -> Spread:
        """Return the spread with one time more."""
        at = bisect_left(BOUNDS_S, seconds)
        counts = (*self.counts[:at], self.counts[at] + 1, *self.counts[at + 1 :])
        return Spread(counts, self.total_s + seconds)


@dataclass(frozen=True)
class Chronicle:
    """All that was ever counted on a node; keys have two parts, with a stroke between them."""

    since: int = 0
    """When the state at hand began; 0 if that is not known."""
    took: Mapping[str, Spread] = field(default_factory=dict[str, Spread])
    """By state."""
    failed: Mapping[str, int] = field(default_factory=dict[str, int])
    """By state and cause."""
    back: Mapping[str, int] = field(default_factory=dict[str, int])
    """By the way back and where it led."""


def follow(
    known: Chronicle, before: state.Node, event: state.Event, after: state.Node
) -> Chronicle:
    """Return the counts after an event; the same if that moved the node nowhere."""
    if before.state is after.state:
        return known
    took, failed, back = dict(known.took), dict(known.failed), dict(known.back)
    seconds = max(0, event.now - known.since)
    if before.state in TIMED and known.since and seconds <= LONGEST_S:
        name = before.state.value
        took[name] = took.get(name, Spread()).add(seconds)
    why = cause(before, event, after)
    if why:
        _count(failed, f"{before.state.value}/{why.value}")
    if before.state in _GOING_BACK and after.state not in _GOING_BACK:
        way = before.work.rollback if before.work else ""
        is_lost = after.state is State.QUARANTINED
        _count(back, f"{way}/{(State.QUARANTINED if is_lost else State.ROLLED_BACK).value}")
    return Chronicle(event.now, took, failed, back)


_GOING_BACK = (State.ROLLING_BACK, State.ROLLBACK_VALIDATING)
_FAILING = (State.FAILED_SAFE, State.REGRESSED, State.ROLLING_BACK, State.QUARANTINED)
_NO_STEP = (State.GRANTED, State.UNCORDONING, State.REGRESSED)
"""A grant that is refused is no failure; of what leads on from the others is known already."""


def cause(before: state.Node, event: state.Event, after: state.Node) -> Cause | None:
    """Return why the step failed that a move ended; None if it did not, or failed before."""
    if before.state in _NO_STEP:
        return None
    if isinstance(event, state.Failed):
        if event.burns:
            return Cause.ARTEFACT
        return Cause.UNHEALTHY if event.effect is state.Effect.VALIDATE else Cause.EFFECT
    is_ordered_back = after.state is State.ROLLING_BACK and before.back
    if after.state not in _FAILING or is_ordered_back:
        return None
    if after.state is State.FAILED_SAFE and orders.is_burnt(after):
        return Cause.BURNT
    return _CAUSES.get(type(event), Cause.EFFECT)


_CAUSES: Mapping[type[object], Cause] = {
    state.Ticked: Cause.UNHEALTHY,
    state.Resumed: Cause.INTERRUPTED,
    state.Done: Cause.VERSION,
}


def _count(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def write(known: Chronicle) -> dict[str, Any]:
    """Return counts as JSON knows them."""
    took = {name: [each.total_s, *each.counts] for name, each in known.took.items()}
    return {"since": known.since, "took": took, "failed": known.failed, "back": known.back}


def read(document: Mapping[str, Any]) -> Chronicle:
    """Return the counts that :func:`write` wrote; times with other bounds begin anew."""
    took = {
        name: Spread(tuple(counts), total_s)
        for name, (total_s, *counts) in document["took"].items()
        if len(counts) == len(BOUNDS_S) + 1
    }
    return Chronicle(document["since"], took, document["failed"], document["back"])
