"""What a node's upgrade is made of: its states, the effect that belongs to each, facts and events.

The table :data:`EFFECTS` is the whole of what an agent does: while a node is in a state, it does
the effect of that state and says how it ended. A state that is not in the table waits.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecloud.rollout import messages, route, window


class State(str, enum.Enum):
    """Where a node is in its upgrade."""

    IDLE = "idle"
    PREFLIGHT = "preflight"
    STAGING = "staging"
    WAITING = "waiting"
    GRANTED = "granted"
    CORDONING = "cordoning"
    DRAINING = "draining"
    BACKING_UP = "backing-up"
    APPLYING = "applying"
    REBOOTING = "rebooting"
    VALIDATING = "validating"
    COMMITTING = "committing"
    UNCORDONING = "uncordoning"
    SOAKING = "soaking"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED_SAFE = "failed-safe"
    REGRESSED = "regressed"
    ROLLING_BACK = "rolling-back"
    ROLLBACK_VALIDATING = "rollback-validating"
    ROLLED_BACK = "rolled-back"
    QUARANTINED = "quarantined"


class Effect(str, enum.Enum):
    """What an agent can be asked to do to its machine. Each is idempotent and resumable."""

    CHECK = "check"
    """Floors, holds, clock, the other slot, foreign operations; changes nothing."""
    STAGE = "stage"
    CORDON = "cordon"
    DRAIN = "drain"
    BACK_UP = "back-up"
    APPLY = "apply"
    REBOOT = "reboot"
    VALIDATE = "validate"
    COMMIT = "commit"
    UNCORDON = "uncordon"
    """Take our cordon and our taint away."""
    ROLL_BACK = "roll-back"
    TAINT = "taint"
    """Put our taint in the place of our cordon."""


EFFECTS: Mapping[State, Effect] = {
    State.PREFLIGHT: Effect.CHECK,
    State.STAGING: Effect.STAGE,
    State.GRANTED: Effect.CHECK,
    State.CORDONING: Effect.CORDON,
    State.DRAINING: Effect.DRAIN,
    State.BACKING_UP: Effect.BACK_UP,
    State.APPLYING: Effect.APPLY,
    State.REBOOTING: Effect.REBOOT,
    State.VALIDATING: Effect.VALIDATE,
    State.COMMITTING: Effect.COMMIT,
    State.UNCORDONING: Effect.UNCORDON,
    State.ROLLING_BACK: Effect.ROLL_BACK,
    State.ROLLBACK_VALIDATING: Effect.VALIDATE,
    State.QUARANTINED: Effect.TAINT,
}
RESTING = frozenset(
    {
        State.IDLE,
        State.DONE,
        State.SKIPPED,
        State.FAILED_SAFE,
        State.ROLLED_BACK,
        State.QUARANTINED,
    }
)
"""States that an upgrade ends in, and from which another one can begin."""
UNTOUCHED = frozenset({State.PREFLIGHT, State.STAGING, State.WAITING})
"""States in which nothing has been disturbed yet."""
_STATUS: Mapping[State, messages.Status] = {
    State.IDLE: messages.Status.IDLE,
    State.PREFLIGHT: messages.Status.STAGING,
    State.STAGING: messages.Status.STAGING,
    State.WAITING: messages.Status.WAITING,
    State.VALIDATING: messages.Status.UNCOMMITTED,
    State.COMMITTING: messages.Status.UNCOMMITTED,
    State.SOAKING: messages.Status.SOAKING,
    State.DONE: messages.Status.DONE,
    State.SKIPPED: messages.Status.SKIPPED,
    State.FAILED_SAFE: messages.Status.FAILED,
    State.REGRESSED: messages.Status.REGRESSED,
    State.ROLLED_BACK: messages.Status.ROLLED_BACK,
    State.QUARANTINED: messages.Status.QUARANTINED,
}


class Cordon(str, enum.Enum):
    """Whose cordon is on the node, as far as this upgrade knows."""

    NONE = "none"
    OURS = "ours"
    THEIRS = "theirs"


@dataclass(frozen=True)
class Facts:
    """What the machine itself says, read afresh for each event. Facts win over the journal."""

    running: str = ""
    """The artefact that runs now, exact."""
    default: str = ""
    """The artefact that the next plain boot would run."""
    staged: str = ""
    version: str = ""
    cordoned: bool = False
    owner: str = ""
    """The token on the node's cordon; empty if it carries none."""
    boot: str = ""
    pending: bool = False
    """Whether the change is still under way in snapd."""
    undone: bool = False
    """Whether the change was tried and taken back by the machine itself."""
    ready: bool = True
    clock_trusted: bool = True
    veto: bool = False
    foreign: str = ""
    """Another tool's operation on this machine, such as apt's lock."""


@dataclass(frozen=True)
class Node:
    """All that a node remembers of its upgrade: one line of its journal."""

    name: str
    state: State = State.IDLE
    work: route.Work | None = None
    wave: int = 0
    stamp: messages.Stamp = messages.NEVER
    token: int = 0
    expires: int = 0
    """Until when the grant may be taken up."""
    back: bool = False
    """Whether the disturbance that was granted is a rollback."""
    rest: State = State.WAITING
    """Where a grant that is not taken up leads back to."""
    outcome: State = State.SOAKING
    """Where uncordoning leads."""
    cordon: Cordon = Cordon.NONE
    target: str = ""
    prior: str = ""
    boot: str = ""
    drains: int = 0
    aborts: bool = False
    """Whether pods that did not yield end the plan, as that says."""
    alive_s: int = 0
    isolated: bool = False
    vetoed: bool = False
    reason: str = ""
    burnt: tuple[str, ...] = ()
    """Artefacts that failed here; none of them is tried again without an operator's token."""
    generations: tuple[tuple[str, int], ...] = ()
    """The newest generation seen of each of the last plans."""

    @property
    def owner(self) -> str:
        """The token that marks this upgrade's cordon as ours."""
        return f"{self.work.digest[:12]}/{self.work.part}" if self.work else ""


@dataclass(frozen=True)
class Ordered:
    """The inbox was read."""

    order: messages.Order
    work: route.Work | None
    facts: Facts
    now: int


@dataclass(frozen=True)
class Done:
    """An effect succeeded."""

    effect: Effect
    facts: Facts
    now: int


@dataclass(frozen=True)
class Failed:
    """An effect did not succeed, or not within its deadline."""

    effect: Effect
    facts: Facts
    now: int
    reason: str = ""
    burns: bool = False
    """Whether the artefact itself is to blame, such as a wrong digest."""
    passes: bool = False
    """Whether what stands in the way goes away by itself, such as heat: then nothing failed."""


@dataclass(frozen=True)
class Resumed:
    """The agent started again, after a power cut or a kill: nothing is known but the facts."""

    facts: Facts
    now: int


@dataclass(frozen=True)
class Ticked:
    """Time passed with the machine seen alive; what still waits for an effect tries again."""

    facts: Facts
    now: int
    seconds: int = 0
    healthy: bool = True


Event = Ordered | Done | Failed | Resumed | Ticked


def report(node: Node, facts: Facts, head: str = "") -> messages.Report:
    """Return what a node says of itself to the coordinator."""
    ours = node.cordon is Cordon.OURS
    return messages.Report(
        status=status(node),
        digest=node.work.digest if node.work else "",
        part=node.work.part if node.work else "",
        seen=node.stamp,
        ready=facts.ready and (ours or not facts.cordoned),
        version=facts.version,
        vetoed=node.vetoed,
        reason=node.reason,
        aborts=node.aborts,
        head=head,
    )


def status(node: Node) -> messages.Status:
    """Return the class of the state that a node is in."""
    if node.state is State.QUARANTINED and not node.isolated:
        return messages.Status.DISRUPTED  # Its taint is not there yet, and our cordon may be.
    return _STATUS.get(node.state, messages.Status.DISRUPTED)


def write(node: Node) -> dict[str, Any]:
    """Return a node as JSON knows it; what is at its default is left out."""
    blank = Node(node.name)
    values = {field.name: getattr(node, field.name) for field in dataclasses.fields(Node)}
    kept = {k: v for k, v in values.items() if k == "name" or v != getattr(blank, k)}
    if node.work:
        kept["work"] = dataclasses.asdict(node.work)
    return {k: v.value if isinstance(v, enum.Enum) else v for k, v in kept.items()}


def read(document: Mapping[str, Any]) -> Node:
    """Return the node that :func:`write` wrote; fields of a newer agent are left aside."""
    known = {field.name for field in dataclasses.fields(Node)}
    values: dict[str, Any] = {name: value for name, value in document.items() if name in known}
    for name in ("state", "rest", "outcome"):
        if name in values:
            values[name] = State(values[name])
    if "cordon" in values:
        values["cordon"] = Cordon(values["cordon"])
    if values.get("work"):
        values["work"] = _read_work(values["work"])
    values["stamp"] = tuple(values.get("stamp", messages.NEVER))
    values["burnt"] = tuple(values.get("burnt", ()))
    values["generations"] = tuple((k, n) for k, n in values.get("generations", ()))
    return Node(**values)


def _read_work(document: Mapping[str, Any]) -> route.Work:
    calendar = document["calendar"]
    windows: list[dict[str, Any]] = [dict(each) for each in calendar["windows"]]
    for each in windows:
        each["days"] = tuple(each["days"])
    values: dict[str, Any] = {**document}
    values["calendar"] = window.Calendar(
        tuple(window.Window(**each) for each in windows),
        tuple(window.Blackout(**each) for each in calendar["blackouts"]),
    )
    return route.Work(**values)
