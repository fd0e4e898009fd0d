"""Nodes that were let go and came up once more before they were deleted: take them out again.

A kubelet registers its node whenever it starts. So one whose machine lost power between its
removal from the cluster and its deletion is back for a moment, and what it leaves is never Ready.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

import membership
import microk8s
from cluster_view import ClusterView
from edgecloud import host as machines
from edgecloud.host import files
from edgecloud.interfaces import cluster_join

logger = logging.getLogger(__name__)

LET_GO = f"{microk8s.STATE}/let-go.json"
PATIENCE_S = 1800
"""How long one is looked for once its unit is silent about it, which is as it deletes it.

Kubernetes takes a minute to miss a node, and a hook may be a quarter of an hour away."""


def note(host: machines.Host, member: cluster_join.Member) -> None:
    """Remember a node that was let go; its unit deletes it next."""
    known = files.read_state(host, LET_GO)
    files.write_state(host, LET_GO, {**known, member.unit: {"node": member.node}})


def take_out(
    host: machines.Host,
    view: ClusterView,
    record: cluster_join.ClusterRecord,
    present: Collection[str],
    now: float,
) -> tuple[str, ...]:
    """Take out what came back of nodes that were let go. Return their names.

    Never one that is Ready, that its unit still speaks of, or that joined anew.

    Raises:
        microk8s.MicroK8sError: MicroK8s refused; the next hook tries again.
    """
    known = files.read_state(host, LET_GO)
    leaving = {member.unit for member in membership.leaving(record)}
    joined = {member.unit for member in record.members} - leaving
    kept, found = dict[str, Any](), list[str]()
    for unit, one in known.items():
        if unit in joined:
            continue
        if unit in present or unit in leaving:
            kept[unit] = {"node": one["node"]}
            continue
        since = one.get("since", now)
        if now < since + PATIENCE_S:
            kept[unit] = {"node": one["node"], "since": since}
            found.append(one["node"])
    if known:
        files.write_state(host, LET_GO, kept)
    strays = [name for name in found if view.node(name) and not view.is_ready(name)]
    for name in strays:
        logger.info("%s came up again after it was let go: taking it out", name)
        microk8s.remove_node(host, name=name, address="")
    return tuple(strays)


def forget(host: machines.Host) -> None:
    """Forget all of them: somebody else looks after the cluster now."""
    host.remove(LET_GO)
