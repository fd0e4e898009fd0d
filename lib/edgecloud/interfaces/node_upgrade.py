"""The ``node_upgrade`` interface: the site's coordinator orders, its nodes report.

Direction: the upgrade controller publishes :class:`Orders` in its application databag: the plan,
and where each node finds its order, which lies in a Juju secret of its own. A change of that
databag wakes every node, new content of a secret only the node that reads it (ADR 0024). Each
edge-node publishes a :class:`NodeReport` in its unit databag. Nothing of it is a stream: all says
what holds now, and may be read late, twice or not at all. A node writes only when the class of
its state changes, so that the hooks of an upgrade grow with the number of nodes, not with time.

What lies in the databags is in :mod:`edgecloud.interfaces.node_upgrade_data`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Set

import ops

from edgecloud.interfaces import databag
from edgecloud.interfaces import node_upgrade_data as data
from edgecloud.interfaces import node_upgrade_words as words
from edgecloud.interfaces import slips as rack
from edgecloud.rollout import inventory, messages

SCHEMA = data.SCHEMA
Label = data.Label
Machine = data.Machine
Missing = data.Missing
ClusterView = data.ClusterView
Blocked = data.Blocked
BudgetView = data.BudgetView
NodeReport = data.NodeReport
NodeOrder = data.NodeOrder
Orders = data.Orders
SlipContent = data.SlipContent

written = words.written
read_order = words.read_order
describe = words.describe
report_of = words.report_of
machine_of = words.machine_of
member_of = words.member_of


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
        contents = {node: words.content(given[node]) for node in readers if node in given}
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
