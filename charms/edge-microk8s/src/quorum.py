"""Whether the datastore keeps its majority when a member goes. Pure.

The datastore (dqlite) commits only while more than half of its voters answer. MicroK8s keeps
three voters from three members on, and exactly one below that, whatever the members' number.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence


class Role(enum.IntEnum):
    """What a member does for the datastore, as dqlite numbers it."""

    VOTER = 0
    STANDBY = 1
    SPARE = 2


@dataclasses.dataclass(frozen=True)
class Member:
    """A member of the datastore."""

    address: str
    role: Role
    alive: bool
    """Whether its node answers: Ready in Kubernetes."""


def has_quorum(members: Sequence[Member]) -> bool:
    """Return whether more than half of the voters answer."""
    voters = _voters(members)
    return 2 * sum(voter.alive for voter in voters) > len(voters)


def all_answer(members: Sequence[Member]) -> bool:
    """Return whether every voter answers, so that a member more cannot cost the majority."""
    voters = _voters(members)
    return bool(voters) and all(voter.alive for voter in voters)


def survives_without(members: Sequence[Member], address: str) -> bool:
    """Return whether the datastore goes on after one member is taken out of it.

    Needs a majority now, to agree on the removal, and a majority of the voters that remain. The
    only voter can go only when it is the only member.
    """
    if not any(member.address == address for member in members):
        return True
    rest = [member for member in members if member.address != address]
    if not rest:
        return True
    return has_quorum(members) and has_quorum(rest)


def can_spare(members: Sequence[Member], address: str) -> bool:
    """Return whether a member may restart: it is no voter, or all the other voters answer."""
    others = [voter for voter in _voters(members) if voter.address != address]
    is_voter = len(others) < len(_voters(members))
    return not is_voter or all(voter.alive for voter in others)


def _voters(members: Sequence[Member]) -> list[Member]:
    return [member for member in members if member.role is Role.VOTER]
