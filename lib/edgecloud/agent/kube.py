"""This machine's own node in Kubernetes: cordon, drain, uncordon, and the taint of quarantine.

Whose a cordon is stands beside it, in an annotation that is written in the same request. So there
is no moment at which a cordon of ours could be taken for somebody else's, or the other way round.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from edgecloud import host
from edgecloud.agent import settings as machine_settings
from edgecloud.host import kubectl

OWNER = "edgecloud/cordon-owner"
WHY = "edgecloud/quarantined-because"
TAINT = "edgecloud/quarantined"

Settings = machine_settings.Settings


@dataclass(frozen=True)
class Seen:
    """The node, as the API server has it."""

    ready: bool
    cordoned: bool
    owner: str
    tainted: bool
    version: str
    resource_version: str


def look(machine: host.Host, settings: Settings) -> Seen:
    """Return how the node stands. Raises :class:`kubectl.KubectlError`."""
    item = kubectl.get_json(machine, settings.kubeconfig, "node", settings.node)
    node = kubectl.parse_node(item)
    metadata = cast("dict[str, Any]", item.get("metadata") or {})
    notes = cast("dict[str, str]", metadata.get("annotations") or {})
    return Seen(
        ready=node.readiness is kubectl.Readiness.READY,
        cordoned=node.cordoned,
        owner=notes.get(OWNER, "") if node.cordoned else "",
        tainted=any(taint.partition("=")[0] == TAINT for taint in node.taints),
        version=node.kubelet_version,
        resource_version=str(metadata.get("resourceVersion", "")),
    )


def cordon(machine: host.Host, settings: Settings, owner: str) -> None:
    """Cordon the node in our name, unless somebody did that already."""
    seen = look(machine, settings)
    if not seen.cordoned:
        _patch(machine, settings, {OWNER: owner}, unschedulable=True, since=seen.resource_version)


def uncordon(machine: host.Host, settings: Settings, owner: str) -> None:
    """Take our cordon and our taint away; what others put there stays."""
    seen = look(machine, settings)
    if seen.tainted:
        kubectl.taint(machine, settings.kubeconfig, settings.node, (), (f"{TAINT}:NoSchedule",))
    if seen.owner == owner and seen.cordoned:
        _patch(machine, settings, {OWNER: None, WHY: None}, unschedulable=False)
    elif seen.tainted:
        _patch(machine, settings, {WHY: None})


def quarantine(machine: host.Host, settings: Settings, owner: str, reason: str) -> None:
    """Put our taint in the place of our cordon, with the reason for who looks at the node."""
    taint = f"{TAINT}={_value(owner)}:NoSchedule"
    kubectl.taint(machine, settings.kubeconfig, settings.node, (taint,))
    seen = look(machine, settings)
    notes: dict[str, str | None] = {WHY: reason[:200]}
    if seen.cordoned and seen.owner == owner:
        _patch(machine, settings, {**notes, OWNER: None}, unschedulable=False)
    else:
        _patch(machine, settings, notes)


def restart_network_pods(machine: host.Host, settings: Settings) -> None:
    """Restart this node's Calico, which on a worker would keep the former revision's mounts."""
    space = "--namespace=kube-system"
    found = kubectl.get_json(
        machine, settings.kubeconfig, "pods", space, "--selector=k8s-app=calico-node"
    )
    for pod in cast("list[dict[str, Any]]", found.get("items") or []):
        if pod.get("spec", {}).get("nodeName") == settings.node:
            kubectl.delete(machine, settings.kubeconfig, "pod", pod["metadata"]["name"], space)


def _patch(
    machine: host.Host,
    settings: Settings,
    notes: Mapping[str, str | None],
    *,
    unschedulable: bool | None = None,
    since: str = "",
) -> None:
    """Change annotations and the cordon in one request; with ``since``, only what was seen."""
    metadata: dict[str, Any] = {"annotations": dict(notes)}
    if since:
        metadata["resourceVersion"] = since
    change: dict[str, Any] = {"metadata": metadata}
    if unschedulable is not None:
        change["spec"] = {"unschedulable": unschedulable}
    words = ("patch", "node", settings.node, "--type=merge", f"--patch={json.dumps(change)}")
    kubectl.run(machine, settings.kubeconfig, *words)


def _value(text: str) -> str:
    """Return a text as the value of a taint may be."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:63].strip("-._")
