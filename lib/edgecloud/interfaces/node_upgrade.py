"""The ``node_upgrade`` interface: the site's coordinator orders, its nodes report.

Direction: the upgrade controller publishes :class:`Orders` in its application databag; each
edge-node publishes a :class:`NodeReport` in its unit databag. Neither is a stream: both say what
holds now, and may be read late, twice or not at all. A node writes only when the class of its
state changes, so that the hooks of an upgrade grow with the number of nodes, not with time.

Every field is optional on the wire; fields are added, never re-typed or reused (ADR 0004).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import ops

from edgecloud.interfaces import databag
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


@dataclasses.dataclass(frozen=True)
class Orders:
    """Application databag of the controller: the accepted plan, and each node's order."""

    schema: int | None = None
    digest: str | None = None
    plan: str | None = None
    """The canonical text, which the digest is of."""
    signature: str | None = None
    """Over the canonical text; nodes verify it themselves."""
    orders: tuple[NodeOrder, ...] = ()


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
    ) -> bool:
        """Publish an accepted plan and the orders that stand. Leader only.

        Returns whether anything changed; equal orders wake nobody.
        """
        digest = next((order.digest for order in orders.values()), "")
        said = Orders(
            schema=SCHEMA,
            digest=digest,
            plan=plan,
            signature=signature,
            orders=tuple(
                sorted(written(name, order, members[name]) for name, order in orders.items())
            ),
        )
        changes = [
            databag.save(said, relation.data[self._charm.app])
            for relation in self._charm.model.relations[self._endpoint]
        ]
        return any(changes)


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
        """Return all that the controller says."""
        for relation in self._charm.model.relations[self._endpoint]:
            return databag.load(Orders, relation.data[relation.app])
        return Orders()

    def order(self, node: str) -> Published | None:
        """Return what one node is to do; None if nothing, or nothing that this end understands."""
        said = self.orders()
        if said.schema is None or said.schema > SCHEMA or not said.digest or not said.plan:
            return None
        for entry in said.orders:
            order = read_order(entry, said.digest)
            if entry.node == node and order is not None:
                member = member_of(node, entry.machine)
                return Published(order, member, said.plan, said.signature or "")
        return None

    def publish(self, report: NodeReport) -> bool:
        """Say what this node is and where it stands. Return whether it is news."""
        said = dataclasses.replace(report, schema=SCHEMA)
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
    )


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
