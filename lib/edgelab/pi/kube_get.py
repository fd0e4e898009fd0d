"""``kubectl get``: namespaces, selectors, and objects that only exist while one looks."""

from __future__ import annotations

from edgelab.pi import (
    durations,
    kube_api,
    kube_drain,
    kube_render,
    kube_request,
    kube_seed,
    sealing,
)
from edgelab.pi.cluster import KubeNode, Object
from edgelab.pi.kube_request import Request


def get(request: Request) -> int:
    """Print objects."""
    if "raw" in request.options:
        return _raw(request)
    items: list[Object] = []
    for word in (request.words[0] if request.words else "").split(","):
        items += find(request, kube_render.PLURALS.get(word.partition("/")[0], word))
    names = request.names()
    if names:
        items = [item for item in items if item["metadata"]["name"] in names]
        missing = [
            name for name in names if name not in {item["metadata"]["name"] for item in items}
        ]
        if missing and "ignore-not-found" not in request.options:
            kube_request.not_found(request, request.plural, missing[0])
        if missing and not items:
            return 0
    style = request.options.get("output", "")
    if not items and style not in ("json", "yaml") and not style.startswith("jsonpath"):
        request.process.complain("No resources found")
        return 0
    request.process.put(kube_render.show(items, style, single=len(names) == 1))
    return 0


def _raw(request: Request) -> int:
    path = request.options["raw"]
    if path.split("?")[0] in ("/readyz", "/livez", "/healthz"):
        request.process.put("ok")
        return 0
    request.process.fail(
        "Error from server (NotFound): the server could not find the requested resource"
    )


def find(request: Request, plural: str) -> list[Object]:
    """Return the objects of a kind that namespace and selectors leave."""
    version = str(request.cluster.version)
    if plural == "nodes":
        found = [kube_render.node(item, version) for item in request.cluster.nodes.values()]
    elif plural == "endpointslices":
        found = [_endpoints(request)]
    elif plural == "leases":
        leases = [_lease(request, item) for item in request.cluster.nodes.values()]
        found = [item for item in leases if _in_space(request, plural, item)]
    elif plural in kube_render.KINDS or plural in request.cluster.objects:
        items = request.cluster.kind(plural).values()
        if plural == "secrets" and any(
            sealing.unreadable(request.process.machine, item) for item in items
        ):
            request.process.fail(
                "Error from server (InternalError): Internal error occurred: no matching prefix"
                " found"
            )
        there = [item for item in items if _in_space(request, plural, item)]
        found = [kube_render.stored(plural, item) for item in there]
        if plural == "poddisruptionbudgets":
            for shown, item in zip(found, there, strict=True):
                shown["status"] = kube_drain.budget_status(request.cluster, item)
    else:
        request.process.fail(f'error: the server doesn\'t have a resource type "{plural}"')
    return [item for item in found if _selected(item, request.options)]


def _in_space(request: Request, plural: str, item: Object) -> bool:
    if plural in kube_render.CLUSTER_WIDE or not request.namespace:
        return True
    return item["metadata"].get("namespace", "default") == request.namespace


def _selected(item: Object, options: dict[str, str]) -> bool:
    labels = item["metadata"].get("labels", {})
    for part in filter(None, options.get("selector", "").split(",")):
        key, equals, value = part.replace("==", "=").partition("=")
        if key.endswith("!"):
            if labels.get(key[:-1]) == value:
                return False
        elif (equals and labels.get(key) != value) or (not equals and key not in labels):
            return False
    for part in filter(None, options.get("field-selector", "").split(",")):
        path, _, value = part.replace("==", "=").partition("=")
        shown = kube_render.jsonpath(item, "{." + path.rstrip("!") + "}")
        if (shown == value) == path.endswith("!"):
            return False
    return True


def _endpoints(request: Request) -> Object:
    servers = kube_api.servers(request.process.world, request.cluster)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {}},
        "endpoints": [{"addresses": [server]} for server in servers],
    }


def _lease(request: Request, node: KubeNode) -> Object:
    """Return a node's lease, which its kubelet renews every ten seconds by its own clock."""
    world = request.process.world
    last = world.clock.now() if node.silent_since is None else node.silent_since
    holder = world.machines.get(node.machine)
    last += (0 if holder is None else holder.clock_offset) - last % durations.LEASE_RENEWED_EVERY
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": node.name, "namespace": "kube-node-lease", "labels": {}},
        "spec": {
            "holderIdentity": node.name,
            "renewTime": kube_seed.timestamp(last)[:-1] + ".000000Z",
        },
    }
