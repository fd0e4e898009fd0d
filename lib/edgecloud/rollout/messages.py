"""What coordinator and node say to each other: orders down, reports up, both whole-state.

Neither is a stream. Each side publishes what holds now; the other may read it late or twice, or
miss one altogether. The stamp, epoch first, tells which of two orders is newer. A report says
which stamp its node acted on last, so that a grant taken back is known to be dead.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

Stamp = tuple[int, int]
"""The epoch of the leader that gave an order, and the order's number."""

NEVER: Stamp = (0, 0)


class Verb(str, enum.Enum):
    """What the coordinator wants of a node."""

    FORGET = "forget"
    PREPARE = "prepare"
    HOLD = "hold"
    GRANT = "grant"
    ROLL_BACK = "roll-back"


class Status(str, enum.Enum):
    """The few classes of state that a coordinator is told; a change of class is worth a hook."""

    IDLE = "idle"
    STAGING = "staging"
    WAITING = "waiting"
    DISRUPTED = "disrupted"
    UNCOMMITTED = "uncommitted"
    SOAKING = "soaking"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    REGRESSED = "regressed"
    ROLLED_BACK = "rolled-back"
    QUARANTINED = "quarantined"


DISRUPTED = frozenset({Status.DISRUPTED, Status.UNCOMMITTED})
FAILURES = frozenset({Status.FAILED, Status.REGRESSED, Status.ROLLED_BACK, Status.QUARANTINED})
SETTLED = frozenset({Status.DONE, Status.SKIPPED}) | FAILURES
_DOING: Mapping[str, str] = {
    "granted": "draining",
    "cordoning": "draining",
    "draining": "draining",
    "backing-up": "upgrading",
    "applying": "upgrading",
    "rebooting": "rebooting",
    "validating": "validating",
    "committing": "validating",
    "uncordoning": "uncordoning",
    "rolling-back": "going back",
    "rollback-validating": "going back",
    "quarantined": "going back",
}


def doing(state: str) -> str:
    """Return what a disturbed node does in a state, in a word for people; empty if nothing.

    There are fewer of these words than states, because each of them is worth a hook.
    """
    return _DOING.get(state, "")


@dataclass(frozen=True)
class Order:
    """What one node is to do now."""

    stamp: Stamp
    verb: Verb
    digest: str
    """Of the plan."""
    part: str = ""
    """The step of the plan, such as ``kubernetes/1.35``."""
    wave: int = 0
    expires: int = 0
    """Until when a grant may be taken up; what has begun then goes on."""
    token: int = 0
    """A number that an operator's retry raises; a node tries a burnt artefact once for each."""


@dataclass(frozen=True)
class Report:
    """What one node says of itself."""

    status: Status = Status.IDLE
    digest: str = ""
    part: str = ""
    seen: Stamp = NEVER
    ready: bool = True
    """Whether it serves: Ready, and schedulable unless this rollout cordoned it."""
    version: str = ""
    vetoed: bool = False
    reason: str = ""
    aborts: bool = False
    """Whether its pods did not yield, and the plan says that this ends it for all."""
    head: str = ""
    """The last hash of its audit chain."""

    def is_about(self, digest: str, part: str) -> bool:
        """Return whether it speaks of this step of this plan."""
        return self.digest == digest and self.part == part


def write(message: Order | Report) -> dict[str, Any]:
    """Return a message as JSON knows it; what is at its default is left out."""
    shown = dict[str, Any]()
    for name, value in vars(message).items():
        if name in ("verb", "status", "ready") or value not in ("", 0, NEVER):
            shown[name] = value.value if isinstance(value, enum.Enum) else value
    return shown


def read_order(document: Mapping[str, Any]) -> Order:
    """Return the order that :func:`write` wrote; fields of a newer side are left aside."""
    values = _known(Order, document)
    values.update(verb=Verb(document["verb"]), stamp=_stamp(document, "stamp"))
    values.setdefault("digest", "")
    return Order(**values)


def read_report(document: Mapping[str, Any]) -> Report:
    """Return the report that :func:`write` wrote; fields of a newer side are left aside."""
    values = _known(Report, document)
    values.update(status=Status(document.get("status", "idle")), seen=_stamp(document, "seen"))
    return Report(**values)


def _known(cls: type[Order] | type[Report], document: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: document[field.name] for field in fields(cls) if field.name in document}


def _stamp(document: Mapping[str, Any], name: str) -> Stamp:
    epoch, serial = document.get(name, NEVER)
    return (int(epoch), int(serial))
