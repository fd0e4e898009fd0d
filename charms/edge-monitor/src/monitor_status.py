"""Say in one line how a monitor is. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import monitor_options
from edgecloud.telemetry import forwarder

ACTIVE = "active"
BLOCKED = "blocked"
WAITING = "waiting"
LONGEST = 240


@dataclass(frozen=True)
class Facts:
    """What is known at the end of a hook."""

    problems: tuple[str, ...] = ()
    """What an operator has to mend."""
    troubles: tuple[str, ...] = ()
    """What is tried again by itself."""
    silent: tuple[str, ...] = ()
    """Units of which nothing can be scraped."""
    notes: tuple[str, ...] = ()
    """What an operator may want to know, though all goes on."""
    summary: str = ""
    """What it does, if all is well."""


@dataclass(frozen=True)
class Line:
    """A status and its message."""

    status: str
    message: str


def judge(facts: Facts) -> Line:
    """Return the line for a unit."""
    if facts.problems:
        return _line(BLOCKED, "; ".join(facts.problems))
    if facts.troubles:
        return _line(WAITING, "; ".join(facts.troubles))
    silent = [f"nothing from {', '.join(facts.silent)}"] if facts.silent else []
    return _line(ACTIVE, "; ".join((facts.summary, *silent, *facts.notes)))


def summary(options: monitor_options.MonitorOptions, units: int) -> str:
    """Return what a monitor does, if all is well."""
    text = "watching 1 unit" if units == 1 else f"watching {units} units"
    if options.mode != monitor_options.AGENT:
        text += f", {options.retention_days} days kept"
    if options.stores:
        hours = forwarder.hours(
            options.buffer_mb, series=options.series, interval_s=options.scrape_interval
        )
        text += f", buffer for {hours:.0f} h"
    return text


def _line(status: str, message: str) -> Line:
    text = " ".join(message.split())
    return Line(status, text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")
