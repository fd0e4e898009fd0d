"""Who may do what: roles, bindings, tokens of service accounts, ``kubectl auth``."""

from __future__ import annotations

import base64
import json
from typing import cast

from edgelab.pi import kube_request, kube_seed, timers
from edgelab.pi.cluster import Cluster, Object
from edgelab.pi.kube_request import Request

_BUILT_IN = {
    "view": ("get", "auth"),
    "edit": ("get", "auth", "apply", "create", "delete", "patch", "label", "annotate", "scale"),
    "admin": ("get", "auth", "apply", "create", "delete", "patch", "label", "annotate", "scale"),
}


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
    verb, words = request.words[1], request.words[2:]
    asked = Request(request.process, request.cluster, verb, words, request.options)
    user = request.options.get("as", "")
    allowed = not user or may(request.cluster, user, asked)
    request.process.say("yes" if allowed else "no")
    return 0 if allowed else 1
