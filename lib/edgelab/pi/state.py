"""What a machine's daemons remember: snaps, services, timers, and its place in a cluster."""

from __future__ import annotations

import dataclasses
import math
from typing import Any


@dataclasses.dataclass
class Snap:
    """An installed snap, as snapd knows it."""

    name: str
    revision: str
    version: str
    channel: str = ""
    classic: bool = False
    disabled: bool = False
    held_until: float = 0.0
    revisions: list[str] = dataclasses.field(default_factory=list[str])
    versions: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    channels: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    refused: list[str] = dataclasses.field(default_factory=list[str])
    settings: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    next_auto_refresh: float = math.inf

    @property
    def is_local(self) -> bool:
        """Whether it was installed from a file without an assertion."""
        return self.revision.startswith("x")


@dataclasses.dataclass
class Change:
    """A change that snapd works on, whether or not anybody waits for it."""

    id: int
    kind: str
    snap: str
    summary: str
    argument: str = ""
    channel: str = ""
    status: str = "Doing"
    due: float = math.inf
    left: float = 0.0
    error: str = ""


@dataclasses.dataclass
class Service:
    """One daemon of a snap."""

    enabled: bool = True
    active: bool = False
    failed: bool = False
    since: float = 0.0
    restarts: int = 0


@dataclasses.dataclass
class Unit:
    """A systemd unit that is not a snap's daemon."""

    enabled: bool = False
    active: bool = False
    failed: bool = False
    masked: bool = False
    running: bool = False
    """Whether its command runs now, and nobody waits for a second one."""


@dataclasses.dataclass
class Timer:
    """An armed timer. A transient one is gone once it fired, and after a reboot."""

    name: str
    due: float
    command: list[str] = dataclasses.field(default_factory=list[str])
    transient: bool = True
    last: float = 0.0


@dataclasses.dataclass
class Identity:
    """Which member of which datastore a revision's data belong to, and what they held."""

    cluster: str
    member: int
    content: dict[str, Any] | None = None


@dataclasses.dataclass
class Node:
    """A machine's part in MicroK8s; there from install to removal of the snap."""

    cluster: str = ""
    member: int = 0
    services: dict[str, Service] = dataclasses.field(default_factory=dict[str, Service])
    saved: dict[str, Identity] = dataclasses.field(default_factory=dict[str, Identity])
    name: str = ""
    registered: bool = False
    api_at: float = 0.0
    ready_at: float = 0.0
    proxy_due: float = math.inf
    launcher_due: float = math.inf
    refreshed_at: float = 0.0
    arguments: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    sick: str = ""
    seals: list[str] = dataclasses.field(default_factory=lambda: [""])
