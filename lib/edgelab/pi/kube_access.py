"""Who may do what: roles, bindings, tokens of service accounts, ``kubectl auth``."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import cast

from edgelab.pi import kube_render, kube_request, kube_seed, timers
from edgelab.pi.cluster import Cluster, Object
from edgelab.pi.kube_request import Request

_READ = frozenset({"get", "list", "watch"})
_WRITE = _READ | {"create", "delete", "patch", "update"}
_BUILT_IN = {"view": _READ, "edit": _WRITE, "admin": _WRITE}
_GROUPS = {
    "daemonsets": "apps",
    "deployments": "apps",
    "statefulsets": "apps",
    "poddisruptionbudgets": "policy",
}
_UNCHECKED = ("auth", "version")


@dataclasses.dataclass(frozen=True)
class Right:
    """One thing that a command asks the API for."""

    verb: str
    resource: str
    name: str = ""
    namespace: str = ""
    path: str = ""


def rights(request: Request) -> list[Right]:
    """Return what a kubectl command asks the API for: most ask for more than one thing."""
    if request.verb in _UNCHECKED:
        return []
    if "raw" in request.options:
        return [Right("get", "", path=request.options["raw"])]
    if request.verb == "drain":
        return _draining(request.words[0])
    plural, space = request.plural, request.namespace
    if request.verb in ("cordon", "uncordon"):
        named = [Right(verb, "nodes", name) for name in request.words for verb in ("get", "patch")]
        return named
    if request.words[:1] == ["token"]:
        return [Right("create", "serviceaccounts/token", request.words[-1], space)]
    names = kube_request.named(request)
    if request.verb == "get":
        return [Right("get", plural, name, space) for name in names] or [
            Right("list", kind, "", space) for kind in plural.split(",")
        ]
    if request.verb == "delete":
        found = [Right("delete", plural, name, space) for name in names]
        return found or [Right(verb, plural, "", space) for verb in ("list", "delete")]
    if request.verb in ("apply", "create", "replace"):
        return [Right("create", plural, "", space)]
    return [Right(verb, plural, name, space) for name in names for verb in ("get", "patch")]


def _draining(node: str) -> list[Right]:
    """Return what it takes to drain a node: pods of any namespace, and whose they are."""
    return [
        Right("get", "nodes", node),
        Right("patch", "nodes", node),
        Right("list", "pods"),
        Right("get", "pods"),
        Right("get", "daemonsets"),
        Right("create", "pods/eviction"),
    ]


def refused(cluster: Cluster, user: str, request: Request) -> Right | None:
    """Return the first thing that the role bindings of a service account do not allow."""
    return next((each for each in rights(request) if not may(cluster, user, each)), None)


def may(cluster: Cluster, user: str, right: Right) -> bool:
    """Return whether the role bindings of a service account allow something."""
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
                or binding["metadata"].get("namespace") == right.namespace
            )
            if held and within and _grants(cluster, binding, right):
                return True
    return False


def _grants(cluster: Cluster, binding: Object, right: Right) -> bool:
    role = str(binding["roleRef"]["name"])
    if role == "cluster-admin":
        return True
    if role in _BUILT_IN:
        return right.verb in _BUILT_IN[role] and right.resource not in (
            "nodes",
            "secrets" if role == "view" else "",
        )
    kind = "clusterroles" if binding["roleRef"]["kind"] == "ClusterRole" else "roles"
    space = "" if kind == "clusterroles" else binding["metadata"].get("namespace", "")
    found = cluster.kind(kind).get(kube_seed.key(space, role), {})
    return any(_covers(rule, right) for rule in cast("list[Object]", found.get("rules", [])))


def _covers(rule: Object, right: Right) -> bool:
    """Return whether one rule of a role allows something."""
    if not {right.verb, "*"} & set(rule.get("verbs", [])):
        return False
    if right.path:
        return right.path in rule.get("nonResourceURLs", [])
    kind = right.resource.partition("/")[0]
    if not {_GROUPS.get(kind, ""), "*"} & set(rule.get("apiGroups", [])):
        return False
    names = rule.get("resourceNames", [])
    within = not names or right.name in names
    return within and bool({right.resource, "*"} & set(rule.get("resources", [])))


def token(request: Request) -> int:
    """Issue a token of a service account, for a while."""
    name, process = request.words[-1], request.process
    if kube_seed.key(request.namespace, name) not in request.cluster.kind("serviceaccounts"):
        kube_request.not_found(request, "serviceaccounts", name)
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


def auth(request: Request) -> int:
    """Say whether something would be allowed."""
    if request.words[:1] == ["whoami"]:
        request.process.say("ATTRIBUTE   VALUE\nUsername    admin")
        return 0
    verb, kind, *names = [part for word in request.words[1:] for part in word.split("/")]
    resource = kube_render.PLURALS.get(kind, kind)
    if request.options.get("subresource"):
        resource += f"/{request.options['subresource']}"
    asked = Right(verb, resource, "".join(names[:1]), request.namespace)
    user = request.options.get("as", "")
    allowed = not user or may(request.cluster, user, asked)
    request.process.say("yes" if allowed else "no")
    return 0 if allowed else 1
