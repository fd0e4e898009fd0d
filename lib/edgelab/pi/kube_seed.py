"""The objects that a fresh cluster and its add-ons bring along."""

from __future__ import annotations

import datetime
import typing

from edgelab.pi.addon_catalogue import Addon
from edgelab.pi.cluster import Cluster, Object

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds

_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


def plant(machine: machines.Machine, cluster: Cluster) -> None:
    """Put into a new cluster what is in every one: namespaces, Calico, the API's service."""
    world = machine.world
    cluster.addons.update({"ha-cluster": [], "helm": [], "helm3": []})
    for name in _NAMESPACES:
        add_namespace(world, cluster, name)
    add(world, cluster, "services", {"metadata": {"name": "kubernetes", "namespace": "default"},
                                     "spec": {"clusterIP": "10.152.183.1"}})  # fmt: skip
    add(world, cluster, "daemonsets", workload("calico-node", "kube-system", data=True))
    add(
        world,
        cluster,
        "deployments",
        workload("calico-kube-controllers", "kube-system", data=True),
    )
    add(world, cluster, "poddisruptionbudgets", _budget("calico-kube-controllers"))


def plant_addon(world: worlds.World, cluster: Cluster, addon: Addon) -> None:
    """Put an add-on's workload into the cluster."""
    if not addon.workload:
        return
    add_namespace(world, cluster, addon.namespace)
    add(world, cluster, "deployments", workload(addon.workload, addon.namespace))


def uproot_addon(cluster: Cluster, addon: Addon) -> None:
    """Take an add-on's workload out of the cluster."""
    cluster.kind("deployments").pop(f"{addon.namespace}/{addon.workload}", None)
    cluster.next_version()


def add_namespace(world: worlds.World, cluster: Cluster, name: str) -> None:
    """Make sure that a namespace is there."""
    if f"/{name}" not in cluster.kind("namespaces"):
        add(world, cluster, "namespaces", {"metadata": {"name": name},
                                           "status": {"phase": "Active"}})  # fmt: skip


def add(world: worlds.World, cluster: Cluster, plural: str, item: Object) -> Object:
    """Add an object, with what the API server adds to it."""
    metadata = item["metadata"]
    metadata.setdefault("uid", world.random_hex("uid", 32))
    metadata.setdefault("creationTimestamp", timestamp(world.clock.now()))
    metadata["resourceVersion"] = cluster.next_version()
    cluster.kind(plural)[key(metadata.get("namespace", ""), metadata["name"])] = item
    world.touch()
    return item


def key(namespace: str, name: str) -> str:
    """Return what objects of a kind are found by."""
    return f"{namespace}/{name}"


def timestamp(moment: float) -> str:
    """Return a moment as Kubernetes writes it."""
    when = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def workload(name: str, namespace: str, *, data: bool = False) -> Object:
    """Return a Deployment or DaemonSet of one small container."""
    labels = {"k8s-app": name}
    spec: Object = {"containers": [{"name": name, "image": f"registry.example/{name}:1"}]}
    if data:
        path = "/var/snap/microk8s/current/var/run/calico"
        spec["volumes"] = [{"name": "run", "hostPath": {"path": path}}]
        spec["tolerations"] = [{"operator": "Exists"}] if name == "calico-node" else []
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": dict(labels)}, "spec": spec},
        },
    }


def _budget(name: str) -> Object:
    return {
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"k8s-app": name}}},
    }
