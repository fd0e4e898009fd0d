"""What lies in the databags of ``node_upgrade``: the controller's orders, and nodes' reports.

Every field is optional on the wire; fields are added, never re-typed or reused (ADR 0004).
"""

from __future__ import annotations

import dataclasses

from edgecloud.interfaces import slips as rack

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
    hosted: tuple[str, ...] = ()
    """The version of Kubernetes of each node that it hosts in LXD and that has no agent."""


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


@dataclasses.dataclass(frozen=True, order=True)
class Blocked:
    """A node that could not be drained, and the disruption budgets that let no pod of it go."""

    node: str = ""
    budgets: tuple[str, ...] = ()
    """Each as ``namespace/name``."""


@dataclasses.dataclass(frozen=True)
class BudgetView:
    """What a control plane sees of disruption budgets, whether or not a plan is live."""

    at: int = 0
    """When it looked, in seconds since 1970 UTC."""
    blocked: tuple[Blocked, ...] = ()


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
    doing: str | None = None
    """What it does while it is disturbed, such as ``draining``: a word for people to read."""
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
    aborts: bool | None = None
    """Whether its pods did not yield, and the plan says that this ends it for all."""
    head: str | None = None
    """The last hash of its audit chain, so that it cannot write its past anew."""
    foreign: str | None = None
    """Another tool that upgrades this machine."""
    clock: bool | None = None
    """Whether its clock can be trusted."""
    cluster: ClusterView | None = None
    budgets: BudgetView | None = None
    """On a control plane: which nodes' pods could not go. For people, and for rehearsals."""
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
