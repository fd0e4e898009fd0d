"""Take this machine out of the cluster, and MicroK8s off this machine.

Runs in the unit's ``stop`` hook. A departure that would cost the cluster its majority is refused:
the hook fails, Juju tries it again later, and it goes through as soon as it is safe.
"""

from __future__ import annotations

import logging

import microk8s
import quorum
from cluster_view import ClusterView
from edgecloud import host as machines
from edgecloud.host import kubectl

logger = logging.getLogger(__name__)

DRAIN_S = 180

ONLY_COPY = "only copy of the Kubernetes database"
"""What ``microk8s leave`` says, with exit code 3, on the one voter of several members."""


class DepartureRefusedError(Exception):
    """Leaving now would harm the cluster; the message says what to do."""


def leave(
    host: machines.Host,
    kubeconfig: str,
    *,
    node: str,
    address: str,
    view: ClusterView | None,
    last: bool,
) -> None:
    """Leave the cluster in good order.

    Args:
        host: this machine.
        kubeconfig: path of this node's credentials.
        node: this node's name.
        address: its address in the datastore.
        view: the cluster as seen now; None if the API does not answer.
        last: whether the whole application goes, so that nobody is left to harm.

    Raises:
        DepartureRefusedError: the others would lose their majority.
    """
    if last:
        return  # Nobody needs what this node holds; removing the snap takes everything along.
    if view is None and not microk8s.is_worker(host) and len(microk8s.members(host)) <= 1:
        return  # It never joined anybody.
    if view is None:
        raise DepartureRefusedError(
            "the cluster does not answer, so it cannot agree on letting this node go: "
            "bring the other nodes back, or use 'juju remove-unit --force'"
        )
    if len(view.nodes) <= 1 or not view.has(node, address):
        return
    _check(view, node, address)
    cordoned_before = _drain(host, kubeconfig, node, view)
    try:
        microk8s.leave(host)
    except microk8s.MicroK8sError as e:
        _undo_cordon(host, kubeconfig, node, cordoned_before)
        if ONLY_COPY not in str(e):
            raise
        # A datastore that stops in good order hands its vote over first.
        microk8s.restart(host, ["k8s-dqlite"])
        raise DepartureRefusedError(
            f"{node} held the only copy of the datastore; it was asked to hand it over"
        ) from e


def _check(view: ClusterView, node: str, address: str) -> None:
    """Refuse what would cost the majority. The only voter of several is asked to hand over."""
    member = view.member(address)
    voters = [other for other in view.members if other.role is quorum.Role.VOTER]
    if member in voters and len(voters) == 1 and len(view.members) > 1:
        return
    if not quorum.survives_without(view.members, address):
        dead = [other.address for other in view.members if not other.alive]
        raise DepartureRefusedError(
            f"without {node} the datastore would lose its majority, as {', '.join(dead)} "
            "does not answer: bring it back or remove its unit first"
        )


def _drain(host: machines.Host, kubeconfig: str, node: str, view: ClusterView) -> bool:
    """Move the pods away, as far as time allows. Return whether the node was cordoned before."""
    seen = view.node(node)
    try:
        kubectl.drain(host, kubeconfig, node, DRAIN_S, force=True)
    except kubectl.KubectlError as e:
        logger.warning("leaving although not every pod moved away: %s", e)
    return seen is not None and seen.cordoned


def _undo_cordon(host: machines.Host, kubeconfig: str, node: str, cordoned_before: bool) -> None:
    if cordoned_before:
        return
    try:
        kubectl.uncordon(host, kubeconfig, node)
    except kubectl.KubectlError as e:
        logger.warning("%s stays cordoned: %s", node, e)
