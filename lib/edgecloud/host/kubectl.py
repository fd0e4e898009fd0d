"""Ask and change a cluster through kubectl, with a time limit on every call."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from edgecloud import host
from edgecloud.host import failures

KUBECTL = "/snap/microk8s/current/kubectl"
"""Never ``microk8s kubectl``: on a worker that answers with a sentence and exit code 0."""

_Object = Mapping[str, Any]

_REQUEST_S = 10
_MARGIN_S = 20


class KubectlError(failures.WorkloadError):
    """The cluster refused, or does not answer."""


class Readiness(enum.Enum):
    """Whether the cluster holds a node for ready. Unknown is neither yes nor no."""

    READY = "ready"
    NOT_READY = "not ready"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class Node:
    """A node, as the cluster sees it."""

    name: str
    readiness: Readiness
    cordoned: bool = False
    addresses: tuple[str, ...] = ()
    """Its internal addresses."""
    kubelet_version: str = ""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    taints: tuple[str, ...] = ()
    """Each as ``key=value:Effect``, or ``key:Effect`` without a value."""


def nodes(host: host.Host, kubeconfig: str) -> tuple[Node, ...]:
    """Return all nodes of the cluster, by name."""
    found = get_json(host, kubeconfig, "nodes")
    return tuple(sorted(map(parse_node, _parts(found, "items")), key=lambda node: node.name))


def get_json(host: host.Host, kubeconfig: str, *what: str, within_s: float = 0) -> dict[str, Any]:
    """Return what ``kubectl get`` finds, for instance ``get_json(…, "pods", "-A")``.

    Args:
        host: the machine to ask from.
        kubeconfig: path of the credentials.
        what: to get.
        within_s: how long this may take, for those who would rather not know than wait.
    """
    request_s, timeout_s = within_s or _REQUEST_S, within_s or _REQUEST_S + _MARGIN_S
    words = ("get", *what, "-o", "json")
    text = _run(host, kubeconfig, *words, request_s=request_s, timeout_s=timeout_s)
    try:
        found = json.loads(text)
    except ValueError as error:
        raise KubectlError(f"kubectl get {what[0]} printed no JSON: {text[:200]}") from error
    if not isinstance(found, dict):
        raise KubectlError(f"kubectl get {what[0]} printed no object: {text[:200]}")
    return cast("dict[str, Any]", found)


def cordon(host: host.Host, kubeconfig: str, node: str) -> None:
    """Have no more pods scheduled on a node."""
    _run(host, kubeconfig, "cordon", node)


def uncordon(host: host.Host, kubeconfig: str, node: str) -> None:
    """Let pods be scheduled on a node again."""
    _run(host, kubeconfig, "uncordon", node)


def drain(
    host: host.Host,
    kubeconfig: str,
    node: str,
    timeout_s: float,
    *,
    grace_s: int | None = None,
    delete_local: bool = True,
    force: bool = False,
    evict: bool = True,
) -> None:
    """Cordon a node and move its pods elsewhere; those of daemon sets stay.

    Args:
        host: the machine to ask from.
        kubeconfig: path of the credentials.
        node: the node's name.
        timeout_s: how long to wait for pods that a disruption budget protects.
        grace_s: how long a pod may take to end; what it asks for itself if None.
        delete_local: move pods although what they keep in an ``emptyDir`` is lost.
        force: delete pods that nothing would start again elsewhere, instead of refusing.
        evict: respect disruption budgets.
    """
    options = ["--ignore-daemonsets", f"--timeout={round(timeout_s)}s"]
    options += ["--delete-emptydir-data"] if delete_local else []
    options += [] if grace_s is None else [f"--grace-period={grace_s}"]
    options += ["--force"] if force else []
    options += [] if evict else ["--disable-eviction"]
    _run(host, kubeconfig, "drain", node, *options, timeout_s=timeout_s + _MARGIN_S)


def apply(host: host.Host, kubeconfig: str, manifest: str) -> bool:
    """Apply a manifest. Return whether anything changed."""
    said = _run(host, kubeconfig, "apply", "-f", "-", stdin=manifest)
    return any(not line.endswith(" unchanged") for line in said.splitlines())


def delete(host: host.Host, kubeconfig: str, *what: str) -> bool:
    """Delete an object, named as in ``"node", "pi-3"``. Return whether it was there."""
    return bool(_run(host, kubeconfig, "delete", *what, "--ignore-not-found").strip())


def label(host: host.Host, kubeconfig: str, node: str, changes: Mapping[str, str | None]) -> None:
    """Set labels of a node, and remove those whose value is None."""
    if changes:
        words = [_assignment(key, value) for key, value in changes.items()]
        _run(host, kubeconfig, "label", "node", node, "--overwrite", *words)


def taint(
    host: host.Host, kubeconfig: str, node: str, add: Sequence[str], remove: Sequence[str] = ()
) -> None:
    """Add and remove taints of a node, each written ``key=value:Effect``."""
    words = [*add, *(f"{_without_value(text)}-" for text in remove)]
    if words:
        _run(host, kubeconfig, "taint", "node", node, "--overwrite", *words)


def scale(host: host.Host, kubeconfig: str, what: str, namespace: str, replicas: int) -> None:
    """Set how many replicas there are, for instance of ``deployment/coredns``."""
    _run(host, kubeconfig, "scale", what, f"--namespace={namespace}", f"--replicas={replicas}")


def run(host: host.Host, kubeconfig: str, *arguments: str, timeout_s: float = _REQUEST_S) -> str:
    """Run any other kubectl command and return what it printed."""
    return _run(host, kubeconfig, *arguments, timeout_s=timeout_s + _MARGIN_S)


def parse_node(item: _Object) -> Node:
    """Return a node from the JSON form of its object."""
    metadata, spec, status = (_part(item, key) for key in ("metadata", "spec", "status"))
    addresses = _parts(status, "addresses")
    return Node(
        name=str(metadata.get("name", "")),
        readiness=_readiness(_parts(status, "conditions")),
        cordoned=bool(spec.get("unschedulable")),
        addresses=tuple(str(a.get("address")) for a in addresses if a.get("type") == "InternalIP"),
        kubelet_version=str(_part(status, "nodeInfo").get("kubeletVersion", "")),
        labels=_part(metadata, "labels"),
        taints=tuple(map(_taint, _parts(spec, "taints"))),
    )


def _part(item: _Object, key: str) -> dict[str, Any]:
    return cast("dict[str, Any] | None", item.get(key)) or {}


def _parts(item: _Object, key: str) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]] | None", item.get(key)) or []


def _readiness(conditions: Sequence[_Object]) -> Readiness:
    states = [entry.get("status") for entry in conditions if entry.get("type") == "Ready"]
    known = {"True": Readiness.READY, "False": Readiness.NOT_READY}
    return known.get(str(states[0]) if states else "", Readiness.UNKNOWN)


def _taint(entry: _Object) -> str:
    value = f"={entry['value']}" if entry.get("value") else ""
    return f"{entry.get('key', '')}{value}:{entry.get('effect', '')}"


def _without_value(taint: str) -> str:
    """Return ``key:Effect`` for ``key=value:Effect``: the form in which taints are removed."""
    name, _, effect = taint.rpartition(":")
    return f"{name.partition('=')[0]}:{effect}"


def _assignment(key: str, value: str | None) -> str:
    return f"{key}-" if value is None else f"{key}={value}"


def _run(
    host: host.Host,
    kubeconfig: str,
    *arguments: str,
    stdin: str | None = None,
    timeout_s: float = _REQUEST_S + _MARGIN_S,
    request_s: float = _REQUEST_S,
) -> str:
    options = (f"--kubeconfig={kubeconfig}", f"--request-timeout={request_s:g}s")
    try:
        result = host.run((KUBECTL, *options, *arguments), timeout_s=timeout_s, stdin=stdin)
    except failures.FAILURES as error:
        raise KubectlError(failures.explain(error, f"kubectl {arguments[0]}")) from error
    return result.stdout
