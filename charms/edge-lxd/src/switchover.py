"""Decide how a workload moves from one instance to another, and when it moves back. Pure.

The shadow is ready first, the device moves, one change of nftables leads the clients over, and
for a while both instances are there. Every phase can be entered again after a power cut.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

STRIKES = 3
"""How many times in a row an instance must answer before it counts as ready, or not answer before
it counts as dead."""


class Phase(enum.Enum):
    """How far a switch is."""

    STEADY = "steady"
    CHECKING = "checking"
    MOVING = "moving"
    SOAKING = "soaking"
    RETURNING = "returning"


class Verdict(enum.Enum):
    """What a look at the instances says."""

    WAIT = "wait"
    GO_ON = "go on"
    GO_BACK = "go back"


@dataclasses.dataclass(frozen=True)
class Service:
    """A workload that clients reach at a port of this machine, and its switch if one is made."""

    name: str
    port: int
    target_port: int
    active: str
    """The instance that serves."""
    path: str = ""
    """What a healthy instance answers over HTTP; with none it only has to accept connections."""
    shadow: str = ""
    """The instance that takes over, or took over if the soak goes on."""
    device: str = ""
    """Name of a device that only one of them may have at a time."""
    keys: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    """What that device is made of."""
    ready_s: float = 60.0
    soak_s: float = 60.0
    phase: Phase = Phase.STEADY
    since: float = 0.0
    result: str = ""
    """What became of the last switch, in words for an operator."""

    @property
    def serving(self) -> str:
        """The instance to which clients are led."""
        return self.shadow if self.phase is Phase.SOAKING else self.active

    @property
    def holder(self) -> str:
        """The instance that may have the device."""
        return self.shadow if self.phase in (Phase.MOVING, Phase.SOAKING) else self.active


@dataclasses.dataclass(frozen=True)
class Pulse:
    """How an instance answered of late."""

    good: int = 0
    """Answers in a row."""
    bad: int = 0
    """Failures in a row."""
    said: str = ""
    """Why the last one failed."""

    def then(self, failure: str) -> Pulse:
        """Return the pulse after another try; the failure is empty if it answered."""
        return Pulse(0, self.bad + 1, failure) if failure else Pulse(self.good + 1)

    @property
    def ready(self) -> bool:
        """Whether it answered often enough in a row."""
        return self.good >= STRIKES

    @property
    def dead(self) -> bool:
        """Whether it failed often enough in a row."""
        return self.bad >= STRIKES


def begin(service: Service, shadow: str, keys: Mapping[str, str], now: float) -> Service:
    """Return the service with a switch to a shadow begun.

    Args:
        service: as it is.
        shadow: the instance that takes over.
        keys: what the device is made of.
        now: seconds since 1970 UTC.
    """
    return dataclasses.replace(
        service, shadow=shadow, keys=dict(keys), phase=Phase.CHECKING, since=now, result=""
    )


def check(service: Service, shadow: Pulse, now: float) -> Verdict:
    """Return whether the shadow is ready to take over."""
    if shadow.ready:
        return Verdict.GO_ON
    return Verdict.GO_BACK if now >= service.since + service.ready_s else Verdict.WAIT


def soak(service: Service, shadow: Pulse, former: Pulse, now: float) -> Verdict:
    """Return whether the switch stands.

    One who goes back leads the clients to somebody who answers; where nobody does, as while the
    machine boots, that would help nobody.
    """
    if shadow.dead and former.ready:
        return Verdict.GO_BACK
    over = now >= service.since + service.soak_s
    return Verdict.GO_ON if over and shadow.ready else Verdict.WAIT


def ready(service: Service) -> Service:
    """Return the service whose shadow is ready."""
    return dataclasses.replace(service, phase=Phase.MOVING)


def moved(service: Service, now: float) -> Service:
    """Return the service whose device and clients are with the shadow: the soak begins."""
    return dataclasses.replace(service, phase=Phase.SOAKING, since=now)


def done(service: Service) -> Service:
    """Return the service after a switch that stands. The former instance is free to go."""
    result = f"switched from {service.active} to {service.shadow}"
    return dataclasses.replace(
        service, active=service.shadow, shadow="", phase=Phase.STEADY, result=result
    )


def refused(service: Service, why: str) -> Service:
    """Return the service whose shadow was not ready; nothing was touched."""
    result = f"refused: {service.shadow} is not ready: {why}"
    return dataclasses.replace(service, shadow="", phase=Phase.STEADY, result=result)


def returning(service: Service, why: str) -> Service:
    """Return the service on its way back."""
    result = f"switched back to {service.active}: {service.shadow} died: {why}"
    return dataclasses.replace(service, phase=Phase.RETURNING, result=result)


def returned(service: Service) -> Service:
    """Return the service that is back where it was."""
    return dataclasses.replace(service, shadow="", phase=Phase.STEADY)


def encode(service: Service) -> dict[str, Any]:
    """Return the service for its journal."""
    return {**dataclasses.asdict(service), "phase": service.phase.value}


def decode(document: Mapping[str, Any]) -> Service:
    """Return the service from its journal. Raises ``ValueError`` or ``TypeError`` if damaged."""
    known = {field.name for field in dataclasses.fields(Service)}
    values: dict[str, Any] = {name: value for name, value in document.items() if name in known}
    values["phase"] = Phase(document.get("phase"))
    return Service(**values)
