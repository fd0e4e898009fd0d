"""What a store remembers: the samples that it took, for a day.

Samples are taken when somebody asks, and not in between: what comes and goes between two looks is
never seen here.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Labels = Mapping[str, str]
Samples = list[tuple[float, float]]
"""Each a time and a value, the newest last."""

KEPT_S = 86400
NEAREST_S = 15
"""Two samples are at least as far apart."""


@dataclass
class History:
    """The samples of one store."""

    series: dict[tuple[tuple[str, str], ...], Samples] = field(
        default_factory=dict[tuple[tuple[str, str], ...], Samples]
    )
    taken: float = float("-inf")
    fires: dict[tuple[tuple[str, str], ...], float] = field(
        default_factory=dict[tuple[tuple[str, str], ...], float]
    )
    """Labels of an alert → since when it fires."""

    def take(self, now: float, found: Iterable[tuple[Labels, float]]) -> None:
        """Remember what there is now."""
        if now - self.taken < NEAREST_S:
            return
        self.taken = now
        for labels, value in found:
            samples = self.series.setdefault(tuple(sorted(labels.items())), [])
            samples.append((now, value))
            if now - samples[0][0] > KEPT_S:
                del samples[0]

    def within(self, seconds: float, now: float) -> Iterator[tuple[Labels, Samples]]:
        """Yield the samples of the last seconds of each series that has some."""
        for key, samples in self.series.items():
            late = [(at, value) for at, value in samples if now - seconds <= at <= now]
            if late:
                yield dict(key), late

    def note_firing(self, now: float, alerts: Iterable[Labels]) -> None:
        """Remember since when these alerts fire; those that do not any more are forgotten."""
        keys = [tuple(sorted(labels.items())) for labels in alerts]
        self.fires = {key: self.fires.get(key, now) for key in keys}

    def fires_since(self, labels: Labels) -> datetime.datetime:
        """Return since when an alert fires."""
        at = self.fires[tuple(sorted(labels.items()))]
        return datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
