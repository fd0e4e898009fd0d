"""Decide how a new node takes the place of an old one: built, checked, joined; then the old goes.

Pure. The journal names both before either is touched, so a power cut anywhere loses nothing: every
phase is entered again, and what it does may be done twice.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

BUILD_S = 1800
"""How long the new node may take to come up, and again to join; then the old one stays."""


ABSENT_S = 600
"""Hooks look every few seconds while a node is built; who did not for so long was away."""

_SEEN_S = 60
"""How exactly it is remembered when one last looked, which costs a write each time."""


class Phase(enum.Enum):
    """How far a replacement is."""

    BUILD = "build"
    JOIN = "join"
    DRAIN = "drain"
    REMOVE = "remove"
    GIVE_UP = "give up"


@dataclasses.dataclass(frozen=True)
class Replacement:
    """One node taking the place of another in its slot."""

    old: str
    new: str
    slot: int
    address: str = ""
    """Of the new one, where LXD gives addresses."""
    phase: Phase = Phase.BUILD
    since: float = 0.0
    seen: float = 0.0
    """When it was last looked at, while time counts."""
    reason: str = ""
    """Why it is given up."""
    wish: str = ""
    """The wish of a plan that it is for; empty if an operator asked for it."""

    @property
    def names(self) -> frozenset[str]:
        """Both instances."""
        return frozenset((self.old, self.new))

    @property
    def going(self) -> str:
        """The one that the cluster is asked to let go; empty if none."""
        if self.phase in (Phase.DRAIN, Phase.REMOVE):
            return self.old
        return self.new if self.phase is Phase.GIVE_UP else ""


@dataclasses.dataclass(frozen=True)
class View:
    """What is so now."""

    up: bool = False
    """Whether MicroK8s runs in the new node."""
    joined: bool = False
    """Whether the cluster has the new node, and has it Ready."""
    old_known: bool = True
    """Whether the cluster still has the old node."""
    new_known: bool = False
    old_there: bool = True
    """Whether the old instance exists."""
    new_there: bool = True
    trouble: str = ""
    """Why the new node is not further."""


def resumed(now_at: Replacement, now: float) -> Replacement:
    """Return the replacement as it goes on after a while without power or Juju: none too late."""
    away_s = now - now_at.seen if now_at.seen else 0.0
    if away_s < ABSENT_S:
        return now_at
    return dataclasses.replace(now_at, since=now_at.since + away_s, seen=now)


def step(now_at: Replacement, view: View, now: float) -> Replacement | None:
    """Return the replacement as it goes on; None when it is over."""
    if now_at.phase is Phase.BUILD:
        return _then(now_at, Phase.JOIN, now) if view.up else _in_time(now_at, view, now)
    if now_at.phase is Phase.JOIN:
        return _then(now_at, Phase.DRAIN, now) if view.joined else _in_time(now_at, view, now)
    if now_at.phase is Phase.DRAIN:
        # What protects its pods may keep it for as long as it likes: the old node still serves.
        return now_at if view.old_known else _then(now_at, Phase.REMOVE, now)
    if now_at.phase is Phase.REMOVE:
        return now_at if view.old_there else None
    return now_at if view.new_known or view.new_there else None


def result(over: Replacement) -> str:
    """Return what became of a replacement that is over."""
    if over.phase is Phase.GIVE_UP:
        return f"{over.old} stays, {over.new} was given up: {over.reason}"
    return f"{over.new} took the place of {over.old}"


def encode(replacement: Replacement) -> dict[str, Any]:
    """Return the replacement for its journal."""
    return {**dataclasses.asdict(replacement), "phase": replacement.phase.value}


def decode(document: Mapping[str, Any]) -> Replacement | None:
    """Return the replacement from its journal; None if there is none."""
    if not document.get("old") or not document.get("new"):
        return None
    return Replacement(
        old=str(document["old"]),
        new=str(document["new"]),
        slot=int(document.get("slot", 0)),
        address=str(document.get("address", "")),
        phase=Phase(document.get("phase", "build")),
        since=float(document.get("since", 0)),
        seen=float(document.get("seen", 0)),
        reason=str(document.get("reason", "")),
        wish=str(document.get("wish", "")),
    )


def _then(now_at: Replacement, phase: Phase, now: float) -> Replacement:
    return dataclasses.replace(now_at, phase=phase, since=now, seen=now)


def _in_time(now_at: Replacement, view: View, now: float) -> Replacement:
    """Return it as it is while the new node has time left."""
    if now < now_at.since + BUILD_S:
        is_recent = now < now_at.seen + _SEEN_S
        return now_at if is_recent else dataclasses.replace(now_at, seen=now)
    reason = view.trouble or "it took too long"
    return dataclasses.replace(now_at, phase=Phase.GIVE_UP, since=now, reason=reason)
