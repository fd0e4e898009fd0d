"""The cluster as this node sees it now: nodes from Kubernetes, members from the datastore."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import heartbeats
import microk8s
import quorum
from edgecloud import host as machines
from edgecloud.host import kubectl


@dataclasses.dataclass(frozen=True)
class ClusterView:
    """Nodes and datastore members, seen at one moment."""

    nodes: tuple[kubectl.Node, ...]
    members: tuple[quorum.Member, ...]
    remarks: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    """By node, what to say where Kubernetes gets it wrong."""

    def node(self, name: str) -> kubectl.Node | None:
        """Return a node by its name."""
        return next((node for node in self.nodes if node.name == name), None)

    def member(self, address: str) -> quorum.Member | None:
        """Return a member of the datastore by its address."""
        return next((member for member in self.members if member.address == address), None)

    def is_ready(self, name: str) -> bool:
        """Return whether a node is there and Ready. Unknown is not Ready."""
        node = self.node(name)
        return node is not None and node.readiness is kubectl.Readiness.READY

    def has(self, name: str, address: str) -> bool:
        """Return whether anything of a node is left, in Kubernetes or in the datastore."""
        return self.node(name) is not None or self.member(address) is not None

    @property
    def ready_count(self) -> int:
        """How many nodes are Ready."""
        return sum(self.is_ready(node.name) for node in self.nodes)

    @property
    def voters(self) -> int:
        """How many members count for the datastore's majority and answer."""
        return sum(member.role is quorum.Role.VOTER and member.alive for member in self.members)


def look(host: machines.Host, *, live: bool = False) -> ClusterView:
    """Return the cluster as this node sees it, for the price of one process.

    Args:
        host: this machine.
        live: ask the datastore's leader for the members, instead of reading what this node last
            heard, and each of them whether it is there. Needed before anything joins or leaves;
            costs some processes.

    Raises:
        kubectl.KubectlError: the API does not answer.
        microk8s.MicroK8sError: the datastore does not answer.
    """
    seen = heartbeats.look(host, microk8s.kubeconfig(host))
    if microk8s.is_worker(host):
        return combine(seen.nodes, ())
    if not live:
        view = combine(seen.nodes, microk8s.members(host))
    else:
        members = microk8s.live_members(host)
        answering = {m.address for m in members if microk8s.answers(host, m.address)}
        view = combine(seen.nodes, members, answering=answering)
    return dataclasses.replace(view, remarks=seen.remarks)


def remembered(host: machines.Host) -> ClusterView:
    """Return the datastore's members as this node last heard, each asked whether it is there.

    For when the API does not answer. Costs a process per member; raises nothing.
    """
    try:
        members = microk8s.members(host)
    except microk8s.MicroK8sError:
        members = ()
    answering = {m.address for m in members if microk8s.answers(host, m.address)}
    return combine((), members, answering=answering)


def combine(
    nodes: Sequence[kubectl.Node],
    members: Sequence[microk8s.Member],
    *,
    answering: Collection[str] | None = None,
) -> ClusterView:
    """Return the view that nodes and datastore members make together.

    A member counts as alive if it is among those that answer; where nobody asked, if the node at
    its address is Ready, which may be a minute behind the truth. A single node's datastore sits
    on the loopback address until somebody joins.
    """
    ready = {
        address
        for node in nodes
        if node.readiness is kubectl.Readiness.READY
        for address in node.addresses
    }
    alive = ready if answering is None else answering
    alone = len(members) == 1 and bool(ready)
    return ClusterView(
        nodes=tuple(sorted(nodes, key=lambda node: node.name)),
        members=tuple(
            quorum.Member(member.address, member.role, alone or member.address in alive)
            for member in sorted(members)
        ),
    )
