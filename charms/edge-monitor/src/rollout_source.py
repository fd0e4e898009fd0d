"""Ask the store where the plan stands that the controller carries out, and what holds it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import site_samples
from site_facts import Gate, Member, Rollout

Ask = site_samples.Ask

# Field of the record → label and query.
WORDS: Mapping[str, tuple[str, str]] = {
    "plan": ("plan", "upgrade_site_plan_info"),
    "phase": ("phase", "upgrade_site_phase == 1"),
    "part": ("part", "upgrade_site_step_info"),
}
NUMBERS: Mapping[str, str] = {
    "window_left": "upgrade_site_window_remaining_seconds",
    "changed": "upgrade_site_changed_timestamp_seconds",
}
COUNTS: Mapping[str, str] = {
    "wave": "upgrade_site_wave",
    "waves": "upgrade_site_waves",
    "unavailable": "upgrade_site_unavailable_nodes",
    "budget": "upgrade_site_budget_nodes",
}
ANSWERS: Mapping[str, str] = {
    "paused": "upgrade_site_paused",
    "window_open": "upgrade_site_window_open",
}
MEMBERS, WAITS = "upgrade_site_member_info", "upgrade_site_waits"
GATES, VERDICTS = "upgrade_site_gate_info", "upgrade_site_gate_status"
HISTORY = "min by (gate) (upgrade_site_gate_status)"

_SLOTS = site_samples.HISTORY_S // site_samples.HISTORY_STEP_S + 1


def look(ask: Ask, now: float) -> Rollout | None:
    """Return where the plan stands; None if no controller tells of one."""
    found = dict[str, Any](_facts(ask, now))
    if not found.get("plan"):
        return None
    return Rollout(**found, members=_members(ask, now), gates=_gates(ask, now))


def causes(ask: Ask, gate: Gate, now: float) -> tuple[str, ...]:
    """Return the alerts that a gate fails for, by the words of its own question."""
    words = f",{gate.asks}" if gate.asks else ""
    query = f'ALERTS{{alertstate="firing",alertname!="Watchdog"{words}}}'
    found = set[str]()
    with contextlib.suppress(OSError, ValueError):  # Its words are an operator's.
        for labels, _ in site_samples.vector(ask, query, now):
            where = f" on {labels['node']}" if labels.get("node") else ""
            found.add(f"{labels.get('alertname', '')}{where}")
    return tuple(sorted(found))


def _facts(ask: Ask, now: float) -> Iterator[tuple[str, Any]]:
    for key, (label, query) in WORDS.items():
        for labels, _ in site_samples.vector(ask, query, now):
            yield key, labels.get(label, "")
    for queries, read in ((NUMBERS, float), (COUNTS, int), (ANSWERS, bool)):
        for key, query in queries.items():
            for _, value in site_samples.vector(ask, query, now):
                yield key, read(value)


def _members(ask: Ask, now: float) -> tuple[Member, ...]:
    waits = dict[str, list[str]]()
    for labels, _ in site_samples.vector(ask, WAITS, now):
        waits.setdefault(labels.get("member", ""), []).append(labels.get("reason", ""))
    found = dict[str, Member]()
    for labels, _ in site_samples.vector(ask, MEMBERS, now):
        name, wave = labels.get("member", ""), labels.get("wave", "")
        reasons = tuple(sorted(waits.get(name, ())))
        number = int(wave) if wave.isdecimal() else None
        found[name] = Member(name, number, labels.get("state", ""), reasons)
    return tuple(found[name] for name in sorted(found) if name)


def _gates(ask: Ask, now: float) -> tuple[Gate, ...]:
    verdicts = {
        labels.get("gate", ""): value for labels, value in site_samples.vector(ask, VERDICTS, now)
    }
    past = {
        labels.get("gate", ""): _slots(samples, now)
        for labels, samples in site_samples.history(ask, HISTORY, now)
    }
    found = dict[str, Gate]()
    for labels, _ in site_samples.vector(ask, GATES, now):
        name, kind, asks = (labels.get(each, "") for each in ("gate", "kind", "asks"))
        verdict = verdicts.get(name)
        gate = Gate(name, kind, asks, labels.get("when", ""), verdict, past.get(name, ()))
        why = causes(ask, gate, now) if (kind, verdict) == ("alerts", 0) else ()
        found[name] = dataclasses.replace(gate, causes=why)
    return tuple(found[name] for name in sorted(found) if name)


def _slots(samples: list[tuple[float, float]], now: float) -> tuple[float | None, ...]:
    """Return a value for each step of the last hours; None where there was none."""
    slots: list[float | None] = [None] * _SLOTS
    for at, value in samples:
        place = _SLOTS - 1 - round((now - at) / site_samples.HISTORY_STEP_S)
        if 0 <= place < _SLOTS:
            slots[place] = value
    return tuple(slots)
