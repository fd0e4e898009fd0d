"""Node objects: kubelets register and report, and the API server notices who is silent."""

from __future__ import annotations

import math
import re
import typing

from edgelab.pi import datastore, durations, kube_api, services, state
from edgelab.pi.cluster import Cluster, KubeNode

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds

_LEGAL = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"
CORDON = "node.kubernetes.io/unschedulable"


def background(world: worlds.World) -> float:
    """Let every kubelet report, then look for nodes that did not."""
    due = math.inf
    heard: set[tuple[str, str]] = set()
    for machine in world.machines.values():
        if services.is_active(machine, "kubelite"):
            due = min(due, _report(machine, heard), kube_api.opens_at(machine))
    for cluster in world.clusters.values():
        if cluster.nodes and datastore.leader(world, cluster) is not None:
            due = min(due, _watch(world, cluster, heard))
    return due


def _report(machine: machines.Machine, heard: set[tuple[str, str]]) -> float:
    """Register and report one kubelet; return when it has something new to say."""
    node = machine.node
    assert node is not None
    now = machine.world.clock.now()
    dies = _dies_at(node)
    if dies <= now:
        node.services["kubelite"].active = False
        node.services["kubelite"].failed = True
        machine.world.touch()
        return math.inf
    cluster = kube_api.for_node(machine)
    if cluster is None:
        return dies
    known = cluster.nodes.get(node.name)
    if not node.registered:
        known = _register(machine, cluster)
    if known is None or known.machine != machine.id:
        return dies
    heard.add((cluster.id, known.name))
    known.silent_since = None
    well = now >= node.ready_at and node.sick != "sick"
    if not (cluster.wedged and known.ready == "Unknown"):
        _set_ready(cluster, known, "True" if well else "False", now)
    return min(node.ready_at, dies) if now < node.ready_at else dies


def _dies_at(node: state.Node) -> float:
    """Return when the kubelite of a bad revision crashes."""
    _, colon, seconds = node.sick.partition("crash:")
    return node.services["kubelite"].since + float(seconds) if colon else math.inf


def _register(machine: machines.Machine, cluster: Cluster) -> KubeNode | None:
    """Make or take over the Node object. Labels and taints count only when it is made."""
    node = machine.node
    assert node is not None
    if _LEGAL.fullmatch(node.name) is None:
        machine.log("snap.microk8s.daemon-kubelite", f"cannot register node {node.name!r}")
        return None
    node.registered = True
    known = cluster.nodes.get(node.name)
    if known is None:
        known = _new_node(machine, cluster)
        cluster.nodes[node.name] = known
        machine.world.touch()
    known.machine, known.address = machine.id, machine.address
    known.kubelet_version = machine.snaps["microk8s"].version
    known.capacity = _capacity(machine)
    cluster.next_version()
    return known


def _new_node(machine: machines.Machine, cluster: Cluster) -> KubeNode:
    node = machine.node
    assert node is not None
    now = machine.world.clock.now()
    known = KubeNode(
        node.name,
        machine.id,
        machine.address,
        machine.snaps["microk8s"].version,
        machine.arch,
        now,
        machine.world.random_hex("node-uid", 32),
        changed=now,
    )
    known.labels = {
        "beta.kubernetes.io/arch": machine.arch,
        "kubernetes.io/arch": machine.arch,
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
    }
    for pair in node.arguments.get("node-labels", "").split(","):
        key, _, value = pair.partition("=")
        if key:
            known.labels[key] = value
    known.taints = [
        _taint(text) for text in node.arguments.get("register-with-taints", "").split(",") if text
    ]
    return known


def _taint(text: str) -> dict[str, str]:
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    return (
        {"key": key, "value": value, "effect": effect} if value else {"key": key, "effect": effect}
    )


def _capacity(machine: machines.Machine) -> dict[str, str]:
    return {
        "cpu": str(machine.cores),
        "memory": f"{machine.mem_kb}Ki",
        "ephemeral-storage": f"{machine.disk_bytes // 1024}Ki",
        "pods": "110",
    }


def _watch(world: worlds.World, cluster: Cluster, heard: set[tuple[str, str]]) -> float:
    """Mark nodes that have been silent for 40 s as Unknown."""
    now = world.clock.now()
    due = math.inf
    for node in cluster.nodes.values():
        if (cluster.id, node.name) in heard:
            continue
        if node.silent_since is None:
            node.silent_since = now
        if node.ready == "Unknown" or cluster.wedged:
            continue
        if node.silent_since + durations.NODE_UNKNOWN_AFTER <= now:
            _set_ready(cluster, node, "Unknown", now)
        else:
            due = min(due, node.silent_since + durations.NODE_UNKNOWN_AFTER)
    return due


def _set_ready(cluster: Cluster, node: KubeNode, ready: str, now: float) -> None:
    if node.ready == ready:
        return
    node.ready, node.changed = ready, now
    cluster.next_version()
    node.taints = [item for item in node.taints if item["key"] not in (UNREACHABLE, NOT_READY)]
    if ready != "True":
        key = UNREACHABLE if ready == "Unknown" else NOT_READY
        node.taints.append({"key": key, "effect": "NoExecute"})


def set_cordon(cluster: Cluster, node: KubeNode, cordoned: bool) -> None:
    """Make a node unschedulable, or schedulable again."""
    node.cordoned = cordoned
    node.taints = [item for item in node.taints if item["key"] != CORDON]
    if cordoned:
        node.taints.append({"key": CORDON, "effect": "NoSchedule"})
    cluster.next_version()


def is_ready(node: KubeNode) -> bool:
    """Return whether the API server believes the node to be ready."""
    return node.ready == "True"
