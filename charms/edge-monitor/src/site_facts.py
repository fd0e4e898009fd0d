"""What a site's page shows: one record for each node, the alerts, and the upgrade under way."""

from __future__ import annotations

from dataclasses import dataclass

SILENT_S = 180
"""As long without a sample, a node counts as silent; the rule NodeSilent says the same.

With a longer interval of scrapes both wait for three of them.
"""


@dataclass(frozen=True)
class Node:
    """One machine; None is what nobody knows."""

    name: str
    role: str = ""
    heard: float | None = None
    """When its last sample was taken, in seconds since 1970 UTC."""
    ready: bool | None = None
    schedulable: bool | None = None
    undervoltage: bool | None = None
    undervoltage_before: bool | None = None
    throttled: bool | None = None
    celsius: float | None = None
    heat: tuple[float, ...] = ()
    """Temperatures of the last hours, the newest last."""
    memory_left: float | None = None
    disk_left: float | None = None
    life_used: float | None = None
    written_a_day: float | None = None
    kubernetes: str = ""
    lxd: str = ""
    boot_loader: float | None = None
    """When it was built."""
    certificate_ends: float | None = None
    state: str = ""
    """The status of its upgrade, in the words of its report."""
    state_since: float | None = None
    plan: str = ""
    part: str = ""


@dataclass(frozen=True)
class Alert:
    """An alert that fires."""

    name: str
    severity: str
    node: str = ""
    summary: str = ""
    description: str = ""
    since: float | None = None
    holds_upgrades: bool = False


@dataclass(frozen=True)
class Gate:
    """A gate of the plan, and how it was answered of late."""

    name: str
    kind: str = ""
    asks: str = ""
    when: str = ""
    verdict: float | None = None
    """1 passes, 0 fails, -1 is no answer to go by; None if it is not asked now."""
    history: tuple[float | None, ...] = ()
    """Verdicts of the last hours, the newest last."""
    causes: tuple[str, ...] = ()
    """What fires that it asks for."""


@dataclass(frozen=True)
class Member:
    """A node of the plan, as the controller sees it."""

    name: str
    wave: int | None = None
    state: str = ""
    waits: tuple[str, ...] = ()
    """What keeps it from its turn."""


@dataclass(frozen=True)
class Rollout:
    """A plan, as the controller's leader says it stands; None is what it did not say."""

    plan: str
    phase: str = ""
    part: str = ""
    wave: int | None = None
    waves: int | None = None
    paused: bool = False
    window_open: bool | None = None
    window_left: float | None = None
    unavailable: int | None = None
    budget: int | None = None
    changed: float | None = None
    members: tuple[Member, ...] = ()
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True)
class Site:
    """A site at one moment."""

    name: str
    at: float
    nodes: tuple[Node, ...] = ()
    alerts: tuple[Alert, ...] | None = None
    """None if nobody can say: the rules are not evaluated, or do not answer."""
    problem: str = ""
    """Why something on the page may be missing."""
    silent_s: float = SILENT_S
    rollout: Rollout | None = None
    """None if no controller tells of a plan."""
