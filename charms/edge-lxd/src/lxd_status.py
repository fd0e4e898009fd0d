"""Say in one line how this member is, from what is known of it. Pure."""

from __future__ import annotations

import dataclasses

ACTIVE = "active"
BLOCKED = "blocked"
MAINTENANCE = "maintenance"
WAITING = "waiting"

LONGEST = 240
"""As much of a message as `juju status` shows without tearing its table apart."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known at the end of a hook."""

    blockers: tuple[str, ...] = ()
    """What an operator has to mend."""
    troubles: tuple[str, ...] = ()
    """What failed in this hook and will be tried again."""
    version: str = ""
    """Of the installed LXD; empty if there is none."""


@dataclasses.dataclass(frozen=True)
class Line:
    """A status and its message."""

    status: str
    message: str


def judge(facts: Facts) -> Line:
    """Return the line for this member."""
    line = _judge(facts)
    return Line(line.status, line.message[:LONGEST])


def _judge(facts: Facts) -> Line:
    if facts.blockers:
        return Line(BLOCKED, "; ".join(facts.blockers))
    if facts.troubles:
        return Line(WAITING, f"trying again: {facts.troubles[0]}")
    if not facts.version:
        return Line(MAINTENANCE, "installing LXD")
    return Line(ACTIVE, f"LXD {facts.version}")
