"""The verbs of ``kubectl``, each on the objects of one cluster."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import yaml

from edgelab.pi import (
    kube_access,
    kube_drain,
    kube_get,
    kube_nodes,
    kube_render,
    kube_request,
    kube_seed,
    kube_store,
    sealing,
)
from edgelab.pi.cluster import KubeNode, Object
from edgelab.pi.kube_request import Request


def _cordon(request: Request) -> int:
    return _set_cordon(request, True)


def _uncordon(request: Request) -> int:
    return _set_cordon(request, False)


def _set_cordon(request: Request, cordoned: bool) -> int:
    word = "cordoned" if cordoned else "uncordoned"
    for name in request.words:
        node = kube_request.node_named(request, name)
        already = "already " if node.cordoned == cordoned else ""
        kube_nodes.set_cordon(request.cluster, node, cordoned)
        request.process.say(f"node/{name} {already}{word}")
    return 0


def _drain(request: Request) -> int:
    node = kube_request.node_named(request, request.words[0])
    return kube_drain.drain(request.process, request.cluster, node, request.options)


def _delete(request: Request) -> int:
    process, cluster, plural = request.process, request.cluster, request.plural
    if "filename" in request.options:
        for item in kube_store.manifests(request):
            kind = kube_render.PLURALS[item["kind"]]
            cluster.kind(kind).pop(
                kube_request.key_of(request, kind, item["metadata"]["name"], item), None
            )
        cluster.next_version()
        return 0
    names = request.names()
    if not names and ("selector" in request.options or "all" in request.options):
        names = [item["metadata"]["name"] for item in kube_get.find(request, plural)]
    for name in names:
        items: dict[str, Any] = cluster.nodes if plural == "nodes" else cluster.kind(plural)
        key = name if plural == "nodes" else kube_request.key_of(request, plural, name)
        if items.pop(key, None) is None:
            if "ignore-not-found" in request.options:
                continue
            kube_request.not_found(request, plural, name)
        singular = kube_render.KINDS[plural][0].lower()
        process.say(f'{singular} "{name}" deleted')
    cluster.next_version()
    process.world.touch()
    return 0


def _label(request: Request) -> int:
    return _mark(request, "labels")


def _annotate(request: Request) -> int:
    return _mark(request, "annotations")


def _mark(request: Request, field: str) -> int:
    plural, names, pairs = _target(request)
    spaces = {name: request.options.get("namespace", "default") for name in names}
    found = [(spaces[name], name) for name in names]
    if not names and "all" in request.options:
        items = [item["metadata"] for item in kube_get.find(request, plural)]
        found = [(item.get("namespace", ""), item["name"]) for item in items]
    for space, name in found:
        _mark_one(request, _marked(request, plural, space, name), field, pairs)
        request.process.say(f"{plural.rstrip('s')}/{name} {field[:-1]}ed")
    request.cluster.next_version()
    request.process.world.touch()
    return 0


def _marked(request: Request, plural: str, space: str, name: str) -> KubeNode | Object:
    """Return what is to be marked. To write a secret is to seal it anew."""
    if plural == "nodes":
        return kube_request.node_named(request, name)
    key = kube_seed.key("" if plural in kube_render.CLUSTER_WIDE else space, name)
    item = request.cluster.kind(plural).get(key)
    if item is None:
        kube_request.not_found(request, plural, name)
    if plural == "secrets":
        sealing.seal(request.process.machine, item)
    return item


def _mark_one(request: Request, item: KubeNode | Object, field: str, pairs: list[str]) -> None:
    held: dict[str, str] = (
        getattr(item, field)
        if isinstance(item, KubeNode)
        else item["metadata"].setdefault(field, {})
    )
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            held.pop(key.rstrip("-"), None)
        elif held.get(key, value) != value and "overwrite" not in request.options:
            request.process.fail(
                f"error: '{key}' already has a value ({held[key]}), and --overwrite is false"
            )
        else:
            held[key] = value


def _taint(request: Request) -> int:
    _, names, pairs = _target(request)
    for name in names:
        node = kube_request.node_named(request, name)
        for pair in pairs:
            _taint_one(request, node, pair)
        request.process.say(f"node/{name} modified")
    request.cluster.next_version()
    request.process.world.touch()
    return 0


def _taint_one(request: Request, node: KubeNode, text: str) -> None:
    pair, _, effect = text.rstrip("-").partition(":")
    key, _, value = pair.partition("=")
    matching = [
        item for item in node.taints if item["key"] == key and effect in ("", item["effect"])
    ]
    if text.endswith("-"):
        if not matching:
            request.process.fail(f'error: taint "{text.rstrip("-")}" not found')
        node.taints = [item for item in node.taints if item not in matching]
        return
    if matching and "overwrite" not in request.options:
        request.process.fail(
            f"error: node {node.name} already has {key} taint(s) with same effect(s)"
        )
    node.taints = [item for item in node.taints if item not in matching]
    node.taints.append(
        {"key": key, "value": value, "effect": effect} if value else {"key": key, "effect": effect}
    )


def _patch(request: Request) -> int:
    plural, names, _ = _target(request)
    change = yaml.safe_load(request.options.get("patch") or request.process.stdin or "{}")
    for name in names:
        if plural == "nodes":
            _patch_node(request, kube_request.node_named(request, name), change)
        else:
            item = request.cluster.kind(plural).get(kube_request.key_of(request, plural, name))
            if item is None:
                kube_request.not_found(request, plural, name)
            _merge(item, change)
        request.process.say(f"{plural.rstrip('s')}/{name} patched")
    request.cluster.next_version()
    request.process.world.touch()
    return 0


def _patch_node(request: Request, node: KubeNode, change: Object) -> None:
    spec, metadata = change.get("spec", {}), change.get("metadata", {})
    if "unschedulable" in spec:
        kube_nodes.set_cordon(request.cluster, node, bool(spec["unschedulable"]))
    if "taints" in spec:
        node.taints = list(spec["taints"] or [])
    for field in ("labels", "annotations"):
        held: dict[str, str] = getattr(node, field)
        _merge(held, metadata.get(field, {}))


def _merge(item: dict[str, Any], change: dict[str, Any]) -> None:
    """Apply a merge patch: null deletes."""
    for key, value in change.items():
        if value is None:
            item.pop(key, None)
        elif isinstance(value, dict) and isinstance(item.get(key), dict):
            _merge(item[key], cast("dict[str, Any]", value))
        else:
            item[key] = value


def _version(request: Request) -> int:
    version = request.process.machine.snaps["microk8s"].version
    if request.options.get("output") == "json":
        request.process.say(json.dumps({"clientVersion": {"gitVersion": version},
                                        "serverVersion": {"gitVersion": version}}))  # fmt: skip
    else:
        request.process.say(f"Client Version: {version}\nServer Version: {version}")
    return 0


def _scale(request: Request) -> int:
    plural, names, _ = _target(request)
    for name in names:
        item = request.cluster.kind(plural).get(kube_request.key_of(request, plural, name))
        if item is None:
            kube_request.not_found(request, plural, name)
        item["spec"]["replicas"] = int(request.options["replicas"])
        request.process.say(f"{plural.rstrip('s')}.apps/{name} scaled")
    request.process.world.touch()
    return 0


def _rollout(request: Request) -> int:
    words = [part for word in request.words[1:] for part in word.split("/")]
    plural, name = kube_render.PLURALS.get(words[0], words[0]), words[-1]
    if kube_request.key_of(request, plural, name) not in request.cluster.kind(plural):
        kube_request.not_found(request, plural, name)
    if request.words[0] == "restart":
        for key, pod in list(request.cluster.kind("pods").items()):
            if pod["metadata"].get("ownerReferences", [{}])[0].get("name") == name:
                del request.cluster.kind("pods")[key]
        request.process.world.touch()
    request.process.say(f"{plural.rstrip('s')}.apps/{name} {request.words[0]}ed")
    return 0


def _target(request: Request) -> tuple[str, list[str], list[str]]:
    """Split words into a kind, names, and what to do with them."""
    first, *rest = request.words
    if "/" in first:
        kind, _, name = first.partition("/")
        return kube_render.PLURALS.get(kind, kind), [name], rest
    names = [
        word for word in rest if "=" not in word and not word.endswith("-") and ":" not in word
    ]
    return (
        kube_render.PLURALS.get(first, first),
        names,
        [word for word in rest if word not in names],
    )


VERBS: dict[str, Callable[[Request], int]] = {
    "annotate": _annotate,
    "apply": kube_store.apply,
    "auth": kube_access.auth,
    "cordon": _cordon,
    "create": kube_store.create,
    "delete": _delete,
    "drain": _drain,
    "get": kube_get.get,
    "label": _label,
    "patch": _patch,
    "replace": kube_store.apply,
    "rollout": _rollout,
    "scale": _scale,
    "taint": _taint,
    "uncordon": _uncordon,
    "version": _version,
}
