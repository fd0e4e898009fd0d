"""What is remembered of add-ons on this machine: those we enabled, and what did not work."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from edgecloud import host as hosts
from edgecloud.host import files

STATE = "/var/lib/edge-microk8s/addons.json"

LOOK_AGAIN_S = 3600
"""How long to trust what is remembered before asking MicroK8s again."""

RETRY_S = 60
RETRY_LIMIT_S = 3600


@dataclasses.dataclass(frozen=True)
class Wish:
    """An add-on that ought to be enabled, with what follows the colon."""

    name: str
    arguments: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.arguments}" if self.arguments else self.name


@dataclasses.dataclass(frozen=True)
class Failure:
    """A change that did not work, and when to try it again."""

    name: str
    attempts: int
    not_before: float
    reason: str


@dataclasses.dataclass(frozen=True)
class State:
    """What this charm enabled and could not, and how things stood when it last looked."""

    enabled: tuple[Wish, ...] = ()
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    settled: str = ""
    """The wishes for which nothing was left to do when last looked."""
    look_at: float = 0.0
    pending: Wish | None = None
    """What is being enabled or disabled; outlives a power cut in the middle of it."""
    enabling: bool = True
    missing: tuple[str, ...] = ()
    """Why add-ons in the list do not exist for this version and architecture."""

    def waiting(self, now: float) -> frozenset[str]:
        """Return the add-ons that failed and are not to be tried yet."""
        return frozenset(failure.name for failure in self.failures if now < failure.not_before)


def needs_look(state: State, wishes: Sequence[Wish], now: float) -> bool:
    """Return whether MicroK8s has to be asked, which takes seconds on a Pi."""
    due = not state.look_at - LOOK_AGAIN_S <= now < state.look_at
    return due or state.settled != _text(wishes)


def settled(state: State, wishes: Sequence[Wish], now: float) -> State:
    """Return the state when nothing is left to do for these wishes at this moment."""
    retries = (failure.not_before for failure in state.failures if failure.not_before > now)
    look_at = min((now + LOOK_AGAIN_S, *retries))
    return dataclasses.replace(state, settled=_text(wishes), look_at=look_at)


def begun(state: State, wish: Wish, *, enabling: bool) -> State:
    """Return the state before a change is made."""
    return dataclasses.replace(state, pending=wish, enabling=enabling, settled="")


def adopted(state: State, wishes: Sequence[Wish]) -> State:
    """Return the state after add-ons came with the installation, as this charm told it to."""
    names = {wish.name for wish in wishes}
    others = tuple(wish for wish in state.enabled if wish.name not in names)
    return dataclasses.replace(state, enabled=(*others, *wishes), settled="")


def succeeded(state: State, wish: Wish, *, enabled: bool) -> State:
    """Return the state after a change that worked."""
    others = tuple(item for item in state.enabled if item.name != wish.name)
    return dataclasses.replace(
        state,
        enabled=(*others, wish) if enabled else others,
        failures=tuple(failure for failure in state.failures if failure.name != wish.name),
        settled="",
        pending=None,
    )


def failed(state: State, name: str, reason: str, now: float) -> State:
    """Return the state after a change that did not work: each failure waits twice as long."""
    attempts = 1 + sum(item.attempts for item in state.failures if item.name == name)
    wait = min(RETRY_S * 2 ** min(attempts - 1, 16), RETRY_LIMIT_S)
    others = tuple(item for item in state.failures if item.name != name)
    failure = Failure(name, attempts, now + wait, reason)
    return dataclasses.replace(state, failures=(*others, failure), settled="", pending=None)


def forgotten(state: State, wishes: Sequence[Wish]) -> State:
    """Return the state without failures of what is neither wished nor ours any more."""
    names = {wish.name for wish in (*wishes, *state.enabled)}
    kept = tuple(failure for failure in state.failures if failure.name in names)
    return dataclasses.replace(state, failures=kept)


def load(host: hosts.Host) -> State:
    """Return what is remembered on this machine; nothing if that was lost."""
    try:
        return decode(files.read(host, STATE))
    except ValueError:
        return State()


def save(host: hosts.Host, state: State) -> bool:
    """Remember on this machine. Return whether anything changed."""
    return host.write(STATE, encode(state), mode=0o600)


def encode(state: State) -> str:
    """Return the state as JSON."""
    return json.dumps(dataclasses.asdict(state), sort_keys=True) + "\n"


def decode(text: str) -> State:
    """Return the state that JSON holds.

    Raises:
        ValueError: it holds none.
    """
    try:
        content: dict[str, Any] = json.loads(text)
        return State(
            enabled=tuple(Wish(**item) for item in content.get("enabled", ())),
            failures=tuple(Failure(**item) for item in content.get("failures", ())),
            notes=tuple(content.get("notes", ())),
            settled=str(content.get("settled", "")),
            look_at=float(content.get("look_at", 0)),
            pending=Wish(**content["pending"]) if content.get("pending") else None,
            enabling=bool(content.get("enabling", True)),
            missing=tuple(content.get("missing", ())),
        )
    except (TypeError, AttributeError) as e:
        raise ValueError(f"no state of add-ons: {e}") from e


def _text(wishes: Sequence[Wish]) -> str:
    # An empty list of wishes is settled too, unlike a state that was never looked at.
    return "=" + " ".join(map(str, wishes))
