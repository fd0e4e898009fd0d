"""Empty the nodes of a unit that goes, with the account that lies in each, in a bounded time.

The relation to the control plane has ended when a unit's `stop` hook runs, so nobody could be
asked. The account is good until the control plane has taken the node out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from edgecloud import host as machines
from edgecloud.host import failures, kubectl
from edgecloud.lxd import client as lxd
from edgecloud.lxd import errors, instances
from edgecloud.lxd_member import nodes

logger = logging.getLogger(__name__)

LIMIT_S = 300.0
"""How long it may take for all nodes together; the control plane waits for twice as long."""

DRAIN_S = 120.0
"""How long a disruption budget may hold one node."""

_EXPECTED = (kubectl.KubectlError, errors.LxdError, *failures.FAILURES)

_Inside = Callable[[lxd.Client, instances.Instance], machines.Host]


def drain(
    host: machines.Host, client: lxd.Client, unit: str, *, inside: _Inside = nodes.inside
) -> tuple[str, ...]:
    """Move the pods of a unit's nodes elsewhere. Return the nodes that are empty now.

    What cannot be drained is no reason to stay: its unit is gone from Juju.
    """
    end = host.now() + LIMIT_S
    going = [one for one in instances.every(client) if one.config.get(nodes.OWNER) == unit]
    running = {one.name: inside(client, one) for one in going if one.running}
    # All first, so that no pod moves from one node that goes to the next.
    able = {name: node for name, node in running.items() if _cordon(host, node, name, end)}
    return tuple(name for name, node in able.items() if _empty(host, node, name, end))


def _cordon(host: machines.Host, node: machines.Host, name: str, end: float) -> bool:
    """Return whether a node is in a cluster that lets it be drained."""
    if host.now() >= end:
        return False
    try:
        if not nodes.has_joined(node) or not node.exists(nodes.KUBECONFIG):
            return False
        kubectl.cordon(node, nodes.KUBECONFIG, name)
    except _EXPECTED as e:
        logger.warning("%s goes undrained: %s", name, e)
        return False
    return True


def _empty(host: machines.Host, node: machines.Host, name: str, end: float) -> bool:
    left_s = end - host.now()
    if left_s < 1:
        logger.warning("%s goes undrained: others took all the time", name)
        return False
    try:
        kubectl.drain(node, nodes.KUBECONFIG, name, min(DRAIN_S, left_s), force=True)
    except _EXPECTED as e:
        logger.warning("%s goes although not every pod moved away: %s", name, e)
        return False
    return True
