"""Pods: controllers make them, the scheduler places them, dead nodes lose them."""

from __future__ import annotations

import math
import typing
from collections.abc import Iterator
from typing import Any, cast

from edgelab.pi import datastore, durations, kube_nodes, kube_seed, paths
from edgelab.pi.cluster import Cluster, KubeNode, Object

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds

_UNREACHABLE_S = 300
_STALE_AFTER = durations.DAY
_OWNERS = {"deployments": "ReplicaSet", "daemonsets": "DaemonSet", "statefulsets": "StatefulSet"}


def background(world: worlds.World) -> float:
    """Do what controllers and kubelets do about pods, in clusters that have a quorum."""
    due = math.inf
    for cluster in world.clusters.values():
        if not cluster.nodes or datastore.leader(world, cluster) is None:
            continue
        pods = cluster.kind("pods")
        _collect_orphans(cluster)
        for kind in _OWNERS:
            for owner in list(cluster.kind(kind).values()):
                _reconcile(world, cluster, kind, owner)
        for key, pod in list(pods.items()):
            due = min(due, _look_after(world, cluster, key, pod))
    return due


def pods_on(cluster: Cluster, node: str) -> Iterator[tuple[str, Object]]:
    """Yield the pods of a node."""
    for key, pod in list(cluster.kind("pods").items()):
        if pod["spec"].get("nodeName") == node:
            yield key, pod


def is_ready(pod: Object) -> bool:
    """Return whether a pod runs and is ready."""
    return any(
        item["type"] == "Ready" and item["status"] == "True"
        for item in pod["status"].get("conditions", [])
    )


def owner_kind(pod: Object) -> str:
    """Return the kind of a pod's controller; empty if it has none."""
    references = pod["metadata"].get("ownerReferences", [])
    return references[0]["kind"] if references else ""


def delete(cluster: Cluster, key: str) -> None:
    """Delete a pod."""
    cluster.kind("pods").pop(key, None)
    cluster.next_version()


def restart_calico(machine: machines.Machine) -> None:
    """Delete this node's pods that mount the snap's data; their controllers make new ones."""
    cluster = datastore.cluster_of(machine)
    if cluster is None or machine.node is None:
        return
    for key, pod in pods_on(cluster, machine.node.name):
        if any("hostPath" in item for item in pod["spec"].get("volumes", [])):
            delete(cluster, key)


def _collect_orphans(cluster: Cluster) -> None:
    """Delete pods whose controller is gone."""
    living = {
        owner["metadata"]["uid"] for kind in _OWNERS for owner in cluster.kind(kind).values()
    }
    for key, pod in list(cluster.kind("pods").items()):
        if _owner(pod) and _owner(pod) not in living:
            delete(cluster, key)


def _reconcile(world: worlds.World, cluster: Cluster, kind: str, owner: Object) -> None:
    name, space = owner["metadata"]["name"], owner["metadata"].get("namespace", "default")
    uid = owner["metadata"]["uid"]
    mine = {key: pod for key, pod in cluster.kind("pods").items() if _owner(pod) == uid}
    living = {key: pod for key, pod in mine.items() if "deletionTimestamp" not in pod["metadata"]}
    if kind == "daemonsets":
        present = {pod["spec"]["nodeName"] for pod in living.values()}
        for node in cluster.nodes:
            if node not in present:
                _make(world, cluster, kind, owner, name, space, node)
        return
    wanted = int(owner["spec"].get("replicas", 1))
    for _ in range(wanted - len(living)):
        _make(world, cluster, kind, owner, name, space, None)
    for key in list(living)[: max(0, len(living) - wanted)]:
        delete(cluster, key)


def _make(
    world: worlds.World,
    cluster: Cluster,
    kind: str,
    owner: Object,
    name: str,
    space: str,
    node: str | None,
) -> None:
    template = owner["spec"]["template"]
    spec: dict[str, Any] = dict(template.get("spec", {}))
    if kind != "daemonsets":
        spec["tolerations"] = [*spec.get("tolerations", []), *_patience(world, cluster)]
    if node is not None:
        spec["nodeName"] = node
    own = {
        "kind": _OWNERS[kind],
        "name": name,
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    metadata: dict[str, Any] = {
        "name": f"{name}-{world.random_hex('pod', 5)}",
        "namespace": space,
        "labels": dict(template.get("metadata", {}).get("labels", {})),
        "ownerReferences": [own],
    }
    status = {"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}]}
    kube_seed.add(world, cluster, "pods", {"metadata": metadata, "spec": spec, "status": status})


def _look_after(world: worlds.World, cluster: Cluster, key: str, pod: Object) -> float:
    """Take one pod a step further; return when the next step comes."""
    node = cluster.nodes.get(pod["spec"].get("nodeName", ""))
    if "nodeName" in pod["spec"] and node is None:
        delete(cluster, key)
        world.touch()
        return math.inf
    if node is None:
        node = _place(world, cluster, pod)
        if node is None:
            return math.inf
    if node.ready == "Unknown":
        return _give_up(world, cluster, key, pod, node)
    if "deletionTimestamp" in pod["metadata"]:
        delete(cluster, key)
        world.touch()
        return math.inf
    return _run(world, cluster, pod, node)


def _place(world: worlds.World, cluster: Cluster, pod: Object) -> KubeNode | None:
    """Schedule a pod to the ready node with the fewest pods."""
    load = dict.fromkeys(cluster.nodes, 0)
    for other in cluster.kind("pods").values():
        if other["spec"].get("nodeName") in load:
            load[other["spec"]["nodeName"]] += 1
    wanted = cast("dict[str, str]", pod["spec"].get("nodeSelector", {}))
    free = [
        node
        for node in cluster.nodes.values()
        if kube_nodes.is_ready(node)
        and not node.cordoned
        and _tolerates(pod, node)
        and wanted.items() <= node.labels.items()
    ]
    if not free:
        return None
    best = min(free, key=lambda node: (load[node.name], node.name))
    pod["spec"]["nodeName"] = best.name
    cluster.next_version()
    return best


def _tolerates(pod: Object, node: KubeNode) -> bool:
    held = cast("list[dict[str, str]]", pod["spec"].get("tolerations", []))
    hard = [item for item in node.taints if item["effect"] in ("NoSchedule", "NoExecute")]
    return all(any(_covers(toleration, taint) for toleration in held) for taint in hard)


def _covers(toleration: dict[str, str], taint: dict[str, str]) -> bool:
    if "key" not in toleration:
        return toleration.get("operator") == "Exists"
    if toleration["key"] != taint["key"]:
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get(
        "value", ""
    )


def _give_up(
    world: worlds.World, cluster: Cluster, key: str, pod: Object, node: KubeNode
) -> float:
    """Evict a pod from a silent node once its toleration is over; daemons stay."""
    if owner_kind(pod) == "DaemonSet" or "deletionTimestamp" in pod["metadata"]:
        return math.inf
    due = node.changed + _tolerated_s(pod)
    if due > world.clock.now():
        return due
    pod["metadata"]["deletionTimestamp"] = kube_seed.timestamp(world.clock.now())
    cluster.next_version()
    world.touch()
    return math.inf


def _tolerated_s(pod: Object) -> float:
    for toleration in pod["spec"].get("tolerations", []):
        if toleration.get("key") == kube_nodes.UNREACHABLE:
            return float(toleration.get("tolerationSeconds", math.inf))
    return math.inf


def _patience(world: worlds.World, cluster: Cluster) -> list[dict[str, Any]]:
    """Return the tolerations that the API server adds to a pod that it admits now."""
    found: list[dict[str, Any]] = []
    flags = _api_flags(world, cluster)
    for key in (kube_nodes.NOT_READY, kube_nodes.UNREACHABLE):
        flag = f"default-{key.rpartition('/')[2]}-toleration-seconds"
        seconds = int(flags.get(flag, _UNREACHABLE_S))
        found.append(
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
        )
    return found


def _api_flags(world: worlds.World, cluster: Cluster) -> dict[str, str]:
    for machine in world.machines.values():
        if datastore.cluster_of(machine) is cluster and not paths.is_worker(machine):
            return paths.read_args(machine, "kube-apiserver")
    return {}


def _run(world: worlds.World, cluster: Cluster, pod: Object, node: KubeNode) -> float:
    """Start a pod a moment after it was placed; notice old mounts."""
    now = world.clock.now()
    metadata = pod["metadata"]
    if "startsAt" not in metadata:
        metadata["startsAt"] = now + durations.POD_START
    if metadata["startsAt"] > now:
        return metadata["startsAt"] if kube_nodes.is_ready(node) else math.inf
    if pod["status"]["phase"] == "Pending" and kube_nodes.is_ready(node):
        pod["status"] = {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "startTime": kube_seed.timestamp(now),
        }
        cluster.next_version()
    return _go_stale(world, cluster, pod, node)


def _go_stale(world: worlds.World, cluster: Cluster, pod: Object, node: KubeNode) -> float:
    """Let a worker's pods fail a day after a refresh, if they still mount the old data."""
    machine = world.machines.get(node.machine)
    if machine is None or machine.node is None or not machine.node.refreshed_at:
        return math.inf
    refreshed = machine.node.refreshed_at
    mounts = any("hostPath" in item for item in pod["spec"].get("volumes", []))
    if not mounts or not paths.is_worker(machine) or pod["metadata"]["startsAt"] > refreshed:
        return math.inf
    if refreshed + _STALE_AFTER > world.clock.now():
        return refreshed + _STALE_AFTER
    if is_ready(pod):
        why = "error getting ClusterInformation: connection is unauthorized"
        pod["status"]["conditions"] = [{"type": "Ready", "status": "False", "message": why}]
        cluster.next_version()
    return math.inf


def _owner(pod: Object) -> str:
    references = pod["metadata"].get("ownerReferences", [])
    return references[0]["uid"] if references else ""
