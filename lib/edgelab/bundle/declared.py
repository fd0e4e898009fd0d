"""What a bundle declares: applications, machines, relations and what belongs to them."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import TypeAlias

from edgelab import charmcraft
from edgelab.bundle.constraints import Constraints
from edgelab.bundle.source import NOWHERE, Place, Problem, Scalar

Places: TypeAlias = Mapping[tuple[str, ...], Place]


@dataclasses.dataclass(frozen=True)
class Located:
    """Something that a bundle declares, and where it does so."""

    name: str
    place: Place
    places: Places = dataclasses.field(default_factory=dict[tuple[str, ...], Place], repr=False)
    """Where each value stands, by the keys that lead to it."""

    def at(self, *keys: str) -> Place:
        """Return where a value stands; the closest thing around it if it was left out."""
        for end in range(len(keys), 0, -1):
            if keys[:end] in self.places:
                return self.places[keys[:end]]
        return self.place


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where a unit goes: on a machine, beside another unit, or in a container there."""

    text: str
    place: Place
    container: str = ""
    machine: str = ""
    """A machine of the bundle or ``new``; empty if an application is meant."""
    application: str = ""
    unit: int | None = None


@dataclasses.dataclass(frozen=True)
class StorageDirective:
    """How much storage of which pool each unit gets."""

    pool: str = ""
    count: int = 1
    size_mb: int | None = None


@dataclasses.dataclass(frozen=True)
class Offer(Located):
    """Endpoints of an application that other models may use."""

    endpoints: tuple[str, ...] = ()
    acl: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])


@dataclasses.dataclass(frozen=True)
class Application(Located):
    """A charm to deploy, and how."""

    charm: str = ""
    charm_path: pathlib.Path | None = None
    """The packed charm that ``charm`` names; None if it names one of Charmhub's."""
    channel: str = ""
    revision: int | None = None
    base: str = ""
    num_units: int = 0
    to: tuple[Placement, ...] = ()
    options: Mapping[str, Scalar] = dataclasses.field(default_factory=dict[str, Scalar])
    constraints: Constraints = dataclasses.field(default_factory=Constraints)
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    resources: Mapping[str, int | pathlib.Path] = dataclasses.field(
        default_factory=dict[str, "int | pathlib.Path"]
    )
    storage: Mapping[str, StorageDirective] = dataclasses.field(
        default_factory=dict[str, StorageDirective]
    )
    devices: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    bindings: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    offers: Mapping[str, Offer] = dataclasses.field(default_factory=dict[str, Offer])
    exposed_endpoints: tuple[str, ...] = ()
    expose: bool = False
    trust: bool = False
    plan: str = ""


@dataclasses.dataclass(frozen=True)
class Machine(Located):
    """A machine for units to be placed on."""

    base: str = ""
    constraints: Constraints = dataclasses.field(default_factory=Constraints)
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])


@dataclasses.dataclass(frozen=True)
class Saas(Located):
    """An application of another model, by the URL of its offer."""

    url: str = ""


@dataclasses.dataclass(frozen=True)
class End:
    """One end of a relation. The endpoint is empty where the bundle leaves it to Juju."""

    application: str
    endpoint: str = ""
    place: Place = dataclasses.field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        return f"{self.application}:{self.endpoint}" if self.endpoint else self.application


@dataclasses.dataclass(frozen=True)
class Relation:
    """A connection of two applications."""

    place: Place
    ends: tuple[End, End]

    def __str__(self) -> str:
        return f"{self.ends[0]} {self.ends[1]}"


@dataclasses.dataclass(frozen=True)
class Bundle:
    """A bundle file with its overlays laid on top."""

    files: tuple[pathlib.Path, ...]
    place: Place
    applications: Mapping[str, Application]
    machines: Mapping[str, Machine]
    relations: tuple[Relation, ...]
    saas: Mapping[str, Saas]
    default_base: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    charms: Mapping[str, charmcraft.CharmInfo] = dataclasses.field(
        default_factory=dict[str, charmcraft.CharmInfo]
    )
    """The charm of each application, as far as it is at hand."""
    problems: tuple[Problem, ...] = ()
    """What was wrong on the face of it, before charms were looked at."""

    def base(self, application: Application) -> str:
        """Return what an application runs on, such as ``ubuntu@24.04``; empty if left open."""
        return (application.base or self.default_base).partition("/")[0]
