"""Show a run while it goes on: a live table on a terminal, plain lines elsewhere.

What was done to the site from outside is told in lines on both, as nothing else explains it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Protocol

import rich.console
import rich.live
import rich.table
import rich.text

from edgelab import timeline
from edgelab.model import Model, record, status

STYLES = {
    "active": "green",
    "started": "green",
    "blocked": "bold red",
    "error": "bold red",
    "down": "bold red",
    "lost": "red",
    "waiting": "yellow",
    "maintenance": "cyan",
}


class Progress(Protocol):
    """Told of every hook as it ends."""

    def __call__(self, hook: record.HookRecord) -> None:
        """Show what a hook changed."""
        ...


@contextlib.contextmanager
def shown(juju: Model, console: rich.console.Console) -> Generator[None, None, None]:
    """Show a model's hooks for as long as the context lasts."""
    start = juju.clock.now()
    lines = _Lines(juju, console, start)
    if not console.is_terminal:
        with _watching(juju, lines, lines.tell):
            yield
        return
    with rich.live.Live(console=console, refresh_per_second=8, transient=True) as live:

        def refresh(hook: record.HookRecord) -> None:
            live.update(_table(juju, hook, start))

        with _watching(juju, refresh, lines.tell):
            yield


@contextlib.contextmanager
def _watching(
    juju: Model, watcher: Progress, teller: Callable[[record.Incident], None]
) -> Generator[None, None, None]:
    juju.record.watchers.append(watcher)
    juju.record.incident_watchers.append(teller)
    try:
        yield
    finally:
        juju.record.watchers.remove(watcher)
        juju.record.incident_watchers.remove(teller)


class _Lines:
    """One line for each status that changes, each hook that fails, and each fault."""

    def __init__(self, juju: Model, console: rich.console.Console, start: float):
        self._console = console
        self._start = start
        self._last = {name: str(unit.status) for name, unit in juju.units.items()}

    def __call__(self, hook: record.HookRecord) -> None:
        after = timeline.offset(hook.at + hook.seconds - self._start)
        if not hook.ok:
            self._print(after, hook.unit, f"{hook.label} failed: {hook.outcome}")
        if self._last.get(hook.unit) != hook.status:
            self._last[hook.unit] = hook.status
            self._print(after, hook.unit, hook.status)

    def tell(self, incident: record.Incident) -> None:
        """Print a fault, or its end."""
        after = timeline.offset(incident.at - self._start)
        self._print(after, incident.who, incident.text)

    def _print(self, after: str, who: str, what: str) -> None:
        line = f"[{after}] {who:<18} {what}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _table(juju: Model, hook: record.HookRecord, start: float) -> rich.table.Table:
    now = timeline.offset(juju.clock.now() - start)
    table = rich.table.Table(
        title=f"after {now}: {hook.unit} {hook.label}", title_justify="left", box=None
    )
    for heading in status.units(juju)[0]:
        table.add_column(heading)
    for row in status.units(juju)[1:]:
        table.add_row(*(coloured(cell) for cell in row))
    return table


def coloured(cell: str) -> rich.text.Text:
    """Return a cell of a status table in the colour of what it says."""
    return rich.text.Text(cell, style=STYLES.get(cell, ""))
