"""The books of a cluster that its machines join one at a time. Pure.

Which members there are, who may join now, who has to wait and for how long: alike for every kind
of cluster. What a member says of itself, and who may begin, each charm knows for itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

JOINING = "joining"
JOINED = "joined"
LEAVING = "leaving"

ADMISSION_S = 900
"""How long one unit may take to join before the next one has its turn."""

BACKOFF_S = 30
BACKOFF_LIMIT_S = 600

_BACKOFF_DOUBLINGS = 16
"""Any related unit can name any number of attempts, so the exponent has a bound of its own."""


@dataclasses.dataclass(frozen=True, order=True)
class Admission:
    """Leave for one unit to join now; nobody else does."""

    unit: str = ""
    attempt: int = 0
    until: float = 0.0
    """When the leave ends, in seconds since 1970 UTC."""


@dataclasses.dataclass(frozen=True, order=True)
class Refusal:
    """Why a unit is not admitted, or when it may try again."""

    unit: str = ""
    attempt: int = 0
    not_before: float = 0.0
    reason: str = ""


@dataclasses.dataclass(frozen=True, order=True)
class JoinOffer:
    """Where one unit finds the token for an attempt: the id of a Juju secret."""

    unit: str = ""
    attempt: int = 0
    secret: str = ""


class AnyMember(Protocol):
    """A unit and its place in the cluster."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @property
    def unit(self) -> str:
        """The unit that brought it."""
        ...

    @property
    def state(self) -> str:
        """``joining``, ``joined`` or ``leaving``."""
        ...


MemberT = TypeVar("MemberT", bound=AnyMember)
MemberT_co = TypeVar("MemberT_co", bound=AnyMember, covariant=True)


class AnyRecord(Protocol[MemberT_co]):
    """The books, whatever else is in them."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @property
    def members(self) -> tuple[MemberT_co, ...]:
        """Who is in, or on the way in or out."""
        ...

    @property
    def admission(self) -> Admission | None:
        """Who may join now."""
        ...

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Who has to wait."""
        ...


RecordT = TypeVar("RecordT", bound=AnyRecord[AnyMember])


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a unit says about its last attempt to join."""

    attempt: int | None
    error: str | None


def by_unit(members: Iterable[MemberT]) -> dict[str, MemberT]:
    """Return members keyed by the unit that brought them."""
    return {member.unit: member for member in members}


def leaving(record: AnyRecord[MemberT]) -> list[MemberT]:
    """Return the members that have to be taken out of the cluster."""
    return [member for member in record.members if member.state == LEAVING]


def joined(record: AnyRecord[MemberT]) -> list[MemberT]:
    """Return the members that are in the cluster for good."""
    return [member for member in record.members if member.state == JOINED]


def refusal_of(record: AnyRecord[AnyMember], unit: str) -> Refusal | None:
    """Return why a unit has to wait, if it does."""
    return next((refusal for refusal in record.refusals if refusal.unit == unit), None)


def settle_departures(
    record: RecordT, has_left: Callable[[str], bool], gone: Collection[str], now: float
) -> RecordT:
    """Mark members whose unit departed; forget those that the cluster has no more."""
    members = tuple(
        _moved(member, LEAVING, now)
        if has_left(member.unit) and member.state != LEAVING
        else member
        for member in record.members
        if not (member.state == LEAVING and member.unit in gone)
    )
    admission = record.admission
    if admission is not None and has_left(admission.unit):
        admission = None
    refusals = tuple(one for one in record.refusals if not has_left(one.unit))
    return dataclasses.replace(record, members=members, refusals=refusals, admission=admission)


def settle_joins(record: RecordT, is_in: Callable[[str], bool], now: float) -> RecordT:
    """Take note of who joined."""
    members = tuple(
        _moved(member, JOINED, now) if member.state == JOINING and is_in(member.unit) else member
        for member in record.members
    )
    return dataclasses.replace(record, members=members)


def settle_admission(
    record: RecordT, is_in: Callable[[str], bool], answer: Callable[[str], Answer], now: float
) -> RecordT:
    """End an admission that was used, that failed, or that ran out."""
    admission = record.admission
    if admission is None:
        return record
    if is_in(admission.unit):
        return dataclasses.replace(without_refusal(record, admission.unit), admission=None)
    said = answer(admission.unit)
    if said.error and said.attempt == admission.attempt:
        return refuse(record, said.error, now)
    return refuse(record, "did not answer in time", now) if now >= admission.until else record


def admission_of(
    record: AnyRecord[AnyMember], unit: str, last: int | None, now: float
) -> Admission:
    """Return leave for a unit to join now.

    Args:
        record: the books.
        unit: who may join.
        last: the last attempt that the unit made, as it says.
        now: seconds since 1970 UTC.
    """
    refused = refusal_of(record, unit) or Refusal(unit)
    return Admission(unit, max(refused.attempt, last or 0) + 1, float(round(now + ADMISSION_S)))


def refuse(record: RecordT, reason: str, now: float) -> RecordT:
    """End the admission; its unit waits longer after every failure, the others go ahead."""
    admission = record.admission
    if admission is None:
        return record
    doublings = min(max(admission.attempt - 1, 0), _BACKOFF_DOUBLINGS)
    not_before = float(round(now + min(BACKOFF_S * 2**doublings, BACKOFF_LIMIT_S)))
    refusal = Refusal(admission.unit, admission.attempt, not_before, reason)
    return dataclasses.replace(with_refusal(record, refusal), admission=None)


def with_refusal(record: RecordT, refusal: Refusal) -> RecordT:
    """Note why a unit has to wait, in the place of what was noted before."""
    others = without_refusal(record, refusal.unit).refusals
    return dataclasses.replace(record, refusals=(*others, refusal))


def without_refusal(record: RecordT, unit: str) -> RecordT:
    """Forget why a unit had to wait."""
    kept = tuple(refusal for refusal in record.refusals if refusal.unit != unit)
    return dataclasses.replace(record, refusals=kept)


def steward(able: Sequence[str], refusals: Iterable[Refusal], leader: str) -> str | None:
    """Return who of those that are able acts for the cluster: the leader if it is one.

    A leader that is no member cannot tell whether another one's machine is alive; so after each
    failed attempt the next member has its turn.
    """
    if leader in able or not able:
        return leader if able else None
    failures = max((refusal.attempt for refusal in refusals), default=0)
    return sorted(able, key=number)[failures % len(able)]


def number(unit: str) -> int:
    """Return the number of a unit, by which units have their turns."""
    return int(unit.partition("/")[2])


def _moved(member: AnyMember, state: str, now: float) -> AnyMember:
    return dataclasses.replace(member, state=state, since=float(round(now)))
