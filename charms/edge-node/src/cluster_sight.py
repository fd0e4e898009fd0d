"""What this control plane sees of its cluster, for the controller: who is missing, who votes."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any, cast

from edgecloud import host as machines
from edgecloud.host import dqlite, kubectl
from edgecloud.interfaces import node_upgrade

FRESH_S = 240
"""A view that is older is replaced, though nothing changed: the controller believes none of ten
minutes, and update-status comes every five."""


def look(host: machines.Host, kubeconfig: str) -> node_upgrade.ClusterView | None:
    """Return how the cluster stands now; None if it does not answer."""
    try:
        items = cast(
            "list[dict[str, Any]]", kubectl.get_json(host, kubeconfig, "nodes").get("items") or []
        )
        members = dqlite.members(host)
        leader = dqlite.leader(host)
    except (kubectl.KubectlError, dqlite.DqliteError):
        return None
    nodes = [kubectl.parse_node(item) for item in items]
    names = {address: node.name for node in nodes for address in node.addresses}
    if len(nodes) == 1 and len(members) == 1:
        names[members[0].address] = nodes[0].name  # Alone, it listens on the loopback address.
    voters = [member.address for member in members if member.role == dqlite.VOTER]
    answering = [each for each in voters if len(members) == 1 or dqlite.answers(host, each)]
    return node_upgrade.ClusterView(
        at=int(host.now()),
        missing=missing(nodes, items),
        voters=_named(voters, names),
        answering=_named(answering, names),
        leader=names.get(leader, leader),
    )


def missing(
    nodes: Sequence[kubectl.Node], items: Sequence[Mapping[str, Any]]
) -> tuple[node_upgrade.Missing, ...]:
    """Return the nodes that Kubernetes does not call Ready, and since when. Pure."""
    found = [
        node_upgrade.Missing(
            node.name,
            heard=node.readiness is kubectl.Readiness.NOT_READY,
            since=_since(item),
        )
        for node, item in zip(nodes, items, strict=True)
        if node.readiness is not kubectl.Readiness.READY
    ]
    return tuple(sorted(found))


def to_publish(
    seen: node_upgrade.ClusterView | None, said: node_upgrade.ClusterView | None, now: float
) -> node_upgrade.ClusterView | None:
    """Return the view to publish: the former one while it is fresh and nothing else is seen. Pure.

    A view that could not be taken anew is left to grow old, so that nobody trusts it for long.
    """
    if seen is None or said is None:
        return seen or said
    same = dataclasses.replace(seen, at=said.at) == said
    return said if same and 0 <= now - said.at < FRESH_S else seen


def _named(addresses: Sequence[str], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(names.get(address, address) for address in addresses))


def _since(item: Mapping[str, Any]) -> int:
    conditions = cast("list[dict[str, Any]]", item.get("status", {}).get("conditions") or [])
    text = next((c.get("lastTransitionTime") for c in conditions if c.get("type") == "Ready"), "")
    try:
        return int(datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp())
    except ValueError:
        return 0
