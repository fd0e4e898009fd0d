"""The ``edge_component`` interface: a principal tells the edge-node beside it what runs here.

Direction: each principal unit publishes a :class:`Component` in its unit databag, over a
container-scoped relation, so that the two always share a machine. Every field is optional on the
wire; fields are added, never re-typed or reused (ADR 0004).
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
