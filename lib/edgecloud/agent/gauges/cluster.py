"""The cluster, as this control plane sees it: its own node, and the voters of the datastore."""

from __future__ import annotations

from collections.abc import Iterator

from edgecloud import host
from edgecloud.agent.gauges.source import QUERY_S, Settings
from edgecloud.metrics import node
from edgecloud.metrics.exposition import Sample


def kubernetes(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield how the API server has this node."""
    if not place.node or place.worker:
        return
    from edgecloud.host import kubectl

    item = kubectl.get_json(machine, place.kubeconfig, "node", place.node, within_s=QUERY_S)
    found = kubectl.parse_node(item)
    yield node.READY.at(found.readiness is kubectl.Readiness.READY)
    yield node.SCHEDULABLE.at(not found.cordoned)


def datastore(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield how many voters there are, and how many answer right now."""
    if not place.node or place.worker:
        return
    from edgecloud.host import dqlite

    voters = [each.address for each in dqlite.heard(machine) if each.role == dqlite.VOTER]
    if not voters:
        return
    yield node.VOTERS.at(len(voters))
    yield node.VOTERS_ANSWERING.at(sum(dqlite.answers(machine, address) for address in voters))
