"""The ``cluster_join`` interface: nodes ask, the control plane admits, one at a time.

Spoken over the peer relation of a control-plane application, and between it (provider) and
applications of workers (requirer). Three parties write:

* a **node** (any unit) publishes a :class:`NodeReport` in its unit databag;
* the **leader** of the control-plane application publishes the :class:`ClusterRecord` in its
  application databag: who is a member, who may join now, and which member acts for the cluster;
* every **member** publishes a :class:`MemberReport` in its unit databag: which units it saw
  depart, and, if it is the steward named in the record, the join offers it made (the token itself
  only in a Juju secret, granted to the one unit it is for) and the removals it finished.

A node without a Juju agent, such as one of a pool in LXD, is **hosted**: a unit reports for it,
joins it, and is granted its secret. Wherever the record names a unit, it has a name of its own
there, which :func:`hosted_name` makes.

Every field is optional on the wire; fields are added, never re-typed or reused (ADR 0004).
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping

import ops

from edgecloud.interfaces import databag

CONTROL_PLANE = "control-plane"
WORKER = "worker"

KEYS_LABEL = "encryption-keys"
METRICS_LABEL = "metrics-token"


@dataclasses.dataclass(frozen=True)
class NodeReport:
    """Unit databag: what a node says about itself."""

    node: str | None = None
    """Its name in Kubernetes. Absent until the machine is ready to join."""
    address: str | None = None
    """The address at which the other nodes reach it."""
    role: str | None = None
    ca: str | None = None
    """SHA-256 of the cluster authority's certificate, which tells clusters apart."""
    joined: bool | None = None
    """True once this node saw itself in the datastore and Ready in Kubernetes."""
    attempt: int | None = None
    """The number of the last offer it answered."""
    error: str | None = None
    """Why that attempt failed."""
    wants_turn: bool | None = None
    """Whether it has to restart something, which only one node of the cluster does at a time."""
    leaving: bool | None = None
    """Whether it asks to be drained and taken out. Its machine stays until that is done."""
    hosted: tuple[HostedNode, ...] = ()
    """The nodes that this unit brings in on their behalf."""


@dataclasses.dataclass(frozen=True)
class HostedNode:
    """A node for which a unit speaks."""

    name: str = ""
    """Its name within the unit, without a colon."""
    report: NodeReport = dataclasses.field(default_factory=NodeReport)
    """What it says about itself; a node of this kind hosts no others."""


@dataclasses.dataclass(frozen=True, order=True)
class JoinOffer:
    """Where one unit finds its join secret."""

    unit: str = ""
    attempt: int = 0
    secret: str = ""


@dataclasses.dataclass(frozen=True)
class MemberReport:
    """Unit databag of a member: what it did for the cluster."""

    departed: tuple[str, ...] = ()
    """Units that it saw depart: the only evidence on which a member is taken out. A unit that
    merely is not in sight may just not have been met yet by a new leader."""
    offers: tuple[JoinOffer, ...] = ()
    gone: tuple[str, ...] = ()
    """Units whose nodes are out of Kubernetes and out of the datastore."""
    holding: str | None = None
    """Why it does not act on the record now."""
    encryption: str | None = None
    """The state of encryption at rest that its API server runs with."""
    rewritten: str | None = None
    """The state with which it, as steward, wrote every Kubernetes secret anew."""
    metrics: str | None = None
    """Id of the Juju secret with the token for reading metrics, for workers."""
    addons: str | None = None
    """What the steward knows of add-ons, for the next steward to go on with."""


@dataclasses.dataclass(frozen=True)
class Admission:
    """Leave for one unit to join now."""

    unit: str = ""
    attempt: int = 0
    until: float = 0.0
    """When the leave ends, in seconds since 1970 UTC."""


@dataclasses.dataclass(frozen=True, order=True)
class Turn:
    """Leave for one unit to restart what it has to, while nobody joins."""

    unit: str = ""
    until: float = 0.0


@dataclasses.dataclass(frozen=True, order=True)
class Member:
    """A node that belongs to the cluster, is joining it, or is on its way out."""

    unit: str = ""
    node: str = ""
    address: str = ""
    role: str = ""
    state: str = ""
    since: float = 0.0


@dataclasses.dataclass(frozen=True, order=True)
class Refusal:
    """Why a unit is not admitted, or when it may try again."""

    unit: str = ""
    attempt: int = 0
    not_before: float = 0.0
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class ClusterRecord:
    """Application databag: the one truth about who belongs to the cluster."""

    cluster: str | None = None
    """SHA-256 of the certificate of the cluster's authority."""
    steward: str | None = None
    admission: Admission | None = None
    turn: Turn | None = None
    late: tuple[Turn, ...] = ()
    """Units that were not ready again in their turn, and until when others go first."""
    members: tuple[Member, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    endpoints: tuple[str, ...] = ()
    """``address:port`` of the Kubernetes API on every control-plane member."""
    encryption: str | None = None
    """Id of the Juju secret with the keys of encryption at rest, for control planes."""
    generation: int = 0
    """How often those keys changed."""
    addons: str | None = None
    """What the last steward knew of add-ons."""


class JoinerEnd:
    """A node's end, over the peer relation or over ``control-plane``."""

    def __init__(self, charm: ops.CharmBase, endpoint: str):
        self._charm = charm
        self._endpoint = endpoint

    @property
    def relation(self) -> ops.Relation | None:
        """The relation, if there is one."""
        return next(iter(self._charm.model.relations[self._endpoint]), None)

    def record(self) -> ClusterRecord:
        """Return what the leader of the control plane says."""
        if self.relation is None:
            return ClusterRecord()
        return databag.load(ClusterRecord, self.relation.data[self.relation.app])

    def report(self) -> NodeReport:
        """Return what this unit last said about itself."""
        if self.relation is None:
            return NodeReport()
        return databag.load(NodeReport, self.relation.data[self._charm.unit])

    def publish(self, report: NodeReport) -> bool:
        """Say something else about this unit. Return whether it is news."""
        if self.relation is None:
            return False
        return databag.save(report, self.relation.data[self._charm.unit])

    def offer(self, hosted: str = "") -> JoinOffer | None:
        """Return the offer for the admission in force, made to this unit or to one it hosts.

        Args:
            hosted: the node's name within this unit; empty for the unit itself.
        """
        record = self.record()
        admission = record.admission
        me = hosted_name(self._charm.unit.name, hosted) if hosted else self._charm.unit.name
        if self.relation is None or admission is None or admission.unit != me:
            return None
        for unit in self.relation.units:
            if unit.name == record.steward:
                steward = databag.load(MemberReport, self.relation.data[unit])
                for offer in steward.offers:
                    if (offer.unit, offer.attempt) == (admission.unit, admission.attempt):
                        return offer
        return None

    def metrics_token(self) -> str | None:
        """Return the token for reading metrics that the control plane shares with workers."""
        if self.relation is None:
            return None
        steward = self.record().steward
        for unit in self.relation.units:
            shared = databag.load(MemberReport, self.relation.data[unit]).metrics
            if shared and unit.name == steward:
                try:
                    secret = self._charm.model.get_secret(id=shared)
                    return secret.get_content(refresh=True)["token"]
                except (ops.SecretNotFoundError, ops.ModelError):
                    return None
        return None

    def url(self, offer: JoinOffer) -> str | None:
        """Return the join address of an offer, token and fingerprint included.

        None while Juju does not hand out the secret: it was withdrawn, or not granted yet.
        """
        try:
            secret = self._charm.model.get_secret(id=offer.secret)
            return secret.get_content(refresh=True)["url"]
        except (ops.SecretNotFoundError, ops.ModelError):
            return None


class MemberEnd:
    """The control plane's end: the peer relation, and every relation to workers."""

    def __init__(self, charm: ops.CharmBase, peers: str, workers: str):
        self._charm = charm
        self._peers = peers
        self._workers = workers

    def record(self) -> ClusterRecord:
        """Return what the leader last published."""
        for relation in self._charm.model.relations[self._peers]:
            return databag.load(ClusterRecord, relation.data[self._charm.app])
        return ClusterRecord()

    def publish(self, record: ClusterRecord) -> bool:
        """Publish the record: whole to the peers, to workers what concerns them. Leader only."""
        changed = False
        for relation in self._relations():
            share = record if relation.name == self._peers else self._share(record, relation)
            changed |= databag.save(share, relation.data[self._charm.app])
        return changed

    def reports(self) -> dict[str, NodeReport]:
        """Return what every live unit and hosted node says about itself, this one included."""
        found: dict[str, NodeReport] = {}
        for relation in self._relations():
            mine = (self._charm.unit,) if relation.name == self._peers else ()
            for unit in (*relation.units, *mine):
                report = databag.load(NodeReport, relation.data[unit])
                found[unit.name] = dataclasses.replace(report, hosted=())
                for hosted in report.hosted:
                    found[hosted_name(unit.name, hosted.name)] = hosted.report
        return found

    def member_reports(self) -> dict[str, MemberReport]:
        """Return what every live unit of this application says it did and saw."""
        return {
            unit.name: databag.load(MemberReport, relation.data[unit])
            for relation in self._charm.model.relations[self._peers]
            for unit in (self._charm.unit, *relation.units)
        }

    @property
    def unit(self) -> str:
        """The name of this unit."""
        return self._charm.unit.name

    def my_acts(self) -> MemberReport:
        """Return what this unit last said it did and saw."""
        return self.member_reports().get(self.unit, MemberReport())

    def publish_acts(self, report: MemberReport) -> None:
        """Say what this unit did and saw. Workers are told of the offers made to them only."""
        for relation in self._relations():
            names = {unit.name for unit in relation.units}
            offers = tuple(sorted(offer for offer in report.offers if owner(offer.unit) in names))
            share = dataclasses.replace(report, offers=offers)
            if relation.name != self._peers:
                share = MemberReport(offers=offers, metrics=report.metrics)
            databag.save(share, relation.data[self._charm.unit])

    def my_offers(self) -> tuple[JoinOffer, ...]:
        """Return the offers that this unit has made and not withdrawn."""
        return tuple(
            sorted(
                offer
                for relation in self._relations()
                for offer in databag.load(MemberReport, relation.data[self._charm.unit]).offers
            )
        )

    def make_offer(
        self, unit: str, attempt: int, url: str, expire: datetime.datetime
    ) -> JoinOffer | None:
        """Put a join address into a secret that one unit may read. Return the offer.

        That of a hosted node is for the unit that hosts it. None if that is not related any more.
        """
        for relation in self._relations():
            for candidate in relation.units:
                if candidate.name == owner(unit):
                    secret = self._charm.unit.add_secret(
                        {"url": url},
                        label=_label(unit, attempt),
                        description=f"One-time leave for {unit} to join the cluster.",
                        expire=expire,
                    )
                    secret.grant(relation, unit=candidate)
                    assert secret.id is not None
                    return JoinOffer(unit, attempt, secret.id)
        return None

    def withdraw(self, offer: JoinOffer) -> str | None:
        """Remove an offer's secret. Return its join address, None if it is gone already."""
        try:
            secret = self._charm.model.get_secret(label=_label(offer.unit, offer.attempt))
            url = secret.peek_content()["url"]
            secret.remove_all_revisions()
        except ops.SecretNotFoundError:
            return None
        return url

    @property
    def has_workers(self) -> bool:
        """Whether applications of workers are related."""
        return bool(self._charm.model.relations[self._workers])

    def share_metrics_token(self, token: str) -> str | None:
        """Keep the metrics token in a secret that workers may read. Return the secret's id.

        None if there are no workers.
        """
        relations = self._charm.model.relations[self._workers]
        if not relations:
            return None
        try:
            secret = self._charm.model.get_secret(label=METRICS_LABEL)
            if secret.peek_content()["token"] != token:
                secret.set_content({"token": token})
        except ops.SecretNotFoundError:
            secret = self._charm.unit.add_secret({"token": token}, label=METRICS_LABEL)
        for relation in relations:
            secret.grant(relation)
        return secret.get_info().id

    def shared_keys(self, record: ClusterRecord) -> dict[str, str] | None:
        """Return the content of the secret with the encryption keys; empty if there is none.

        None while Juju does not hand it out.
        """
        if record.encryption is None:
            return {}
        try:
            secret = self._charm.model.get_secret(id=record.encryption)
            return secret.get_content(refresh=True)
        except (ops.SecretNotFoundError, ops.ModelError):
            return None

    def share_keys(self, record: ClusterRecord, content: Mapping[str, str]) -> str | None:
        """Keep the encryption keys in a secret of the application. Leader only. Return its id."""
        try:
            secret = self._charm.model.get_secret(label=KEYS_LABEL)
        except ops.SecretNotFoundError:
            return self._charm.app.add_secret(
                dict(content), label=KEYS_LABEL, rotate=ops.SecretRotate.YEARLY
            ).id
        if secret.peek_content() != dict(content):
            secret.set_content(dict(content))
        return secret.get_info().id

    def _relations(self) -> Iterator[ops.Relation]:
        yield from self._charm.model.relations[self._peers]
        yield from self._charm.model.relations[self._workers]

    def _share(self, record: ClusterRecord, relation: ops.Relation) -> ClusterRecord:
        """Return the part of the record that concerns the units of one relation."""
        names = {unit.name for unit in relation.units}
        admission = record.admission
        return ClusterRecord(
            cluster=record.cluster,
            steward=record.steward,
            admission=admission if admission and owner(admission.unit) in names else None,
            turn=record.turn if record.turn and owner(record.turn.unit) in names else None,
            members=tuple(member for member in record.members if owner(member.unit) in names),
            refusals=tuple(one for one in record.refusals if owner(one.unit) in names),
            endpoints=record.endpoints,
        )


def _label(unit: str, attempt: int) -> str:
    return f"join-{unit.replace('/', '-').replace(':', '-')}-{attempt}"


def hosted_name(unit: str, name: str) -> str:
    """Return what the record calls a node that a unit hosts: ``edge-lxd/0:1a``."""
    return f"{unit}:{name}"


def owner(unit: str) -> str:
    """Return the unit of Juju's that speaks for what the record calls a unit."""
    return unit.partition(":")[0]


def by_unit(members: tuple[Member, ...]) -> Mapping[str, Member]:
    """Return members keyed by the unit that brought them."""
    return {member.unit: member for member in members}
