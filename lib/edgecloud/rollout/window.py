"""When disruption is allowed: windows by calendar and zone, blackouts, and what is left of them.

A window opens at the first moment of a local day at which the wall clock has reached its start,
once a day, and stays open for its length in real time. So a start that daylight saving skips opens
when the gap ends, one that happens twice opens the first time, and a night shift passes midnight.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
import zoneinfo
from collections.abc import Iterator, Sequence
from typing import Any

from edgecloud.rollout import schema

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_S = 86400
HORIZON_DAYS = 400
UTC = dt.timezone.utc


def zone_name(value: Any, path: str, problems: list[str]) -> str | None:
    """Check the name of a time zone that this machine knows."""
    try:
        return zoneinfo.ZoneInfo(value).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        problems.append(f"{path}: must be a time zone such as Europe/Madrid, not {value!r}")
        return None


def wall_time(value: Any, path: str, problems: list[str]) -> str | None:
    """Check a time of day such as 02:30."""
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return value
    problems.append(f"{path}: must be a quoted time such as '02:30', not {value!r}")
    return None


@dataclasses.dataclass(frozen=True)
class Window:
    """A time of day, on some days of the week, at which disruption may start."""

    start: str = dataclasses.field(metadata=schema.meta(wall_time, required=True))
    length_s: int = dataclasses.field(
        metadata=schema.meta(schema.duration(60, 7 * DAY_S), required=True)
    )
    tz: str = dataclasses.field(metadata=schema.meta(zone_name, required=True))
    days: tuple[str, ...] = dataclasses.field(
        default=DAYS, metadata=schema.meta(schema.items(schema.choice(*DAYS), least=1))
    )


@dataclasses.dataclass(frozen=True)
class Blackout:
    """A stretch of time in which nothing may be disrupted, whatever the windows say."""

    start: int = dataclasses.field(
        metadata=schema.meta(schema.instant, name="from", required=True)
    )
    end: int = dataclasses.field(metadata=schema.meta(schema.instant, name="to", required=True))


@dataclasses.dataclass(frozen=True)
class Calendar:
    """Windows and blackouts together; no window at all means that it is always open."""

    windows: tuple[Window, ...] = ()
    blackouts: tuple[Blackout, ...] = ()


ALWAYS = Calendar()


def remaining(calendar: Calendar, now: int) -> int:
    """Return for how many seconds disruption stays allowed; 0 if it is not allowed now."""
    if any(blackout.start <= now < blackout.end for blackout in calendar.blackouts):
        return 0
    end = _open_until(calendar.windows, now)
    ahead = [blackout.start for blackout in calendar.blackouts if now < blackout.start]
    return max(0, min([end, *ahead]) - now)


def fits(calendar: Calendar, now: int, needed_s: int) -> bool:
    """Return whether something of this length, begun now, ends before disruption must."""
    left = remaining(calendar, now)
    return left > 0 and left >= needed_s


def next_fit(calendar: Calendar, now: int, needed_s: int) -> int | None:
    """Return the first moment from now on at which it fits; None if not within a year."""
    starts = {now, *(blackout.end for blackout in calendar.blackouts if blackout.end > now)}
    limit = now + HORIZON_DAYS * DAY_S
    for window in calendar.windows:
        starts.update(start for start, _ in spans(window, now, limit) if start > now)
    return next((start for start in sorted(starts) if fits(calendar, start, needed_s)), None)


def spans(window: Window, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield each opening and closing of a window that touches a stretch of time, in order."""
    zone = zoneinfo.ZoneInfo(window.tz)
    first = dt.datetime.fromtimestamp(start - window.length_s, zone).date() - dt.timedelta(days=1)
    last = dt.datetime.fromtimestamp(end, zone).date()
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        if DAYS[(ordinal - 1) % 7] in window.days:
            opening = opens(window.tz, ordinal, window.start)
            if opening < end and opening + window.length_s > start:
                yield opening, opening + window.length_s


@functools.lru_cache(maxsize=4096)
def opens(tz: str, ordinal: int, start: str) -> int:
    """Return the first moment of a local day whose wall clock has reached a time."""
    zone = zoneinfo.ZoneInfo(tz)
    wall = dt.datetime.combine(dt.date.fromordinal(ordinal), dt.time.fromisoformat(start))
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return int(moment.timestamp())
    later = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _gap_end(zone, wall, int(later.timestamp()), int(moment.timestamp()))


def _gap_end(zone: zoneinfo.ZoneInfo, wall: dt.datetime, low: int, high: int) -> int:
    """Return the first second in (low, high] whose wall clock is past one that never shows."""
    while high - low > 1:
        middle = (low + high) // 2
        shown = dt.datetime.fromtimestamp(middle, zone).replace(tzinfo=None)
        low, high = (low, middle) if shown >= wall else (middle, high)
    return high


def _open_until(windows: Sequence[Window], now: int) -> int:
    """Return when the windows that are open now, and those that join on to them, have closed."""
    if not windows:
        return now + HORIZON_DAYS * DAY_S
    end, before = now, -1
    while end != before:
        before = end
        end = max(close for window in windows for close in (end, *_closings(window, end)))
        if end - now > 8 * DAY_S:  # No plan runs longer; do not walk the calendar for ever.
            break
    return end


def _closings(window: Window, moment: int) -> Iterator[int]:
    return (end for start, end in spans(window, moment, moment + 1) if start <= moment < end)
