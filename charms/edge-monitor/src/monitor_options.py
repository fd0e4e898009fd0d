"""The options of this charm, checked once and all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import remotes
import sizing
from edgecloud.telemetry import forwarder

SITE = "site"
AGENT = "agent"
MODES = (SITE, AGENT)

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
RESERVED = ("juju_", "__")
"""Beginnings of labels that say where a series is from; nobody may say otherwise."""


class OptionError(Exception):
    """An option that cannot be used; says every problem at once."""

    def __init__(self, problems: list[str]):
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class MonitorOptions:
    """What an operator sets."""

    mode: str = SITE
    scrape_interval: int = 60
    retention_days: int = 15
    series: int = 30_000
    memory_limit_mb: int = 0
    write_budget: float = 2.0
    flush_interval: int = 300
    external_labels: str = ""
    alert_receivers: Any = None
    """Juju's secret, unread; None if there is none."""
    remote_stores: str = ""
    remote_credentials: Any = None
    """Likewise."""
    buffer_mb: int = 1024
    open_queries: bool = False
    """Whether nobody needs a password to ask."""
    open_writes: int = 0
    """Series that applications of other charms may write here; 0 for none."""
    related_stores: tuple[str, ...] = ()
    """Not an option: the stores that Juju relates, known in the same hook."""

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise OptionError(problems)

    @property
    def labels(self) -> dict[str, str]:
        """The labels that every series of this site has."""
        return dict(_pairs(self.external_labels))

    @property
    def stores(self) -> list[str]:
        """The stores elsewhere that samples are forwarded to."""
        return [*remotes.addresses(self.remote_stores), *self.related_stores]

    @property
    def answers_anybody(self) -> bool:
        """Whether whoever can reach this machine may ask what is kept here."""
        return self.open_queries and self.mode != AGENT

    @property
    def takes_in(self) -> bool:
        """Whether applications of other charms may write here."""
        return self.open_writes > 0 and self.mode != AGENT

    def wish(self) -> sizing.Wish:
        """Return what the store is asked to bear."""
        return sizing.Wish(
            series=self.series,
            interval_s=self.scrape_interval,
            retention_days=self.retention_days,
            memory_mb=self.memory_limit_mb,
            write_gb_per_day=self.write_budget,
            flush_s=self.flush_interval,
            buffer_mb=self.buffer_mb * len(self.stores),
            forwards=bool(self.stores),
        )


_RANGES = (
    ("scrape_interval", 5, sizing.LONGEST_INTERVAL_S, " seconds"),
    ("flush_interval", sizing.FLUSH_S, sizing.LONGEST_FLUSH_S, " seconds"),
    ("retention_days", 1, 3650, ""),
)


def _problems(options: MonitorOptions) -> Iterator[str]:
    for name, least, most, unit in _RANGES:
        if not least <= getattr(options, name) <= most:
            yield f"{name.replace('_', '-')}: must be from {least} to {most}{unit}"
    yield from _forwarding_problems(options)
    if options.series < 1000:
        yield "series: must be at least 1000"
    if not 0 <= options.open_writes <= options.series:
        yield "open-writes: must be from 0 to what series says"
    if options.memory_limit_mb < 0:
        yield "memory-limit-mb: must not be negative"
    if options.write_budget <= 0:
        yield "write-budget: must be above 0 GB a day"
    for name, value in _pairs(options.external_labels):
        if not _LABEL.fullmatch(name) or not value:
            yield f"external-labels: {name or value} is not name=value"
        elif name.startswith(RESERVED):
            yield f"external-labels: {name} is reserved"


def _forwarding_problems(options: MonitorOptions) -> Iterator[str]:
    if options.mode not in MODES:
        yield f"mode: must be one of {', '.join(MODES)}"
    elif options.mode == AGENT and not options.stores:
        yield "remote-stores: mode agent keeps nothing here, so it needs one"
    yield from remotes.problems(options.remote_stores)
    if options.buffer_mb < forwarder.SMALLEST_QUEUE_MB:
        yield f"buffer-mb: must be at least {forwarder.SMALLEST_QUEUE_MB}"


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        yield name.strip(), value.strip()
