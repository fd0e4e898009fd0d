"""The ``lxd_cluster`` interface: the peer relation of LXD members.

Direction: each unit publishes a :class:`MemberReport` in its unit databag, what it is and what it
did; the leader publishes the :class:`ClusterRecord` in the application databag, who belongs to the
cluster and who joins next. A join token never lies in a databag: the steward puts it into a Juju
secret that one unit may read, and publishes the secret's id. Every field is optional on the wire;
fields are added, never re-typed or reused (ADR 0004).
"""

from __future__ import annotations

import dataclasses
import datetime

import ops

from edgecloud.books import Admission, JoinOffer, Refusal, by_unit
from edgecloud.interfaces import databag

__all__ = [
    "Admission",
    "Build",
    "ClusterPeers",
    "ClusterRecord",
    "JoinOffer",
    "Member",
    "MemberReport",
    "Refusal",
    "by_unit",
]


@dataclasses.dataclass(frozen=True, order=True)
class Member:
    """A unit and its place in the cluster."""

    unit: str = ""
    name: str = ""
    """The member's name in LXD."""
    address: str = ""
    """Host and port at which the others reach it."""
    state: str = ""
    """``joining``, ``joined`` or ``leaving``."""
    since: float = 0.0


@dataclasses.dataclass(frozen=True, order=True)
class Build:
    """Which build of the snap the machines of an architecture install."""

    arch: str = ""
    unit: str = ""
    """The unit that installs first, and so finds out which build the channel has."""
    revision: str = ""


@dataclasses.dataclass(frozen=True)
class ClusterRecord:
    """Application databag: the books of the cluster, kept by whoever leads."""

    founder: str | None = None
    """The one unit that may begin the cluster."""
    cluster: str | None = None
    """SHA-256 of the cluster's certificate, once it has begun."""
    steward: str | None = None
    """The unit that acts for all: makes tokens, takes members out."""
    network: str | None = None
    """How instances reach the network; decided once, with the founder."""
    builds: tuple[Build, ...] = ()
    members: tuple[Member, ...] = ()
    admission: Admission | None = None
    refusals: tuple[Refusal, ...] = ()


@dataclasses.dataclass(frozen=True)
class MemberReport:
    """Unit databag: what a unit is, and what it did and saw."""

    arch: str | None = None
    revision: str | None = None
    """The build of the snap that is installed."""
    name: str | None = None
    address: str | None = None
    network: str | None = None
    """How instances could reach the network from here."""
    ready: bool | None = None
    """Whether LXD serves here, and could begin a cluster or join one."""
    cluster: str | None = None
    """The certificate of the cluster that this machine is in."""
    attempt: int | None = None
    """The last attempt to join that was made here."""
    error: str | None = None
    """Why that attempt failed."""
    departed: tuple[str, ...] = ()
    """Units whose departure this one saw."""
    absent: tuple[str, ...] = ()
    """By the steward: units of leaving members that the cluster has no more."""
    offers: tuple[JoinOffer, ...] = ()
    holding: str | None = None
    """By the steward: why it does not act on the record now."""
    given_up: str | None = None
    """The cluster that an operator gave up here, as no unit of it is left; before one began, the
    unit that was to begin it."""


class ClusterPeers:
    """A unit's end of the peer relation."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "cluster"):
        self._charm = charm
        self._endpoint = endpoint

    @property
    def relation(self) -> ops.Relation | None:
        """The relation; None before Juju made it."""
        return next(iter(self._charm.model.relations[self._endpoint]), None)

    def record(self) -> ClusterRecord:
        """Return what the leader last published."""
        if self.relation is None:
            return ClusterRecord()
        return databag.load(ClusterRecord, self.relation.data[self._charm.app])

    def publish_record(self, record: ClusterRecord) -> bool:
        """Publish the books. Leader only. Return whether it is news."""
        if self.relation is None:
            return False
        return databag.save(record, self.relation.data[self._charm.app])

    def reports(self) -> dict[str, MemberReport]:
        """Return what every unit in sight says about itself, this one included."""
        if self.relation is None:
            return {}
        units = (self._charm.unit, *self.relation.units)
        return {unit.name: databag.load(MemberReport, self.relation.data[unit]) for unit in units}

    def report(self) -> MemberReport:
        """Return what this unit last said."""
        return self.reports().get(self._charm.unit.name, MemberReport())

    def publish(self, report: MemberReport) -> bool:
        """Say something else about this unit. Return whether it is news."""
        if self.relation is None:
            return False
        return databag.save(report, self.relation.data[self._charm.unit])

    def offer(self) -> JoinOffer | None:
        """Return the offer made to this unit for the admission now in force."""
        record = self.record()
        admission = record.admission
        if admission is None or admission.unit != self._charm.unit.name:
            return None
        steward = self.reports().get(record.steward or "", MemberReport())
        wanted = (admission.unit, admission.attempt)
        return next((o for o in steward.offers if (o.unit, o.attempt) == wanted), None)

    def token(self, offer: JoinOffer) -> str | None:
        """Return the token of an offer.

        None while Juju does not hand out the secret: it was withdrawn, or not granted yet.
        """
        try:
            secret = self._charm.model.get_secret(id=offer.secret)
            return secret.get_content(refresh=True)["token"]
        except (ops.SecretNotFoundError, ops.ModelError):
            return None

    def make_offer(
        self, unit: str, attempt: int, token: str, expire: datetime.datetime
    ) -> JoinOffer | None:
        """Put a token into a secret that one unit may read. Return the offer.

        None if the unit is not there any more.
        """
        found = self.relation.units if self.relation else set[ops.Unit]()
        reader = next((candidate for candidate in found if candidate.name == unit), None)
        if reader is None or self.relation is None:
            return None
        secret = self._charm.unit.add_secret(
            {"token": token},
            label=_label(unit, attempt),
            description=f"One-time leave for {unit} to join the LXD cluster.",
            expire=expire,
        )
        secret.grant(self.relation, unit=reader)
        assert secret.id is not None
        return JoinOffer(unit, attempt, secret.id)

    def offered(self, offer: JoinOffer) -> str | None:
        """Return the token that this unit offered; None if its secret is gone."""
        try:
            secret = self._charm.model.get_secret(label=_label(offer.unit, offer.attempt))
            return secret.peek_content()["token"]
        except ops.SecretNotFoundError:
            return None

    def renew(self, offer: JoinOffer, token: str, expire: datetime.datetime) -> None:
        """Put another token in the place of the one that this unit offered."""
        secret = self._charm.model.get_secret(label=_label(offer.unit, offer.attempt))
        secret.set_content({"token": token})
        secret.set_info(expire=expire)

    def withdraw(self, offer: JoinOffer) -> None:
        """Remove an offer's secret."""
        try:
            secret = self._charm.model.get_secret(label=_label(offer.unit, offer.attempt))
            secret.remove_all_revisions()
        except ops.SecretNotFoundError:
            return


def _label(unit: str, attempt: int) -> str:
    return f"join-{unit.replace('/', '-')}-{attempt}"
