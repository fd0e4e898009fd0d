"""Objects as the Kubernetes API shows them, and as ``kubectl get`` prints them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, cast

import yaml

from edgelab.pi import kube_seed, sealing
from edgelab.pi.cluster import KubeNode, Object

KINDS = {
    "nodes": ("Node", "v1", "node no"),
    "pods": ("Pod", "v1", "pod po"),
    "namespaces": ("Namespace", "v1", "namespace ns"),
    "secrets": ("Secret", "v1", "secret"),
    "configmaps": ("ConfigMap", "v1", "configmap cm"),
    "services": ("Service", "v1", "service svc"),
    "serviceaccounts": ("ServiceAccount", "v1", "serviceaccount sa"),
    "events": ("Event", "v1", "event ev"),
    "persistentvolumes": ("PersistentVolume", "v1", "persistentvolume pv"),
    "persistentvolumeclaims": ("PersistentVolumeClaim", "v1", "persistentvolumeclaim pvc"),
    "deployments": ("Deployment", "apps/v1", "deployment deploy deployments.apps deployment.apps"),
    "daemonsets": ("DaemonSet", "apps/v1", "daemonset ds daemonsets.apps daemonset.apps"),
    "statefulsets": ("StatefulSet", "apps/v1", "statefulset sts"),
    "poddisruptionbudgets": ("PodDisruptionBudget", "policy/v1", "poddisruptionbudget pdb"),
    "roles": ("Role", "rbac.authorization.k8s.io/v1", "role"),
    "rolebindings": ("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebinding"),
    "clusterroles": ("ClusterRole", "rbac.authorization.k8s.io/v1", "clusterrole"),
    "clusterrolebindings": (
        "ClusterRoleBinding", "rbac.authorization.k8s.io/v1", "clusterrolebinding"),
    "leases": ("Lease", "coordination.k8s.io/v1", "lease"),
    "endpointslices": ("EndpointSlice", "discovery.k8s.io/v1", "endpointslice"),
    "storageclasses": ("StorageClass", "storage.k8s.io/v1", "storageclass sc"),
    "jobs": ("Job", "batch/v1", "job"),
}  # fmt: skip
CLUSTER_WIDE = frozenset(
    {
        "nodes",
        "namespaces",
        "persistentvolumes",
        "clusterroles",
        "clusterrolebindings",
        "storageclasses",
    }
)
PLURALS = {
    alias: plural
    for plural, (kind, _, short) in KINDS.items()
    for alias in (plural, *short.split(), kind)
}
_OWN = ("startsAt", sealing.MARK)


def node(item: KubeNode, version: str) -> Object:
    """Return a Node object."""
    spec: Object = {}
    if item.cordoned:
        spec["unschedulable"] = True
    if item.taints:
        spec["taints"] = item.taints
    changed = kube_seed.timestamp(item.changed)
    why = {"True": "KubeletReady", "False": "KubeletNotReady", "Unknown": "NodeStatusUnknown"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": item.name,
            "uid": item.uid,
            "labels": item.labels,
            "annotations": item.annotations,
            "creationTimestamp": kube_seed.timestamp(item.created),
            "resourceVersion": version,
        },
        "spec": spec,
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": item.address},
                {"type": "Hostname", "address": item.name},
            ],
            "capacity": item.capacity,
            "allocatable": item.capacity,
            "conditions": [
                {
                    "type": "Ready",
                    "status": item.ready,
                    "reason": why[item.ready],
                    "lastTransitionTime": changed,
                }
            ],
            "nodeInfo": {
                "kubeletVersion": item.kubelet_version,
                "kubeProxyVersion": item.kubelet_version,
                "architecture": item.arch,
                "containerRuntimeVersion": item.runtime,
                "operatingSystem": "linux",
            },
        },
    }


def stored(plural: str, item: Object) -> Object:
    """Return another object, without what only the simulation keeps in it."""
    kind, version, _ = KINDS.get(plural, (str(item.get("kind", "")), "v1", ""))
    metadata = {key: value for key, value in item["metadata"].items() if key not in _OWN}
    return {"apiVersion": version, "kind": kind, **item, "metadata": metadata}


def show(items: list[Object], style: str, *, single: bool) -> str:
    """Return objects in the form that ``-o`` asks for."""
    whole: Any = items[0] if single else {"apiVersion": "v1", "kind": "List", "items": items}
    name, _, argument = style.partition("=")
    if name in ("json", "yaml"):
        return (
            json.dumps(whole) + "\n" if name == "json" else yaml.safe_dump(whole, sort_keys=False)
        )
    if name == "name":
        return "".join(f"{item['kind'].lower()}/{item['metadata']['name']}\n" for item in items)
    if name == "jsonpath":
        return jsonpath(whole, argument)
    if name == "custom-columns":
        return _columns(items, argument)
    return _table(items)


def jsonpath(value: Any, expression: str) -> str:
    """Return what a template of plain paths, filters and ranges selects."""
    template = expression.strip("'\"")
    loop = re.fullmatch(r"(.*?)\{range (.*?)\}(.*?)\{end\}(.*)", template, re.DOTALL)
    if loop is not None:
        items = [part for found in _select(value, loop[2]) for part in _flat(found)]
        return loop[1] + "".join(jsonpath(item, loop[3]) for item in items) + loop[4]
    return re.sub(r"\{(.*?)\}", lambda match: _piece(value, match[1]), template)


def _piece(value: Any, path: str) -> str:
    if path.startswith(('"', "'")):
        return path.strip("\"'").encode().decode("unicode_escape")
    return " ".join(
        item if isinstance(item, str) else json.dumps(item) for item in _select(value, path)
    )


def _select(value: Any, path: str) -> list[Any]:
    found: list[Any] = [value]
    steps = re.findall(
        r"\[\?\(@\.([\w.]+)==[\"'](.*?)[\"']\)\]|\[(\*|\d+)\]|((?:\\\.|[^.\[\]@$])+)", path
    )
    for key, wanted, index, name in steps:
        if key:
            found = [
                part for item in found for part in _flat(item) if str(part.get(key)) == wanted
            ]
        elif index == "*":
            found = [part for item in found for part in _flat(item)]
        elif index:
            found = [item[int(index)] for item in found if len(item) > int(index)]
        else:
            plain = name.replace("\\.", ".")
            found = [item[plain] for item in found if plain in _fields(item)]
    return found


def _flat(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _fields(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _columns(items: list[Object], argument: str) -> str:
    columns = [column.partition(":")[::2] for column in argument.split(",")]
    lines = ["   ".join(title for title, _ in columns)]
    for item in items:
        cells = [_piece(item, path) or "<none>" for _, path in columns]
        lines.append("   ".join(cells))
    return "".join(f"{line}\n" for line in lines)


def _table(items: list[Object]) -> str:
    lines = [
        "NAME   STATUS   ROLES   VERSION"
        if items and items[0]["kind"] == "Node"
        else "NAME   STATUS"
    ]
    lines += ["   ".join(_ROWS.get(item["kind"], _plain_row)(item)) for item in items]
    return "".join(f"{line}\n" for line in lines) if items else ""


def _node_row(item: Object) -> list[str]:
    shown = {"True": "Ready", "False": "NotReady", "Unknown": "NotReady"}
    status = shown[item["status"]["conditions"][0]["status"]]
    if item["spec"].get("unschedulable"):
        status += ",SchedulingDisabled"
    version = item["status"]["nodeInfo"]["kubeletVersion"]
    return [item["metadata"]["name"], status, "<none>", version]


def _plain_row(item: Object) -> list[str]:
    return [item["metadata"]["name"], str(item.get("status", {}).get("phase", ""))]


_ROWS: dict[str, Callable[[Object], list[str]]] = {"Node": _node_row}
