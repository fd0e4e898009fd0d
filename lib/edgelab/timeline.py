"""A run as lanes of time: what each unit did when, and what was done to the site."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

from edgelab.model import record


@dataclasses.dataclass(frozen=True)
class Span:
    """Something that took a while in a lane, as fractions of the whole run."""

    start: float
    width: float
    kind: str
    """``ok``, ``failed`` or ``action`` for hooks; for upgrades see :mod:`edgelab.upgrades`."""
    title: str


@dataclasses.dataclass(frozen=True)
class Mark:
    """Something that happened at one moment: a fault, a status that changed."""

    at: float
    machine: str
    title: str


@dataclasses.dataclass(frozen=True)
class Lane:
    """One unit's part of the run."""

    unit: str
    machine: str
    spans: tuple[Span, ...]


@dataclasses.dataclass(frozen=True)
class Timeline:
    """The whole run."""

    start: float
    end: float
    lanes: tuple[Lane, ...]
    marks: tuple[Mark, ...]

    def ticks(self, count: int = 8) -> list[tuple[float, str]]:
        """Return where to write the time, and what."""
        length = self.end - self.start
        return [(n / count, offset(length * n / count)) for n in range(count + 1)]


SIGNS: Sequence[tuple[str, str]] = (
    ("prepared", "░"),
    ("watched", "▒"),
    ("disturbed", "▓"),
    ("back", "◀"),
    ("ok", "█"),
    ("action", "▲"),
    ("failed", "✗"),
)
"""How each kind of span looks in a line of text, the most important last."""


def build(run: record.Record) -> Timeline:
    """Return the lanes of everything that happened in a run."""
    times = [hook.at for hook in run.hooks] + [incident.at for incident in run.incidents]
    start = min(times, default=0.0)
    end = max([hook.at + hook.seconds for hook in run.hooks] + times, default=1.0)
    length = max(end - start, 1.0)
    units = sorted({(hook.machine, hook.unit) for hook in run.hooks}, key=_order)
    lanes = tuple(
        Lane(
            unit,
            machine,
            tuple(_span(hook, start, length) for hook in run.hooks if hook.unit == unit),
        )
        for machine, unit in units
    )
    marks = tuple(
        Mark((incident.at - start) / length, incident.machine, incident.text)
        for incident in run.incidents
    )
    return Timeline(start, start + length, lanes, marks)


def milestones(run: record.Record) -> list[tuple[float, str, str]]:
    """Return the moments worth telling: (time, who, what), statuses that changed and incidents."""
    found = [(each.at, each.who, each.text) for each in run.incidents]
    last: dict[str, str] = {}
    for hook in run.hooks:
        if not hook.ok:
            found.append((hook.at, hook.unit, f"{hook.label} failed: {hook.outcome}"))
        elif hook.label.startswith("action "):
            found.append((hook.at, hook.unit, hook.label))
        if hook.status != last.get(hook.unit):
            last[hook.unit] = hook.status
            found.append((hook.at + hook.seconds, hook.unit, hook.status))
    return sorted(found)


def offset(seconds: float) -> str:
    """Return a time since the start as ``0:03:20``."""
    return str(datetime.timedelta(seconds=round(seconds)))


def bar(lane: Lane, width: int) -> str:
    """Return a lane as a line of characters: one for each kind of what went on."""
    cells = ["·"] * width
    for kind, sign in SIGNS:
        for span in lane.spans:
            if span.kind == kind:
                first = min(int(span.start * width), width - 1)
                last = min(int((span.start + span.width) * width), width - 1)
                cells[first : last + 1] = [sign] * (last - first + 1)
    return "".join(cells)


def _span(hook: record.HookRecord, start: float, length: float) -> Span:
    kind = "action" if hook.label.startswith("action ") else "ok"
    outcome = "" if hook.ok else f" – {hook.outcome}"
    return Span(
        start=(hook.at - start) / length,
        width=hook.seconds / length,
        kind=kind if hook.ok else "failed",
        title=f"{hook.label} at {offset(hook.at - start)}, {hook.seconds:.0f} s{outcome}",
    )


def _order(lane: tuple[str, str]) -> tuple[int, str, str]:
    machine, unit = lane
    head = machine.partition("/")[0]
    return (int(head) if head.isdigit() else 0, machine, unit)
