"""The verbs of ``kubectl``, each on the objects of one cluster."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from typing import Any, cast

import yaml

from edgelab.pi import files, kube_drain, kube_nodes, kube_render, kube_seed, timers
from edgelab.pi.cluster import Cluster, KubeNode, Object
from edgelab.pi.process import Process

_BUILT_IN = {
    "view": ("get", "auth"),
    "edit": (
        "get",
        "auth",
        "apply",
        "create",
        "delete",
        "patch",
        "label",
        "annotate",
        "scale",
        "rollout",
    ),
    "admin": (
        "get",
        "auth",
        "apply",
        "create",
        "delete",
        "patch",
        "label",
        "annotate",
        "scale",
        "rollout",
    ),
}


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


def may(cluster: Cluster, user: str, request: Request) -> bool:
    """Return whether the role bindings of a service account allow a request."""
    _, _, space, name = user.split(":") if user.count(":") == 3 else ("", "", "", user)
    for plural in ("clusterrolebindings", "rolebindings"):
        for binding in cluster.kind(plural).values():
            subjects = cast("list[dict[str, str]]", binding.get("subjects", []))
            held = any(
                item.get("name") == name and item.get("namespace", space) == space
                for item in subjects
            )
            within = (
                plural == "clusterrolebindings"
                or binding["metadata"].get("namespace") == request.namespace
            )
            if held and within and _grants(cluster, binding, request):
                return True
    return False


def _grants(cluster: Cluster, binding: Object, request: Request) -> bool:
    role = str(binding["roleRef"]["name"])
    if role == "cluster-admin":
        return True
    if role in _BUILT_IN:
        return request.verb in _BUILT_IN[role] and request.plural not in (
            "nodes",
            "secrets" if role == "view" else "",
        )
    kind = "clusterroles" if binding["roleRef"]["kind"] == "ClusterRole" else "roles"
    space = "" if kind == "clusterroles" else binding["metadata"].get("namespace", "")
    found = cluster.kind(kind).get(kube_seed.key(space, role), {})
    rules = cast("list[dict[str, list[str]]]", found.get("rules", []))
    wanted = "get" if request.verb == "get" else request.verb
    path = request.options.get("raw", "")
    return any(
        ({wanted, "*"} & set(rule.get("verbs", [])))
        and (
            {request.plural, "*"} & set(rule.get("resources", []))
            or path in rule.get("nonResourceURLs", ["-"])
        )
        for rule in rules
    )


def _get(request: Request) -> int:
    if "raw" in request.options:
        return _raw(request)
    items: list[Object] = []
    for word in (request.words[0] if request.words else "").split(","):
        items += _find(request, kube_render.PLURALS.get(word.partition("/")[0], word))
    names = request.names()
    if names:
        items = [item for item in items if item["metadata"]["name"] in names]
        missing = [
            name for name in names if name not in {item["metadata"]["name"] for item in items}
        ]
        if missing and "ignore-not-found" not in request.options:
            _not_found(request, request.plural, missing[0])
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


def _find(request: Request, plural: str) -> list[Object]:
    """Return the objects of a kind that namespace and selectors leave."""
    version = str(request.cluster.version)
    if plural == "nodes":
        found = [kube_render.node(item, version) for item in request.cluster.nodes.values()]
    elif plural == "endpointslices":
        found = [_endpoints(request)]
    elif plural == "leases":
        found = [_lease(request, item) for item in request.cluster.nodes.values()]
    elif plural in kube_render.KINDS or plural in request.cluster.objects:
        items = request.cluster.kind(plural).values()
        found = [
            kube_render.stored(plural, item) for item in items if _in_space(request, plural, item)
        ]
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
    from edgelab.pi import kube_api

    servers = kube_api.servers(request.process.world, request.cluster)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {}},
        "endpoints": [{"addresses": [server]} for server in servers],
    }


def _lease(request: Request, node: KubeNode) -> Object:
    last = request.process.world.clock.now() if node.silent_since is None else node.silent_since
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": node.name, "namespace": "kube-node-lease", "labels": {}},
        "spec": {"holderIdentity": node.name, "renewTime": kube_seed.timestamp(last)},
    }


def _cordon(request: Request) -> int:
    return _set_cordon(request, True)


def _uncordon(request: Request) -> int:
    return _set_cordon(request, False)


def _set_cordon(request: Request, cordoned: bool) -> int:
    word = "cordoned" if cordoned else "uncordoned"
    for name in request.words:
        node = _node(request, name)
        already = "already " if node.cordoned == cordoned else ""
        kube_nodes.set_cordon(request.cluster, node, cordoned)
        request.process.say(f"node/{name} {already}{word}")
    return 0


def _drain(request: Request) -> int:
    node = _node(request, request.words[0])
    return kube_drain.drain(request.process, request.cluster, node, request.options)


def _delete(request: Request) -> int:
    process, cluster, plural = request.process, request.cluster, request.plural
    if "filename" in request.options:
        for item in _manifests(request):
            kind = kube_render.PLURALS[item["kind"]]
            cluster.kind(kind).pop(_key(request, kind, item["metadata"]["name"], item), None)
        cluster.next_version()
        return 0
    names = request.names()
    if not names and ("selector" in request.options or "all" in request.options):
        names = [item["metadata"]["name"] for item in _find(request, plural)]
    for name in names:
        items: dict[str, Any] = cluster.nodes if plural == "nodes" else cluster.kind(plural)
        key = name if plural == "nodes" else _key(request, plural, name)
        if items.pop(key, None) is None:
            if "ignore-not-found" in request.options:
                continue
            _not_found(request, plural, name)
        singular = kube_render.KINDS[plural][0].lower()
        process.say(f'{singular} "{name}" deleted')
    cluster.next_version()
    process.world.touch()
    return 0


def _apply(request: Request) -> int:
    for item in _manifests(request):
        _store(request, item, replace=True)
    return 0


def _create(request: Request) -> int:
    words, process = request.words, request.process
    if words[:1] == ["token"]:
        return _token(request)
    if not words or "filename" in request.options:
        for item in _manifests(request):
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


def _token(request: Request) -> int:
    name, process = request.words[-1], request.process
    if kube_seed.key(request.namespace, name) not in request.cluster.kind("serviceaccounts"):
        _not_found(request, "serviceaccounts", name)
    seconds = timers.span(request.options.get("duration", "1h") or "1h")
    if seconds < 600:
        process.fail(
            "error: failed to create token: may not specify a duration less than 10 minutes"
        )
    now = process.world.clock.now()
    user = f"system:serviceaccount:{request.namespace}:{name}"
    claims = json.dumps({"exp": int(now + seconds), "sub": user}).encode()
    body = base64.urlsafe_b64encode(claims).decode().rstrip("=")
    text = f"eyJhbGciOiJSUzI1NiJ9.{body}.{process.world.random_hex('jwt', 43)}"
    request.cluster.tokens[text] = f"{user}|{now + seconds}"
    process.say(text)
    return 0


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
    key = _key(request, plural, name, item)
    known = cluster.kind(plural).get(key)
    if known is not None and not replace:
        process.fail(f'Error from server (AlreadyExists): {plural} "{name}" already exists')
    _fold_string_data(item)
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


def _manifests(request: Request) -> list[Object]:
    name, process = request.options.get("filename", ""), request.process
    text = process.stdin or "" if name == "-" else files.read(process.machine, name)
    if not text:
        process.fail(f'error: the path "{name}" does not exist')
    found: list[Object] = []
    for item in yaml.safe_load_all(text):
        if item:
            found += item["items"] if item.get("kind") == "List" else [item]
    return found


def _label(request: Request) -> int:
    return _mark(request, "labels")


def _annotate(request: Request) -> int:
    return _mark(request, "annotations")


def _mark(request: Request, field: str) -> int:
    plural, names, pairs = _target(request)
    if not names and "all" in request.options:
        names = [item["metadata"]["name"] for item in _find(request, plural)]
    for name in names:
        held = _metadata(request, plural, name, field)
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
        request.process.say(f"{plural.rstrip('s')}/{name} {field[:-1]}ed")
    request.cluster.next_version()
    request.process.world.touch()
    return 0


def _taint(request: Request) -> int:
    _, names, pairs = _target(request)
    for name in names:
        node = _node(request, name)
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
            _patch_node(request, _node(request, name), change)
        else:
            item = request.cluster.kind(plural).get(_key(request, plural, name))
            if item is None:
                _not_found(request, plural, name)
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


def _auth(request: Request) -> int:
    if request.words[:1] == ["whoami"]:
        request.process.say("ATTRIBUTE   VALUE\nUsername    admin")
        return 0
    verb, words = request.words[1], request.words[2:]
    asked = Request(request.process, request.cluster, verb, words, request.options)
    user = request.options.get("as", "")
    allowed = not user or may(request.cluster, user, asked)
    request.process.say("yes" if allowed else "no")
    return 0 if allowed else 1


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
        item = request.cluster.kind(plural).get(_key(request, plural, name))
        if item is None:
            _not_found(request, plural, name)
        item["spec"]["replicas"] = int(request.options["replicas"])
        request.process.say(f"{plural.rstrip('s')}.apps/{name} scaled")
    request.process.world.touch()
    return 0


def _rollout(request: Request) -> int:
    words = [part for word in request.words[1:] for part in word.split("/")]
    plural, name = kube_render.PLURALS.get(words[0], words[0]), words[-1]
    if _key(request, plural, name) not in request.cluster.kind(plural):
        _not_found(request, plural, name)
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


def _metadata(request: Request, plural: str, name: str, field: str) -> dict[str, str]:
    if plural == "nodes":
        return getattr(_node(request, name), field)
    item = request.cluster.kind(plural).get(_key(request, plural, name))
    if item is None:
        _not_found(request, plural, name)
    return item["metadata"].setdefault(field, {})


def _node(request: Request, name: str) -> KubeNode:
    found = request.cluster.nodes.get(name)
    if found is None:
        _not_found(request, "nodes", name)
    return found


def _key(request: Request, plural: str, name: str, item: Object | None = None) -> str:
    if plural in kube_render.CLUSTER_WIDE:
        return kube_seed.key("", name)
    given = (item or {}).get("metadata", {}).get("namespace")
    return kube_seed.key(given or request.options.get("namespace", "default"), name)


def _not_found(request: Request, plural: str, name: str) -> Any:
    request.process.fail(f'Error from server (NotFound): {plural} "{name}" not found')


VERBS: dict[str, Callable[[Request], int]] = {
    "annotate": _annotate,
    "apply": _apply,
    "auth": _auth,
    "cordon": _cordon,
    "create": _create,
    "delete": _delete,
    "drain": _drain,
    "get": _get,
    "label": _label,
    "patch": _patch,
    "replace": _apply,
    "rollout": _rollout,
    "scale": _scale,
    "taint": _taint,
    "uncordon": _uncordon,
    "version": _version,
}
