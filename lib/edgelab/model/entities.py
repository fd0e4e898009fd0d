"""What a Juju model is made of: applications, units, relations, databags and secrets."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import pathlib
from collections.abc import Mapping
from typing import Any

from edgelab.model import staging

ConfigValue = str | int | float | bool


class Life(enum.Enum):
    """Whether something is there to stay."""

    ALIVE = "alive"
    DYING = "dying"
    DEAD = "dead"


@dataclasses.dataclass
class Bag:
    """A databag and how often it changed."""

    data: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    version: int = 0

    def replace(self, data: Mapping[str, str]) -> bool:
        """Take new content. Return whether it differs from the old."""
        if dict(data) == self.data:
            return False
        self.data = dict(data)
        self.version += 1
        return True


@dataclasses.dataclass(frozen=True)
class Hook:
    """One thing for a unit to run: a hook or an action."""

    kind: str
    """The name without endpoint or action: ``install``, ``relation-changed``, ``action``…"""
    relation: int | None = None
    remote: str | None = None
    departing: str | None = None
    secret: str | None = None
    revision: int | None = None
    storage: str | None = None
    action: int | None = None


@dataclasses.dataclass
class RelationView:
    """What one unit has been told of one relation so far."""

    created: bool = False
    broken: bool = False
    joined: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    """Remote unit → version of its databag that this unit has been told of."""
    app_version: int = 0
    pending_changed: str | None = None
    """A unit whose relation-joined ran, so that its relation-changed comes next."""


@dataclasses.dataclass
class Status:
    """A workload status and since when it holds."""

    name: str = "unknown"
    message: str = ""
    since: float = 0.0

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name


@dataclasses.dataclass
class Application:
    """A deployed charm."""

    name: str
    charm_path: pathlib.Path
    charm: staging.StagedCharm
    config: dict[str, ConfigValue]
    trusted: bool = False
    base: str = "ubuntu@24.04"
    constraints: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    resources: dict[str, pathlib.Path] = dataclasses.field(default_factory=dict[str, pathlib.Path])
    storage: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    revision: int = 0
    config_version: int = 1
    leader: str | None = None
    next_unit: int = 0
    status: Status = dataclasses.field(default_factory=Status)
    version: str = ""
    life: Life = Life.ALIVE

    @property
    def subordinate(self) -> bool:
        """Whether units of this application live beside the units of another."""
        return bool(self.charm.metadata.get("subordinate"))

    def endpoint(self, name: str) -> dict[str, Any]:
        """Return the metadata of one endpoint. Raises KeyError."""
        for role in ("provides", "requires", "peers"):
            found: dict[str, Any] = self.charm.metadata.get(role) or {}
            if name in found:
                return found[name]
        raise KeyError(name)


@dataclasses.dataclass
class Unit:
    """One instance of an application on a machine, and how far its agent has come."""

    name: str
    app: str
    machine: str
    principal: str | None = None
    life: Life = Life.ALIVE
    installed: bool = False
    started: bool = False
    stopped: bool = False
    leader_told: bool = False
    config_version: int = 0
    charm_revision: int = 0
    restarted: bool = False
    """The machine came up again, so that ``start`` is due."""
    relations: dict[int, RelationView] = dataclasses.field(default_factory=dict[int, RelationView])
    storages: dict[str, bool] = dataclasses.field(default_factory=dict[str, bool])
    """Storage id → attached."""
    secrets_told: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    queue: list[Hook] = dataclasses.field(default_factory=list[Hook])
    """Hooks that something asked for: actions, update-status, secret events."""
    failed: Hook | None = None
    failures: int = 0
    retry_at: float = 0.0
    next_update_status: float = 0.0
    status: Status = dataclasses.field(default_factory=Status)
    ports: frozenset[str] = frozenset()

    @property
    def number(self) -> int:
        """The number behind the slash of the unit's name."""
        return int(self.name.partition("/")[2])


@dataclasses.dataclass
class Relation:
    """A live connection of two endpoints, or of an application's units with each other."""

    id: int
    interface: str
    endpoints: dict[str, str]
    """Application → endpoint; one entry for a peer relation."""
    scope: str = "global"
    app_bags: dict[str, Bag] = dataclasses.field(default_factory=dict[str, Bag])
    unit_bags: dict[str, Bag] = dataclasses.field(default_factory=dict[str, Bag])
    members: set[str] = dataclasses.field(default_factory=set[str])
    """The units in scope: each sees those of the other side."""
    life: Life = Life.ALIVE

    @property
    def peer(self) -> bool:
        """Whether this connects the units of one application."""
        return len(self.endpoints) == 1

    def remote_app(self, app: str) -> str:
        """Return the application on the other side."""
        if self.peer:
            return app
        return next(name for name in self.endpoints if name != app)


@dataclasses.dataclass
class Secret:
    """A Juju secret: who owns it, who may read it, and its revisions."""

    id: str
    owner: str
    """A unit, an application, or ``model`` for one that a user made."""
    revisions: dict[int, dict[str, str]]
    label: str | None = None
    description: str | None = None
    expire: datetime.datetime | None = None
    rotate: Any = None
    grants: dict[int, set[str]] = dataclasses.field(default_factory=dict[int, set[str]])
    """Relation id → units and applications that may read; id -1: without a relation."""
    tracked: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    labels: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    """The labels that its readers gave it."""
    rotate_at: float | None = None
    expired_told: int = 0
    obsolete: set[int] = dataclasses.field(default_factory=set[int])
    """The revisions of which the owner was told that nobody reads them any more."""

    @property
    def latest(self) -> int:
        """The newest revision."""
        return max(self.revisions)


@dataclasses.dataclass
class ActionRun:
    """An action that somebody started."""

    id: int
    unit: str
    name: str
    params: dict[str, Any]
    status: str = "pending"
    results: dict[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    message: str = ""
    logs: list[str] = dataclasses.field(default_factory=list[str])
