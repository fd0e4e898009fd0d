"""One request to the Kubernetes API: what it names, and what it finds."""

from __future__ import annotations

import dataclasses
import typing

from edgelab.pi import kube_render, kube_seed
from edgelab.pi.cluster import Cluster, KubeNode, Object
from edgelab.pi.process import Process


@dataclasses.dataclass
class Request:
    """One command to the API."""

    process: Process
    cluster: Cluster
    verb: str
    words: list[str]
    options: dict[str, str]

    @property
    def plural(self) -> str:
        """The kind that it is about; empty if it names none."""
        first = self.words[0].partition("/")[0] if self.words else ""
        if self.verb in ("cordon", "uncordon", "drain"):
            return "nodes"
        if self.verb == "create" and self.words[:1] == ["token"]:
            return "serviceaccounts"
        return kube_render.PLURALS.get(first, first)

    @property
    def namespace(self) -> str:
        """The namespace it is about; empty for all."""
        if "all-namespaces" in self.options:
            return ""
        return self.options.get("namespace", "default")

    def names(self) -> list[str]:
        """Return the objects that it names, ``kind/name`` included."""
        found = [word.partition("/")[2] for word in self.words if "/" in word]
        return found or self.words[1:]


def named(request: Request) -> list[str]:
    """Return the names among the words, without what shall be done to them."""
    words = [word for word in request.words if "/" in word and "=" not in word and ":" not in word]
    if words:
        return [word.partition("/")[2] for word in words]
    rest = request.words[1:]
    return [w for w in rest if "=" not in w and ":" not in w and not w.endswith("-")]


def node_named(request: Request, name: str) -> KubeNode:
    """Return a node, or end with kubectl's words for its absence."""
    found = request.cluster.nodes.get(name)
    if found is None:
        not_found(request, "nodes", name)
    return found


def key_of(request: Request, plural: str, name: str, item: Object | None = None) -> str:
    """Return what an object is found by."""
    if plural in kube_render.CLUSTER_WIDE:
        return kube_seed.key("", name)
    given = (item or {}).get("metadata", {}).get("namespace")
    return kube_seed.key(given or request.options.get("namespace", "default"), name)


def not_found(request: Request, plural: str, name: str) -> typing.NoReturn:
    """End as kubectl does when there is no such object."""
    request.process.fail(f'Error from server (NotFound): {plural} "{name}" not found')
