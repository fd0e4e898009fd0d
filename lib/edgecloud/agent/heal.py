"""Which remedy comes next for a machine that is not well: a ladder, with a budget for each rung.

What was tried outlives reboots. So a machine that no reboot helps is not rebooted again and again:
it stops, and says that it needs somebody.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

DAY_S = 86400


class Rung(str, enum.Enum):
    """The remedies, the mildest first."""

    RESTART = "restart-service"
    CONTAINERD = "restart-containerd"
    PRUNE = "prune"
    REBOOT = "reboot"
    FALL_BACK = "fall-back"
    SHOUT = "shout"


@dataclass(frozen=True)
class Limit:
    """How often a rung may be taken, and how long it is given to help."""

    in_a_row: int
    """Without the machine having been well for long in between, whatever its clock says."""
    a_day: int
    patience_s: int


LIMITS: Mapping[Rung, Limit] = {
    Rung.RESTART: Limit(1, 8, 120),
    Rung.CONTAINERD: Limit(1, 4, 180),
    Rung.PRUNE: Limit(1, 4, 60),
    Rung.REBOOT: Limit(1, 2, 600),
    Rung.FALL_BACK: Limit(1, 1, 600),
    Rung.SHOUT: Limit(1, 4, 3600),
}
CURES: Mapping[Rung, frozenset[str]] = {
    Rung.RESTART: frozenset({"kubelet", "containerd", "datastore"}),
    Rung.CONTAINERD: frozenset({"kubelet", "containerd"}),
    Rung.PRUNE: frozenset({"disk", "kubelet", "containerd", "datastore", "root-writable"}),
}
"""Which failing checks a rung may help; those that are not listed may help any."""
GRACE_S = 90
WELL_S = 3600
REMEMBERED = 64


@dataclass(frozen=True)
class Tried:
    """One remedy that was tried."""

    rung: str
    at: int
    because: str = ""


@dataclass(frozen=True)
class History:
    """What is remembered of a machine's illness."""

    tried: tuple[Tried, ...] = ()
    since_well: tuple[str, ...] = ()
    """The rungs taken since the machine was last well for long."""
    ill_at: int | None = None
    well_at: int | None = None


def observe(history: History, failed: Collection[str], now: int) -> History:
    """Return the history after a look at the machine."""
    if failed:
        return replace(history, ill_at=now if history.ill_at is None else history.ill_at)
    well_at = now if history.ill_at is not None or history.well_at is None else history.well_at
    well = replace(history, ill_at=None, well_at=well_at)
    return replace(well, since_well=()) if now - well_at >= WELL_S else well


def choose(
    history: History, failed: Collection[str], now: int, *, can_fall_back: bool
) -> Rung | None:
    """Return the remedy to try now; None to wait."""
    if not failed or history.ill_at is None or 0 <= now - history.ill_at < GRACE_S:
        return None
    last = history.tried[-1] if history.tried else None
    if last and 0 <= now - last.at < LIMITS[Rung(last.rung)].patience_s:
        return None
    for rung in Rung:
        if rung is Rung.FALL_BACK and not can_fall_back:
            continue
        if helps(rung, failed) and within_budget(history, rung, now):
            return rung
    return None


def helps(rung: Rung, failed: Collection[str]) -> bool:
    """Return whether a remedy may help against what fails."""
    return rung not in CURES or bool(CURES[rung] & set(failed))


def within_budget(history: History, rung: Rung, now: int) -> bool:
    """Return whether a rung may be taken once more. A moment ahead of the clock counts as now."""
    limit = LIMITS[rung]
    today = [each for each in history.tried if each.rung == rung.value and now - each.at < DAY_S]
    return history.since_well.count(rung.value) < limit.in_a_row and len(today) < limit.a_day


def record(history: History, rung: Rung, failed: Collection[str], now: int) -> History:
    """Return the history with a remedy that is about to be tried."""
    tried = Tried(rung.value, now, ", ".join(sorted(failed)))
    return replace(
        history,
        tried=(*history.tried, tried)[-REMEMBERED:],
        since_well=(*history.since_well, rung.value),
    )


def write(history: History) -> dict[str, Any]:
    """Return a history as JSON knows it."""
    return asdict(history)


def read(document: Mapping[str, Any]) -> History:
    """Return the history that :func:`write` wrote."""
    return History(
        tried=tuple(Tried(**entry) for entry in document.get("tried", ())),
        since_well=tuple(document.get("since_well", ())),
        ill_at=document.get("ill_at"),
        well_at=document.get("well_at"),
    )
