"""``kubectl drain``: cordon, then evict pod by pod, as far as disruption budgets let it."""

from __future__ import annotations

import math

from edgelab.pi import kube_nodes, kube_pods, timers
from edgelab.pi.cluster import Cluster, KubeNode, Object
from edgelab.pi.process import Process


def drain(process: Process, cluster: Cluster, node: KubeNode, options: dict[str, str]) -> int:
    """Empty a node of the pods that may go."""
    if not node.cordoned:
        kube_nodes.set_cordon(cluster, node, True)
        process.say(f"node/{node.name} cordoned")
    else:
        process.say(f"node/{node.name} already cordoned")
    problems = _problems(cluster, node, options)
    if problems:
        process.complain(f'error: unable to drain node "{node.name}" due to error: {problems}')
        process.complain(f"There are pending nodes to be drained:\n {node.name}\n{problems}")
        return 1
    keeps_budgets = "disable-eviction" not in options
    return _evict_all(process, cluster, node, _timeout(options), keeps_budgets=keeps_budgets)


def budget_status(cluster: Cluster, budget: Object) -> Object:
    """Return what the controller of disruption budgets writes into one."""
    allowed = allowed_disruptions(cluster, budget)
    return {"disruptionsAllowed": allowed, "expectedPods": len(_protected(cluster, budget))}


def _protected(cluster: Cluster, budget: Object) -> list[Object]:
    wanted = budget["spec"].get("selector", {}).get("matchLabels", {})
    space = budget["metadata"].get("namespace", "default")
    return [
        pod
        for pod in cluster.kind("pods").values()
        if _covers(wanted, pod) and pod["metadata"].get("namespace") == space
    ]


def allowed_disruptions(cluster: Cluster, budget: Object) -> int:
    """Return how many pods of a disruption budget may be evicted now."""
    spec, pods = budget["spec"], _protected(cluster, budget)
    healthy = sum(
        kube_pods.is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods
    )
    if "minAvailable" in spec:
        return max(0, healthy - _count(spec["minAvailable"], len(pods)))
    return max(0, healthy - (len(pods) - _count(spec.get("maxUnavailable", 1), len(pods))))


def _evict_all(
    process: Process, cluster: Cluster, node: KubeNode, timeout: float, *, keeps_budgets: bool
) -> int:
    began = process.seconds
    while True:
        pods = [(key, pod) for key, pod in kube_pods.pods_on(cluster, node.name) if _goes(pod)]
        if not pods:
            process.say(f"node/{node.name} drained")
            return 0
        moved = [
            _evict(process, cluster, key, pod, keeps_budgets=keeps_budgets) for key, pod in pods
        ]
        if any(moved):
            continue
        left = timeout - (process.seconds - began)
        if left <= 5:
            process.spend(max(left, 0.0))
            names = ", ".join(pod["metadata"]["name"] for _, pod in pods)
            process.complain(
                f"error when evicting pods/{names}: global timeout reached: {timeout:g}s"
            )
            process.complain(f"There are pending nodes to be drained:\n {node.name}")
            return 1
        process.take("evict-retry")


def _evict(
    process: Process, cluster: Cluster, key: str, pod: Object, *, keeps_budgets: bool
) -> bool:
    """Evict one pod unless a budget forbids it, or delete it. Return whether it went."""
    space, name = pod["metadata"].get("namespace", "default"), pod["metadata"]["name"]
    budgets = cluster.kind("poddisruptionbudgets").values() if keeps_budgets else ()
    for budget in budgets:
        selector = budget["spec"].get("selector", {}).get("matchLabels", {})
        same = budget["metadata"].get("namespace", "default") == space
        if not same or not _covers(selector, pod) or not kube_pods.is_ready(pod):
            continue
        if allowed_disruptions(cluster, budget) < 1:
            process.complain(
                f'error when evicting pods/"{name}" -n "{space}" (will retry after 5s): Cannot'
                " evict pod as it would violate the pod's disruption budget."
            )
            return False
    process.say(f"evicting pod {space}/{name}")
    kube_pods.delete(cluster, key)
    process.world.touch()
    process.take("evict")
    process.say(f"pod/{name} evicted")
    return True


def _goes(pod: Object) -> bool:
    return kube_pods.owner_kind(pod) != "DaemonSet" and "deletionTimestamp" not in pod["metadata"]


def _problems(cluster: Cluster, node: KubeNode, options: dict[str, str]) -> str:
    found: list[str] = []
    for _, pod in kube_pods.pods_on(cluster, node.name):
        objection = _objection(pod, options)
        if objection:
            found.append(f"{objection}: {pod['metadata']['namespace']}/{pod['metadata']['name']}")
    return "; ".join(found)


def _objection(pod: Object, options: dict[str, str]) -> str:
    """Return why kubectl would not touch a pod without being told to."""
    owner = kube_pods.owner_kind(pod)
    if owner == "DaemonSet":
        told = "ignore-daemonsets" in options
        why = "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"
        return "" if told else why
    if not owner and "force" not in options:
        return "cannot delete Pods that declare no controller (use --force to override)"
    local = any("emptyDir" in item for item in pod["spec"].get("volumes", []))
    if local and "delete-emptydir-data" not in options:
        return "cannot delete Pods with local storage (use --delete-emptydir-data to override)"
    return ""


def _timeout(options: dict[str, str]) -> float:
    seconds = timers.span(options.get("timeout", "0") or "0")
    return seconds or math.inf


def _covers(wanted: dict[str, str], pod: Object) -> bool:
    return wanted.items() <= pod["metadata"].get("labels", {}).items()


def _count(value: int | str, total: int) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return math.ceil(total * int(value[:-1]) / 100)
    return int(value)
