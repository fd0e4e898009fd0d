"""The ``edge_component`` interface: a principal and the edge-node beside it, on one machine.

Each principal unit publishes a :class:`Component` in its unit databag: what runs here. The
edge-node answers in its own with its :class:`Wishes`: what it needs from the principal for the
agent's work. The relation has container scope, so the two always share a machine. Every field is
optional on the wire; fields are added, never re-typed or reused (ADR 0004).
"""

from __future__ import annotations

import dataclasses

import ops

from edgecloud.interfaces import databag

MICROK8S = "microk8s"
LXD = "lxd"


@dataclasses.dataclass(frozen=True)
class Component:
    """Unit databag of the principal: what runs on this machine."""

    kind: str | None = None
    """``microk8s`` or ``lxd``."""
    snap: str | None = None
    channel: str | None = None
    """The channel that the operator wants, such as ``1.35/stable``."""
    node: str | None = None
    """The node's name in Kubernetes, or the member's in LXD."""
    role: str | None = None
    """``control-plane`` or ``worker``."""
    voter: bool | None = None
    """Whether the cluster's datastore counts this node for its quorum."""
    failure_domain: str | None = None
    kubeconfig: str | None = None
    """The file with which this machine reaches the Kubernetes API."""
    drain_timeout_s: int | None = None
    """How long pods may take to move away before the machine is disturbed."""
    ready: bool | None = None
    """Whether the component does its work now."""
    way_back_until: int | None = None
    """Until when an offer to join again is good that lies on this machine's disk for the agent,
    in seconds since 1970 UTC. Absent while there is none."""
    hosted: tuple[str, ...] = ()
    """Of an LXD member: the version of each Kubernetes node that it hosts, in their order."""


@dataclasses.dataclass(frozen=True)
class HostedWish:
    """What the nodes that an LXD member hosts are to be replaced by."""

    id: str = ""
    """Another one for each attempt; what failed is not tried again under the same."""
    version: str = ""
    """The minor of Kubernetes, such as ``1.36``."""
    revision: str = ""
    """The exact build of the snap; what the channel holds if empty."""


@dataclasses.dataclass(frozen=True)
class Wishes:
    """Unit databag of the edge-node: what the agent needs from the principal."""

    way_back: bool = False
    """An upgrade of Kubernetes is at hand on this node: leave an offer to join for the agent."""
    busy: bool = False
    """The agent is disturbing this machine: restart, reconfigure and install nothing now."""
    hosted: HostedWish | None = None
    """Of an LXD member: replace the nodes that live here, one by one. A file brings the answer."""


class ComponentProvider:
    """The principal's end."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "component"):
        self._charm = charm
        self._endpoint = endpoint

    @property
    def related(self) -> bool:
        """Whether an edge-node is there."""
        return bool(self._charm.model.relations[self._endpoint])

    def publish(self, component: Component) -> bool:
        """Say what runs here. Return whether it is news."""
        changes = [
            databag.save(component, relation.data[self._charm.unit])
            for relation in self._charm.model.relations[self._endpoint]
        ]
        return any(changes)

    def published(self) -> Component:
        """Return what was last said; nothing if there is no edge-node."""
        for relation in self._charm.model.relations[self._endpoint]:
            return databag.load(Component, relation.data[self._charm.unit])
        return Component()

    def wishes(self) -> Wishes:
        """Return what the edge-node beside this unit asks for; nothing if there is none."""
        found = [
            databag.load(Wishes, relation.data[unit])
            for relation in self._charm.model.relations[self._endpoint]
            for unit in relation.units
        ]
        return Wishes(
            way_back=any(wishes.way_back for wishes in found),
            busy=any(wishes.busy for wishes in found),
            hosted=next((wishes.hosted for wishes in found if wishes.hosted), None),
        )


class ComponentRequirer:
    """The end of the edge-node charm: one relation for each principal on the machine."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "component"):
        self._charm = charm
        self._endpoint = endpoint

    def components(self) -> list[Component]:
        """Return what the principals of this machine say, in the order of their kinds."""
        found = [
            databag.load(Component, relation.data[unit])
            for relation in self._charm.model.relations[self._endpoint]
            for unit in relation.units
        ]
        return sorted(found, key=lambda component: (component.kind or "", component.node or ""))

    def ask(self, wishes: Wishes) -> bool:
        """Tell the principals of this machine what the agent needs. Return whether it is news."""
        changes = [
            databag.save(wishes, relation.data[self._charm.unit])
            for relation in self._charm.model.relations[self._endpoint]
        ]
        return any(changes)
