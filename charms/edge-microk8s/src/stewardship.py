"""What the steward does for the cluster: take out nodes that left, and make way for new ones.

Each call does at most one disruptive thing and says how far it is; the next hook goes on. Every
removal is judged by the quorum first.
"""

from __future__ import annotations

import dataclasses

import microk8s
import quorum
from cluster_view import ClusterView
from edgecloud import host as machines
from edgecloud.host import kubectl
from edgecloud.interfaces import cluster_join

GRACE_S = 600
"""How long a unit that was removed may take to drain and leave by itself."""

DRAIN_S = 120


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a removal is."""

    gone: bool
    waits_for: str = ""


def take_out(
    host: machines.Host,
    kubeconfig: str,
    member: cluster_join.Member,
    view: ClusterView,
    now: float,
) -> Progress:
    """Go on taking a member out of Kubernetes and out of the datastore.

    Raises:
        microk8s.MicroK8sError: MicroK8s refused for a reason of its own.
        kubectl.KubectlError: the API did not answer.
    """
    if not view.has(member.node, member.address):
        return Progress(gone=True)
    waits_for = _must_wait(member, view, now)
    if waits_for:
        _help(host, kubeconfig, member, view)
        return Progress(gone=False, waits_for=waits_for)
    if view.is_ready(member.node):
        _drain(host, kubeconfig, member.node)
    microk8s.remove_node(host, name=member.node, address=member.address)
    return Progress(gone=True)


def ghost_of(
    view: ClusterView, admission: cluster_join.Admission, members: tuple[cluster_join.Member, ...]
) -> cluster_join.Member | None:
    """Return the unit about to join, if an earlier attempt or machine left something of it."""
    joiner = cluster_join.by_unit(members).get(admission.unit)
    if joiner is not None and view.has(joiner.node, joiner.address):
        return joiner
    return None


def reason_to_wait(view: ClusterView) -> str:
    """Return why nobody may join now, or nothing.

    A node that joins while a voter does not answer can cost the cluster its majority.
    """
    silent = [m.address for m in view.members if m.role is quorum.Role.VOTER and not m.alive]
    if silent:
        return f"voter {', '.join(silent)} does not answer"
    if not view.members:
        return "the datastore does not answer"
    return ""


def may_remove_ghost(view: ClusterView, ghost: cluster_join.Member) -> bool:
    """Return whether what is left of a node can be removed without harm.

    Never one that is Ready: then it is no ghost.
    """
    return not view.is_ready(ghost.node) and quorum.survives_without(view.members, ghost.address)


def _must_wait(member: cluster_join.Member, view: ClusterView, now: float) -> str:
    """Return why a member cannot be taken out yet, or nothing."""
    if view.member(member.address) is None and not view.is_ready(member.node):
        return ""
    if view.is_ready(member.node) and now < member.since + GRACE_S:
        return f"{member.node} is leaving by itself"
    if not quorum.survives_without(view.members, member.address):
        return f"removing {member.node} would cost the datastore its majority"
    return ""


def _help(
    host: machines.Host, kubeconfig: str, member: cluster_join.Member, view: ClusterView
) -> None:
    """Drain a worker that is leaving: its own credentials do not let it do so."""
    node = view.node(member.node)
    if member.role == cluster_join.WORKER and node is not None and not node.cordoned:
        _drain(host, kubeconfig, member.node)


def _drain(host: machines.Host, kubeconfig: str, node: str) -> None:
    """Move the pods of a node that still runs, as far as that goes in a bounded time."""
    try:
        kubectl.drain(host, kubeconfig, node, DRAIN_S, force=True)
    except kubectl.KubectlError:
        return  # Its unit is gone from Juju: what protects its pods cannot keep the node.
