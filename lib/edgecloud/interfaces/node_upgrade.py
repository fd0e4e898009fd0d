"""The ``node_upgrade`` interface: the site's coordinator orders, its nodes report.

Direction: the upgrade controller publishes :class:`Orders` in its application databag: the plan,
and where each node finds its order, which lies in a Juju secret of its own. A change of that
databag wakes every node, new content of a secret only the node that reads it (ADR 0024). Each
edge-node publishes a :class:`NodeReport` in its unit databag. Nothing of it is a stream: all says
what holds now, and may be read late, twice or not at all. A node writes only when the class of
its state changes, so that the hooks of an upgrade grow with the number of nodes, not with time.

Every field is optional on the wire; fields are added, never re-typed or reused (ADR 0004).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Set

import ops

from edgecloud.interfaces import databag
from edgecloud.interfaces import slips as rack
from edgecloud.rollout import inventory, messages

SCHEMA = 1
"""What both ends speak. A side that sees a higher number does not act on what it reads."""


@dataclasses.dataclass(frozen=True, order=True)
class Label:
    """A word about a machine that plans can select it by."""

    key: str = ""
    value: str = ""


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a plan's inventory holds of a node. An order brings it back as it was frozen."""

    role: str = ""
    """``control-plane`` or ``worker``."""
    voter: bool = False
    """Whether the datastore counts it for its quorum."""
    domain: str = ""
    arch: str = ""
    version: str = ""
    """Of Kubernetes; empty if it runs none."""
    lxd: bool = False
    coordinator: bool = False
    duration_s: int = 0
    """How long an upgrade takes here; 0 if nobody measured."""
    labels: tuple[Label, ...] = ()


@dataclasses.dataclass(frozen=True, order=True)
class Missing:
    """A node that Kubernetes does not call Ready."""

    node: str = ""
    heard: bool = True
    """False if Kubernetes does not hear from it at all."""
    since: int = 0


@dataclasses.dataclass(frozen=True)
class ClusterView:
    """What a control plane sees of its cluster. Nodes go by their names."""

    at: int = 0
    """When it looked, in seconds since 1970 UTC. A view that is old says nothing."""
    missing: tuple[Missing, ...] = ()
    voters: tuple[str, ...] = ()
    answering: tuple[str, ...] = ()
    """The voters that answered."""
    leader: str = ""
    """The voter that leads the datastore."""


@dataclasses.dataclass(frozen=True)
class NodeReport:
    """Unit databag of an edge-node: what its machine is, and where its upgrade stands."""

    schema: int | None = None
    node: str | None = None
    """Its name, the same in plans, orders and Kubernetes. Absent until it is known."""
    address: str | None = None
    machine: Machine | None = None
    status: str | None = None
    """The class of its state, such as ``waiting`` or ``disrupted``."""
    digest: str | None = None
    """Of the plan that the status is about."""
    part: str | None = None
    """The step that the status is about, such as ``kubernetes/1.35``."""
    epoch: int | None = None
    serial: int | None = None
    """With the epoch, the stamp of the last order that it acted on."""
    ready: bool | None = None
    version: str | None = None
    vetoed: bool | None = None
    reason: str | None = None
    head: str | None = None
    """The last hash of its audit chain, so that it cannot write its past anew."""
    foreign: str | None = None
    """Another tool that upgrades this machine."""
    clock: bool | None = None
    """Whether its clock can be trusted."""
    cluster: ClusterView | None = None
    slips: bool | None = None
    """Whether it reads its order from its slip; else it looks for it in the databag."""

    @property
    def is_understood(self) -> bool:
        """Whether this side knows what the fields mean."""
        return self.schema is not None and self.schema <= SCHEMA


@dataclasses.dataclass(frozen=True, order=True)
class NodeOrder:
    """What one node is to do now, and what it is."""

    node: str = ""
    epoch: int = 0
    serial: int = 0
    verb: str = ""
    part: str = ""
    wave: int = 0
    expires: int = 0
    token: int = 0
    machine: Machine = dataclasses.field(default_factory=Machine, compare=False)
    digest: str = ""
    """Of the plan. In a slip, which is not written in the same place as the plan."""


@dataclasses.dataclass(frozen=True)
class SlipContent:
    """Content of the secret of a slip."""

    order: NodeOrder | None = None


@dataclasses.dataclass(frozen=True)
class Orders:
    """Application databag of the controller: the accepted plan, and where each node's order is."""

    schema: int | None = None
    digest: str | None = None
    plan: str | None = None
    """The canonical text, which the digest is of."""
    signature: str | None = None
    """Over the canonical text; nodes verify it themselves."""
    orders: tuple[NodeOrder, ...] = ()
    """The orders of nodes that do not know slips."""
    slips: tuple[rack.Slip, ...] = ()
    live: bool | None = None
    """Whether any node is under an order, so that other tools must leave the machines alone."""


@dataclasses.dataclass(frozen=True)
class Published:
    """An order together with the plan that it is bound to."""

    order: messages.Order
    member: inventory.Member
    plan: str
    signature: str


class NodeUpgradeProvider:
    """The controller's end."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "nodes"):
        self._charm = charm
        self._endpoint = endpoint

    @property
    def related(self) -> bool:
        """Whether any application of nodes is related."""
        return bool(self._charm.model.relations[self._endpoint])

    def reports(self) -> dict[str, NodeReport]:
        """Return what every unit says, by the name of the unit."""
        return {
            unit.name: databag.load(NodeReport, relation.data[unit])
            for relation in self._charm.model.relations[self._endpoint]
            for unit in sorted(relation.units, key=lambda unit: unit.name)
        }

    def publish(
        self,
        plan: str,
        signature: str,
        orders: Mapping[str, messages.Order],
        members: inventory.Inventory,
        *,
        standing: Mapping[str, messages.Order] | None = None,
    ) -> bool:
        """Publish an accepted plan and the orders that stand. Leader only.

        Args:
            plan: the canonical text of the plan.
            signature: over that text.
            orders: what each node is to do.
            members: what each node is.
            standing: what was published before, as the books of then say. Slips of nodes whose
                order is the same are left alone. Without it every slip is written again.

        Returns whether anything changed; equal orders wake nobody.
        """
        given = {name: written(name, order, members[name]) for name, order in orders.items()}
        before = standing or {}
        news = {name for name, order in orders.items() if before.get(name) != order}
        said = Orders(
            schema=SCHEMA,
            digest=next((order.digest for order in orders.values()), ""),
            plan=plan,
            signature=signature,
            live=any(order.verb is not messages.Verb.FORGET for order in orders.values()),
        )
        relations = self._charm.model.relations[self._endpoint]
        changes = [self._say(relation, said, given, news) for relation in relations]
        return any(changes)

    def forget_revision(self, event: ops.SecretRemoveEvent) -> None:
        """Drop the revision of a slip that its node has read past; leave all else alone."""
        for relation in self._charm.model.relations[self._endpoint]:
            kept = databag.load(Orders, relation.data[self._charm.app]).slips
            rack.forget_revision(event, kept)

    def _say(
        self, relation: ops.Relation, said: Orders, given: Mapping[str, NodeOrder], news: Set[str]
    ) -> bool:
        bag, units = relation.data[self._charm.app], self._units(relation)
        readers = {node: unit for node, (unit, knows_slips) in units.items() if knows_slips}
        contents = {node: _content(given[node]) for node in readers if node in given}
        kept = databag.load(Orders, bag).slips
        slips, wrote = rack.deliver(self._charm, relation, kept, readers, contents, news)
        others = sorted(set(units) & set(given) - set(readers))
        whole = dataclasses.replace(
            said, orders=tuple(given[node] for node in others), slips=slips
        )
        return databag.save(whole, bag) or wrote

    def _units(self, relation: ops.Relation) -> dict[str, tuple[ops.Unit, bool]]:
        """Return the unit of each node, and whether it knows slips."""
        found = dict[str, tuple[ops.Unit, bool]]()
        for unit in sorted(relation.units, key=lambda each: each.name):
            said = databag.load(NodeReport, relation.data[unit])
            if said.node:
                found[said.node] = (unit, bool(said.slips))
        return found


class NodeUpgradeRequirer:
    """The end of an edge-node."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "controller"):
        self._charm = charm
        self._endpoint = endpoint

    @property
    def related(self) -> bool:
        """Whether there is a controller."""
        return bool(self._charm.model.relations[self._endpoint])

    def orders(self) -> Orders:
        """Return all that the controller says to every node."""
        for relation in self._charm.model.relations[self._endpoint]:
            return databag.load(Orders, relation.data[relation.app])
        return Orders()

    def order(self, node: str) -> Published | None:
        """Return what one node is to do; None if nothing, or nothing that this end understands."""
        said = self.orders()
        if said.schema is None or said.schema > SCHEMA or not said.digest or not said.plan:
            return None
        entry = self._entry(said, node)
        if entry is None or entry.digest not in ("", said.digest):
            return None  # Of the plan before; the databag has the new one already.
        order = read_order(entry, said.digest)
        if order is None:
            return None
        return Published(order, member_of(node, entry.machine), said.plan, said.signature or "")

    def _entry(self, said: Orders, node: str) -> NodeOrder | None:
        for slip in said.slips:
            if slip.node == node:
                content = rack.read(self._charm.model, slip)
                return databag.load(SlipContent, content or {}).order
        return next((entry for entry in said.orders if entry.node == node), None)

    def said(self) -> NodeReport:
        """Return what this unit published before."""
        for relation in self._charm.model.relations[self._endpoint]:
            return databag.load(NodeReport, relation.data[self._charm.unit])
        return NodeReport()

    def publish(self, report: NodeReport) -> bool:
        """Say what this node is and where it stands. Return whether it is news."""
        said = dataclasses.replace(report, schema=SCHEMA, slips=True)
        changes = [
            databag.save(said, relation.data[self._charm.unit])
            for relation in self._charm.model.relations[self._endpoint]
        ]
        return any(changes)


def written(name: str, order: messages.Order, member: inventory.Member) -> NodeOrder:
    """Return an order as the databag holds it."""
    epoch, serial = order.stamp
    return NodeOrder(
        node=name,
        epoch=epoch,
        serial=serial,
        verb=order.verb.value,
        part=order.part,
        wave=order.wave,
        expires=order.expires,
        token=order.token,
        machine=machine_of(member),
        digest=order.digest,
    )


def _content(order: NodeOrder) -> dict[str, str]:
    content = dict[str, str]()
    databag.save(SlipContent(order), content)
    return content


def read_order(entry: NodeOrder, digest: str) -> messages.Order | None:
    """Return the order that a databag holds; None if its verb is none that this end knows."""
    if entry.verb not in {verb.value for verb in messages.Verb}:
        return None
    return messages.Order(
        stamp=(entry.epoch, entry.serial),
        verb=messages.Verb(entry.verb),
        digest=digest,
        part=entry.part,
        wave=entry.wave,
        expires=entry.expires,
        token=entry.token,
    )


def report_of(said: NodeReport) -> messages.Report | None:
    """Return what a node says in the words of the core; None if it cannot be understood."""
    statuses = {status.value for status in messages.Status}
    if not said.is_understood or said.status not in statuses:
        return None
    return messages.Report(
        status=messages.Status(said.status),
        digest=said.digest or "",
        part=said.part or "",
        seen=(said.epoch or 0, said.serial or 0),
        ready=bool(said.ready),
        version=said.version or "",
        vetoed=bool(said.vetoed),
        reason=said.reason or "",
        head=said.head or "",
    )


def describe(
    report: messages.Report, node: str, machine: Machine, *, address: str = ""
) -> NodeReport:
    """Return a report of the core as the databag holds it."""
    epoch, serial = report.seen
    return NodeReport(
        schema=SCHEMA,
        node=node,
        address=address,
        machine=machine,
        status=report.status.value,
        digest=report.digest,
        part=report.part,
        epoch=epoch,
        serial=serial,
        ready=report.ready,
        version=report.version,
        vetoed=report.vetoed,
        reason=report.reason,
        head=report.head,
    )


def machine_of(member: inventory.Member) -> Machine:
    """Return a member of an inventory as the databag holds it."""
    return Machine(
        role=member.role,
        voter=member.voter,
        domain=member.domain,
        arch=member.arch,
        version=member.version,
        lxd=member.lxd,
        coordinator=member.coordinator,
        duration_s=member.duration_s,
        labels=_labels(member.labels),
    )


def member_of(name: str, machine: Machine) -> inventory.Member:
    """Return the member of an inventory that a databag describes."""
    plain = inventory.Member(name)
    return inventory.Member(
        name,
        role=machine.role or plain.role,
        voter=machine.voter,
        domain=machine.domain,
        arch=machine.arch or plain.arch,
        version=machine.version,
        lxd=machine.lxd,
        coordinator=machine.coordinator,
        duration_s=machine.duration_s,
        labels=tuple((label.key, label.value) for label in machine.labels),
    )


def _labels(pairs: Iterable[tuple[str, str]]) -> tuple[Label, ...]:
    return tuple(sorted(Label(key, value) for key, value in pairs))
