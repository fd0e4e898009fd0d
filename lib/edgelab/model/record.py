"""What happened in a run, and every byte of it that somebody other than root could read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator


@dataclasses.dataclass(frozen=True)
class HookRecord:
    """One hook or action that ran."""

    at: float
    seconds: float
    unit: str
    machine: str
    label: str
    outcome: str
    """``ok``, or what went wrong."""
    status: str
    changes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the hook ended well."""
        return self.outcome == "ok"


@dataclasses.dataclass(frozen=True)
class Incident:
    """Something that was done to the site from outside: a fault, or its end."""

    at: float
    machine: str
    text: str

    @property
    def who(self) -> str:
        """What it happened to, for people."""
        return f"machine {self.machine}"


class Record:
    """The run so far."""

    def __init__(self) -> None:
        self.hooks: list[HookRecord] = []
        self.incidents: list[Incident] = []
        self.watchers: list[Callable[[HookRecord], None]] = []
        self.incident_watchers: list[Callable[[Incident], None]] = []
        self._seen: dict[str, None] = {}

    def add(self, hook: HookRecord) -> None:
        """Note a hook, and tell everybody who watches."""
        self.hooks.append(hook)
        for watcher in self.watchers:
            watcher(hook)

    def note(self, incident: Incident) -> None:
        """Note what was done to the site, and tell everybody who watches for that."""
        self.incidents.append(incident)
        for watcher in self.incident_watchers:
            watcher(incident)

    def see(self, text: str) -> None:
        """Note text that is not secret: a databag, a log line, a status, an action's result."""
        self._seen[text] = None

    def plain_text(self) -> Iterator[str]:
        """Yield all text of the run that is not secret, each piece once."""
        yield from self._seen
