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
from collections.abc import Collection, Iterator, Mapping

import ops

from edgecloud.books import by_unit
from edgecloud.interfaces import databag, handouts
from edgecloud.interfaces.cluster_facts import (
    CONTROL_PLANE,
    WORKER,
    Admission,
    ClusterRecord,
    HostedNode,
    JoinOffer,
    Member,
    MemberReport,
    NodeReport,
    Refusal,
    Turn,
    hosted_name,
    owner,
)

__all__ = (
    "CONTROL_PLANE",
    "KEYS_LABEL",
    "METRICS_LABEL",
    "WORKER",
    "Admission",
    "ClusterRecord",
    "HostedNode",
    "JoinOffer",
    "JoinerEnd",
    "Member",
    "MemberEnd",
    "MemberReport",
    "NodeReport",
    "Refusal",
    "Turn",
    "by_unit",
    "hosted_name",
    "owner",
)

KEYS_LABEL = "encryption-keys"
METRICS_LABEL = "metrics-token"


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
        if admission is None or admission.unit != me:
            return None
        offers = self._said().get(record.steward or "", MemberReport()).offers
        wanted = (admission.unit, admission.attempt)
        return next((offer for offer in offers if (offer.unit, offer.attempt) == wanted), None)

    def metrics_token(self) -> str | None:
        """Return the token for reading metrics that the control plane shares with workers."""
        steward = self._said().get(self.record().steward or "", MemberReport())
        content = self.read(steward.metrics) if steward.metrics else None
        return (content or {}).get("token")

    def url(self, offer: JoinOffer) -> str | None:
        """Return the join address of an offer, token and fingerprint included.

        None while Juju does not hand out the secret: it was withdrawn, or not granted yet.
        """
        return (self.read(offer.secret) or {}).get("url")

    def read(self, secret: str) -> dict[str, str] | None:
        """Return what is in a secret made for this unit; None while Juju does not hand it out."""
        return handouts.read(self._charm, secret)

    def ways_back(self) -> tuple[handouts.Handout, ...]:
        """Return the offers to join again that others made for this unit."""
        return tuple(sorted(mine for said in self._said().values() for mine in said.ways_back))

    def access(self, hosted: str = "") -> handouts.Handout | None:
        """Return where a worker's token for draining it is found.

        Args:
            hosted: the node's name within this unit; empty for the unit itself.
        """
        me = hosted_name(self._charm.unit.name, hosted) if hosted else self._charm.unit.name
        steward = self._said().get(self.record().steward or "", MemberReport())
        return next((each for each in steward.accesses if each.unit == me), None)

    def _said(self) -> dict[str, MemberReport]:
        """Return what every control plane in sight did, of what it made only this unit's."""
        found: dict[str, MemberReport] = {}
        if self.relation is not None:
            for unit in self.relation.units:
                said = databag.load(MemberReport, self.relation.data[unit])
                found[unit.name] = _share_of(said, {self._charm.unit.name})
        return found


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
        for relation in self._charm.model.relations[self._peers]:
            return databag.load(MemberReport, relation.data[self._charm.unit])
        return MemberReport()

    def wishing(self) -> list[str]:
        """Return the other units that wish for an offer to join again."""
        reports = self.reports().items()
        return sorted(name for name, said in reports if said.wants_way_back and name != self.unit)

    def publish_acts(self, report: MemberReport) -> None:
        """Say what this unit did and saw. Workers are told of what was made for them only.

        The peers see all of it: what was made for a unit that is gone has to be taken back.
        """
        for relation in self._relations():
            share = report
            if relation.name != self._peers:
                mine = _share_of(report, {unit.name for unit in relation.units})
                share = MemberReport(
                    offers=mine.offers, accesses=mine.accesses, metrics=report.metrics
                )
            databag.save(share, relation.data[self._charm.unit])

    def my_offers(self) -> tuple[JoinOffer, ...]:
        """Return the offers that this unit has made and not withdrawn."""
        return self.my_acts().offers

    def make_offer(
        self, unit: str, attempt: int, url: str, expire: datetime.datetime
    ) -> JoinOffer | None:
        """Put a join address into a secret that one unit may read. Return the offer.

        That of a hosted node is for the unit that hosts it. None if that is not related any more.
        """
        id = handouts.give(
            self._charm,
            self._relations(),
            owner(unit),
            {"url": url},
            label=_label(unit, attempt),
            description=f"One-time leave for {unit} to join the cluster.",
            expire=expire,
        )
        return JoinOffer(unit, attempt, id) if id else None

    def withdraw(self, offer: JoinOffer) -> str | None:
        """Remove an offer's secret. Return its join address, None if it is gone already."""
        content = handouts.take_back(self._charm, _label(offer.unit, offer.attempt))
        return (content or {}).get("url")

    def hand_out(
        self, unit: str, content: Mapping[str, str], *, what: str, until: float
    ) -> handouts.Handout | None:
        """Put something into a secret that one unit may read, anew if there is one already.

        That of a hosted node is for the unit that hosts it. None if that is not related any more.
        """
        label = _label(unit, what)
        description = f"For {unit} alone: its {what.replace('-', ' ')}."
        id = handouts.give(
            self._charm,
            self._relations(),
            owner(unit),
            content,
            label=label,
            description=description,
        )
        return handouts.Handout(unit, id, until) if id else None

    def take_back(self, handout: handouts.Handout, *, what: str) -> None:
        """Remove the secret of something that was handed out."""
        handouts.take_back(self._charm, _label(handout.unit, what))

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
        return handouts.read(self._charm, record.encryption) if record.encryption else {}

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


def _share_of(report: MemberReport, units: Collection[str]) -> MemberReport:
    """Return what a member did without what it made for other units than these."""
    return dataclasses.replace(
        report,
        offers=tuple(sorted(offer for offer in report.offers if owner(offer.unit) in units)),
        ways_back=tuple(sorted(each for each in report.ways_back if each.unit in units)),
        accesses=tuple(sorted(each for each in report.accesses if owner(each.unit) in units)),
    )


def _label(unit: str, what: int | str) -> str:
    return f"join-{unit.replace('/', '-').replace(':', '-')}-{what}"
