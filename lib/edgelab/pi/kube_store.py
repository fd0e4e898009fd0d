"""``kubectl apply`` and ``create``: manifests, and what the API server makes of them."""

from __future__ import annotations

import base64

import yaml

from edgelab.pi import files, kube_access, kube_render, kube_request, kube_seed, sealing
from edgelab.pi.cluster import Object
from edgelab.pi.kube_request import Request


def apply(request: Request) -> int:
    """Create objects, or bring them to what the manifests say."""
    for item in manifests(request):
        _store(request, item, replace=True)
    return 0


def create(request: Request) -> int:
    """Create objects, from manifests or from words."""
    words, process = request.words, request.process
    if words[:1] == ["token"]:
        return kube_access.token(request)
    if not words or "filename" in request.options:
        for item in manifests(request):
            _store(request, item, replace=False)
        return 0
    plural = kube_render.PLURALS.get(words[0], "")
    if not plural:
        process.fail(f'error: unknown command "{words[0]}"')
    kind, version, _ = kube_render.KINDS[plural]
    item: Object = {"apiVersion": version, "kind": kind, "metadata": {"name": words[-1]}}
    if plural.endswith("rolebindings"):
        item.update(_binding(request))
    if plural == "secrets":
        item["data"] = {}
    _store(request, item, replace=False)
    return 0


def _binding(request: Request) -> Object:
    options = request.options
    role = options.get("clusterrole", options.get("role", ""))
    kind = "ClusterRole" if "clusterrole" in options else "Role"
    space, _, name = options.get("serviceaccount", "").partition(":")
    subject = {"kind": "ServiceAccount", "name": name, "namespace": space}
    return {"roleRef": {"kind": kind, "name": role}, "subjects": [subject]}


def _store(request: Request, item: Object, *, replace: bool) -> None:
    process, cluster = request.process, request.cluster
    kind = item.get("kind", "")
    plural = kube_render.PLURALS.get(kind, f"{kind.lower()}s")
    name = item["metadata"]["name"]
    space = item["metadata"].get("namespace", request.options.get("namespace", "default"))
    if plural in kube_render.CLUSTER_WIDE:
        item["metadata"].pop("namespace", None)
    else:
        item["metadata"]["namespace"] = space
        if kube_seed.key("", space) not in cluster.kind("namespaces"):
            process.fail(f'Error from server (NotFound): namespaces "{space}" not found')
    key = kube_request.key_of(request, plural, name, item)
    known = cluster.kind(plural).get(key)
    if known is not None and not replace:
        process.fail(f'Error from server (AlreadyExists): {plural} "{name}" already exists')
    _fold_string_data(item)
    if plural == "secrets":
        sealing.seal(process.machine, item)
    if "dry-run" in request.options:
        process.put(kube_render.show([item], request.options.get("output", ""), single=True))
        return
    label = f"{kind.lower()}/{name}"
    if known is None:
        kube_seed.add(process.world, cluster, plural, item)
        process.say(f"{label} created")
        return
    same = all(known.get(part) == value for part, value in item.items() if part != "metadata")
    for part in ("uid", "creationTimestamp"):
        item["metadata"].setdefault(part, known["metadata"].get(part))
    kube_seed.add(process.world, cluster, plural, {**known, **item})
    process.say(f"{label} {'unchanged' if same else 'configured'}")


def _fold_string_data(item: Object) -> None:
    for key, text in item.pop("stringData", {}).items():
        item.setdefault("data", {})[key] = base64.b64encode(str(text).encode()).decode()


def manifests(request: Request) -> list[Object]:
    """Return the objects of ``-f``."""
    name, process = request.options.get("filename", ""), request.process
    text = process.stdin or "" if name == "-" else files.read(process.machine, name)
    if not text:
        process.fail(f'error: the path "{name}" does not exist')
    found: list[Object] = []
    for item in yaml.safe_load_all(text):
        if item:
            found += item["items"] if item.get("kind") == "List" else [item]
    return found
