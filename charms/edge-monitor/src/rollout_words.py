"""Put where a plan stands into words: what goes on, which gate holds it, and why. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from site_facts import Gate, Member, Rollout
from site_words import BAD, BUSY, DAY_S, GOOD, PLAIN, UNKNOWN, WARN, Cell, ago, state_tone

UNDER_WAY = ("scheduled", "active", "aborting", "rolling-back")
_PHASES = {
    "completed": GOOD,
    "completed-with-debt": WARN,
    "aborting": WARN,
    "rolling-back": WARN,
    "held": BAD,
    "partial": BAD,
    "expired": BAD,
    "rolled-back": BAD,
}
_VERDICTS = {1: ("pass", GOOD), 0: ("fail", BAD), -1: ("no answer", WARN)}


@dataclass(frozen=True)
class Wave:
    """A wave, as it is shown."""

    title: str
    is_at_hand: bool
    members: tuple[tuple[Member, str], ...]
    """Each with its tone."""
    reasons: tuple[tuple[str, str], ...]
    """Name and reason, of what holds a node besides what holds all."""


def is_under_way(rollout: Rollout | None) -> bool:
    """Return whether a plan has not ended yet."""
    return rollout is not None and rollout.phase in UNDER_WAY


def is_shown(rollout: Rollout | None, at: float) -> bool:
    """Return whether a plan is worth a place: under way, ended badly, or ended of late."""
    if rollout is None:
        return False
    ended_of_late = rollout.changed is not None and at - rollout.changed < DAY_S
    return is_under_way(rollout) or _PHASES.get(rollout.phase) == BAD or ended_of_late


def phase(rollout: Rollout) -> Cell:
    """Return the one word for where a plan stands, and its place in detail."""
    step = rollout.part
    if rollout.phase == "active" and rollout.wave is not None:
        last = (rollout.waves or 1) - 1
        wave = f"wave {rollout.wave} of {last}" if rollout.wave else "canary"
        step = f"{step}, {wave}" if step else wave
    if rollout.paused:
        return Cell("paused", WARN, step)
    return Cell(rollout.phase or "not known", _PHASES.get(rollout.phase, PLAIN), step)


def holding(rollout: Rollout) -> list[Cell]:
    """Return what holds every node that waits: no cause for worry while another is on its way."""
    is_busy = any(member.state in BUSY for member in rollout.members)
    lead, tone = ("The others wait", PLAIN) if is_busy else ("Held up", WARN)
    return [Cell(f"{lead}: {reason}", tone) for reason in _common(rollout)]


def _common(rollout: Rollout) -> tuple[str, ...]:
    waiting = [member.waits for member in rollout.members if member.waits]
    if not waiting or not is_under_way(rollout):
        return ()
    return tuple(each for each in waiting[0] if all(each in reasons for reasons in waiting))


def account(rollout: Rollout, at: float) -> tuple[str, ...]:
    """Return what else there is to say, in few words each."""
    said = list[str]()
    if rollout.unavailable is not None and rollout.budget is not None:
        said.append(f"{rollout.unavailable} of at most {rollout.budget} unavailable")
    if is_under_way(rollout) and rollout.window_open is not None:
        left = "" if rollout.window_left is None else f" for {ago(rollout.window_left)} yet"
        said.append(f"window open{left}" if rollout.window_open else "no window is open")
    if rollout.changed is not None:
        said.append(f"last change {ago(at - rollout.changed)} ago")
    return tuple(said)


def waves(rollout: Rollout) -> list[Wave]:
    """Return the waves with their nodes; those of which no wave is known come last."""
    numbers = {member.wave for member in rollout.members}
    common = _common(rollout)
    found = list[Wave]()
    for number in sorted(numbers, key=lambda each: (each is None, each)):
        members = [member for member in rollout.members if member.wave == number]
        here = is_under_way(rollout) and number is not None and number == rollout.wave
        found.append(
            Wave(
                title=_title(number, is_alone=len(numbers) == 1),
                is_at_hand=here,
                members=tuple((member, state_tone(member.state)) for member in members),
                reasons=tuple(
                    (member.name, reason)
                    for member in members
                    for reason in member.waits
                    if reason not in common
                ),
            )
        )
    return found


def _title(number: int | None, *, is_alone: bool) -> str:
    if number is None:
        return "Every node" if is_alone else "Others"
    return f"Wave {number}" if number else "Canary"


def verdict(gate: Gate, rollout: Rollout) -> Cell:
    """Return how a gate is answered, in the controller's own word where it said one."""
    if gate.verdict is None:
        return Cell("not asked", UNKNOWN)
    text, tone = _VERDICTS.get(int(gate.verdict), _VERDICTS[-1])
    prefix = f"gate {gate.name}: "
    said = {
        reason.removeprefix(prefix)
        for member in rollout.members
        for reason in member.waits
        if reason.startswith(prefix)
    }
    return Cell(said.pop() if tone == WARN and len(said) == 1 else text, tone)


def strip(values: Sequence[float | None]) -> list[tuple[int, str]]:
    """Return place and tone of each verdict of the past; where none was asked is nothing."""
    return [
        (place, _VERDICTS.get(int(value), _VERDICTS[-1])[1])
        for place, value in enumerate(values)
        if value is not None
    ]


def summary(values: Sequence[float | None]) -> str:
    """Return the verdicts of the past for who cannot see them."""
    counts = Counter(
        _VERDICTS.get(int(v), ("no answer", WARN))[0] for v in values if v is not None
    )
    said = [f"{counts[word]} {word}" for word, _ in _VERDICTS.values() if counts[word]]
    return ", ".join(said) or "none asked"
