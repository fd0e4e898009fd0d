"""Calendar events of systemd (``OnCalendar=``), in UTC: when one comes next."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

_SHORT = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SHAPE = re.compile(
    r"^(?:(?P<days>[A-Za-z][A-Za-z.,]*)\s*)?"
    r"(?:(?P<year>[0-9*,./]+)-(?P<month>[0-9*,./]+)-(?P<day>[0-9*,./]+)\s*)?"
    r"(?:(?P<hour>[0-9*,./]+):(?P<minute>[0-9*,./]+)(?::(?P<second>[0-9*,./]+))?)?$"
)


def following(text: str, after: float) -> float:
    """Return the first moment after another that an expression names.

    Raises:
        ValueError: it is no calendar event, or never comes.
    """
    fields = _parse(text)
    start = datetime.datetime.fromtimestamp(after, datetime.timezone.utc)
    for offset in range(366 * 5):
        day = start.date() + datetime.timedelta(days=offset)
        if _day_matches(fields, day):
            for moment in _times(fields, day):
                if moment.timestamp() > after:
                    return moment.timestamp()
    raise ValueError(f"{text} never comes")


def _parse(text: str) -> dict[str, set[int] | None]:
    plain = re.sub(r"\s+UTC$", "", text.strip())
    match = _SHAPE.match(_SHORT.get(plain.lower(), plain))
    if not plain or match is None or not any(match.groups()):
        raise ValueError(f"Failed to parse calendar specification '{text}'")
    return {
        "days": _weekdays(match["days"]),
        "year": _values(match["year"], 1970, 2199),
        "month": _values(match["month"], 1, 12),
        "day": _values(match["day"], 1, 31),
        "hour": _values(match["hour"] or "0", 0, 23),
        "minute": _values(match["minute"] or "0", 0, 59),
        "second": _values(match["second"] or "0", 0, 59),
    }


def _weekdays(text: str | None) -> set[int] | None:
    if not text:
        return None
    found: set[int] = set()
    for part in text.rstrip(",").split(","):
        first, dots, last = part.lower().partition("..")
        if dots and not last:
            raise ValueError(f"{part} ends nowhere")
        begin, end = (_DAYS.index(name[:3]) for name in (first, last or first))
        found.update(
            range(begin, end + 1) if begin <= end else [*range(begin, 7), *range(end + 1)]
        )
    return found


def _values(text: str | None, low: int, high: int) -> set[int] | None:
    if text is None or text == "*":
        return None
    found: set[int] = set()
    for part in text.split(","):
        base, _, step = part.partition("/")
        first, _, last = base.partition("..")
        begin = low if first == "*" else int(first)
        end = int(last) if last else (high if step else begin)
        if not low <= begin <= end <= high:
            raise ValueError(f"{part} is not within {low} and {high}")
        found.update(range(begin, end + 1, int(step or "1")))
    return found


def _day_matches(fields: dict[str, set[int] | None], day: datetime.date) -> bool:
    shown = {"days": day.weekday(), "year": day.year, "month": day.month, "day": day.day}
    return all(_within(fields[name], value) for name, value in shown.items())


def _within(wanted: set[int] | None, value: int) -> bool:
    return wanted is None or value in wanted


def _times(fields: dict[str, set[int] | None], day: datetime.date) -> Iterator[datetime.datetime]:
    for hour in sorted(fields["hour"] or range(24)):
        for minute in sorted(fields["minute"] or range(60)):
            for second in sorted(fields["second"] or range(60)):
                clock = datetime.time(hour, minute, second, tzinfo=datetime.timezone.utc)
                yield datetime.datetime.combine(day, clock)
