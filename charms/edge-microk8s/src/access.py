"""Who may ask the Kubernetes API: kubeconfigs with few rights that expire, and metrics' account.

Every account lies in one namespace of its own, so that one look shows them all and deleting an
account withdraws its tokens.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from typing import Any

import yaml

from edgecloud import host as hosts
from edgecloud.host import failures, files, kubectl

ADMIN_CONFIG = "/var/snap/microk8s/current/credentials/client.config"
AUTHORITY = "/var/snap/microk8s/current/certs/ca.crt"
APISERVER = "/var/snap/microk8s/current/args/kube-apiserver"

NAMESPACE = "edge-access"
METRICS = "edge-metrics"
METRICS_DAYS = 90
API_PORT = 16443

SCOPES = ("view", "edit", "admin")


class AccessError(failures.WorkloadError):
    """Access was not granted."""


@dataclasses.dataclass(frozen=True)
class Grant:
    """What a kubeconfig shall be good for."""

    scope: str = "view"
    namespace: str = ""
    hours: int = 8

    @property
    def account(self) -> str:
        """Return the name of the service account that has these rights."""
        # Never cut: two namespaces that begin alike would share an account, and its rights.
        return f"{self.scope}-{self.namespace}" if self.namespace else self.scope


def kubeconfig(host: hosts.Host, grant: Grant, *, address: str) -> dict[str, str]:
    """Return the results of the action: a kubeconfig with these rights that expires.

    Args:
        host: a control-plane node.
        grant: what it shall be good for.
        address: where the API of this node answers.

    Raises:
        AccessError: the rights are too wide, RBAC is off, or the cluster does not answer.
    """
    problem = problem_of(grant)
    if problem:
        raise AccessError(problem)
    if not enforces_rbac(files.read(host, APISERVER)):
        raise AccessError("RBAC is off, so every account may do everything: set rbac=true first")
    try:
        if grant.namespace:
            kubectl.run(host, ADMIN_CONFIG, "get", "namespace", grant.namespace)
        kubectl.apply(host, ADMIN_CONFIG, yaml.safe_dump_all(manifests(grant)))
        token = token_of(host, grant.account, f"{grant.hours}h")
    except kubectl.KubectlError as e:
        raise AccessError(str(e)) from e
    text = render(grant, token=token, authority=files.read(host, AUTHORITY), address=address)
    withdraw = f"kubectl delete serviceaccount {grant.account} --namespace {NAMESPACE}"
    return {
        "kubeconfig": text,
        "expires-in-hours": str(grant.hours),
        "withdraw-with": withdraw,
    }


def admin_kubeconfig(host: hosts.Host, *, address: str) -> dict[str, str]:
    """Return the results of the action when the administrator's credentials were asked for.

    Raises:
        AccessError: this node has none.
    """
    text = files.read(host, ADMIN_CONFIG)
    if not text:
        raise AccessError("this node has no administrator's credentials: ask a control plane")
    server = f"https://{_bracketed(address)}:"
    return {
        "kubeconfig": re.sub(r"https://127\.0\.0\.1:", server, text),
        "warning": "the administrator's credentials cannot be withdrawn; keep them safe",
    }


def problem_of(grant: Grant) -> str | None:
    """Return why such rights are not granted, or None."""
    if grant.scope not in SCOPES:
        return f"scope is {grant.scope}, not one of {', '.join(SCOPES)}"
    if grant.scope != "view" and not grant.namespace:
        # All of them are also those that hold the keys to everything else.
        return f"scope {grant.scope} needs a namespace; for all of them ask with admin=true"
    if grant.namespace in ("kube-system", NAMESPACE) and grant.scope != "view":
        return f"whoever may change {grant.namespace} owns the cluster: ask with admin=true"
    if grant.hours < 1:
        return "a token lives an hour at least"
    return None


def enforces_rbac(arguments: str) -> bool:
    """Return whether the API server's arguments file turns RBAC on."""
    modes = re.findall(r"^\s*--authorization-mode=(\S*)", arguments, re.MULTILINE)
    return bool(modes) and "RBAC" in modes[-1].strip("\"'").split(",")


def manifests(grant: Grant) -> list[dict[str, Any]]:
    """Return the account and the binding of a grant."""
    kind = "RoleBinding" if grant.namespace else "ClusterRoleBinding"
    binding: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": f"{NAMESPACE}-{grant.account}"},
        "roleRef": role_of(grant.scope),
        "subjects": [subject(grant.account)],
    }
    if grant.namespace:
        binding["metadata"]["namespace"] = grant.namespace
    return [*account(grant.account), binding]


def render(grant: Grant, *, token: str, authority: str, address: str) -> str:
    """Return a kubeconfig that presents a token."""
    name = f"edge-{grant.account}"
    cluster = {
        "server": f"https://{_bracketed(address)}:{API_PORT}",
        "certificate-authority-data": base64.b64encode(authority.encode()).decode(),
    }
    context = {"cluster": "edge", "user": name}
    if grant.namespace:
        context["namespace"] = grant.namespace
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "edge", "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": context}],
        "current-context": name,
    }
    return yaml.safe_dump(document, sort_keys=False)


# --- the account of the metrics agent ----------------------------------------------------------


def metrics_token(host: hosts.Host, *, current: str | None) -> str:
    """Return a token that may read metrics and nothing else: the current one while it is young.

    Raises:
        AccessError: the cluster does not answer.
    """
    if current and expires(current) - host.now() > METRICS_DAYS * 86400 / 3:
        return current
    try:
        kubectl.apply(host, ADMIN_CONFIG, yaml.safe_dump_all(metrics_manifests()))
        return token_of(host, METRICS, f"{METRICS_DAYS * 24}h")
    except kubectl.KubectlError as e:
        raise AccessError(str(e)) from e


def metrics_manifests() -> list[dict[str, Any]]:
    """Return the account that may read the metrics of every node."""
    role: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": METRICS},
        "rules": [
            {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
            {"nonResourceURLs": ["/metrics", "/metrics/*"], "verbs": ["get"]},
        ],
    }
    binding: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": METRICS},
        "roleRef": role_of(METRICS),
        "subjects": [subject(METRICS)],
    }
    return [*account(METRICS), role, binding]


def expires(token: str) -> float:
    """Return when a token expires; 0 for one that does not say."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError):
        return 0.0


# --- what every account is made of -------------------------------------------------------------


def account(name: str) -> list[dict[str, Any]]:
    """Return an account in the one namespace of them all."""
    place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "automountServiceAccountToken": False,
    }
    return [place, account]


def role_of(name: str) -> dict[str, str]:
    """Return how a binding names a role of the whole cluster."""
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}


def subject(account: str) -> dict[str, str]:
    """Return how a binding names an account."""
    return {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}


def token_of(host: hosts.Host, account: str, duration: str) -> str:
    """Return a new token of an account.

    Raises:
        AccessError: the cluster gave none.
        kubectl.KubectlError: it does not answer.
    """
    options = (f"--namespace={NAMESPACE}", f"--duration={duration}")
    token = kubectl.run(host, ADMIN_CONFIG, "create", "token", account, *options).strip()
    if not token:
        raise AccessError(f"the cluster gave no token for {account}")
    return token


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
