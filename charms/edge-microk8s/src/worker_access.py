"""What a worker may do to its own node: see it, cordon and mark it, drain it, and no more.

MicroK8s gives a worker the credentials of its kubelet, which may not evict a pod. So the steward
makes an account for each worker, and hands out a token of it that expires.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import yaml

import access
import membership
import microk8s
from edgecloud import host as machines
from edgecloud.host import files, kubectl
from edgecloud.interfaces import cluster_join, handouts

logger = logging.getLogger(__name__)

KUBECONFIG = f"{microk8s.STATE}/worker.config"
"""Outside of the snap's folders, so that a refresh and a revert leave it alone."""

DAYS = 30
RENEW_S = DAYS * 86400 / 3
"""What is left of a token when another takes its place: longer than a site is out of reach."""

WHAT = "node-access"
_KNOWN = f"{microk8s.STATE}/worker-access.json"


def account(node: str) -> str:
    """Return the name of a worker's account."""
    return f"worker-{node}"


def manifests(node: str) -> list[dict[str, Any]]:
    """Return the account of a worker, with all that draining and marking its node takes.

    A role can limit neither evictions nor deletions to the pods of one node; so only Calico's
    namespace is one in which pods may be deleted, past their disruption budgets.
    """
    name = account(node)
    rules = [
        {
            "apiGroups": [""],
            "resources": ["nodes"],
            "resourceNames": [node],
            "verbs": ["get", "patch"],
        },
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
        # Whether data lie on a disk of this node, which a drain must not leave behind.
        {"apiGroups": [""], "resources": ["persistentvolumes"], "verbs": ["list"]},
        {"apiGroups": ["apps"], "resources": ["daemonsets"], "verbs": ["get"]},
    ]
    network = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["delete"]}]
    return [
        *access.account(name),
        _role("ClusterRole", name, rules),
        _binding("ClusterRole", name),
        _role("Role", name, network),
        _binding("Role", name),
    ]


# --- on the steward ------------------------------------------------------------------------------


def keep(
    host: machines.Host, members: cluster_join.MemberEnd, record: cluster_join.ClusterRecord
) -> tuple[handouts.Handout, ...]:
    """Make the tokens that are due, and take back those of units that are gone. Return the rest.

    Raises access.AccessError.
    """
    workers = {m.unit: m for m in membership.joined(record) if m.role == cluster_join.WORKER}
    kept: dict[str, handouts.Handout] = {}
    for handout in members.my_acts().accesses:
        if handout.unit in workers:
            kept[handout.unit] = handout
        else:
            members.take_back(handout, what=WHAT)
    for unit, member in workers.items():
        if unit not in kept or kept[unit].until - host.now() <= RENEW_S:
            token = _token(host, member.node)
            until = float(int(access.expires(token)))
            handout = members.hand_out(unit, {"token": token}, what=WHAT, until=until)
            if handout is not None:
                kept[unit] = handout
    return tuple(sorted(kept.values()))


def withdraw(host: machines.Host, node: str) -> None:
    """Delete a worker's account, and with it every token of it.

    Raises kubectl.KubectlError.
    """
    name, space = account(node), f"--namespace={access.NAMESPACE}"
    kubectl.delete(host, microk8s.ADMIN, "serviceaccount", name, space)
    for kind in ("clusterrolebinding", "clusterrole"):
        kubectl.delete(host, microk8s.ADMIN, kind, _named(name))
    for kind in ("rolebinding", "role"):
        kubectl.delete(host, microk8s.ADMIN, kind, _named(name), "--namespace=kube-system")


def retire(members: cluster_join.MemberEnd) -> bool:
    """Take back what this unit handed out as the steward. Return whether that was anything.

    The tokens stay good until workers have those of the next steward.
    """
    accesses = members.my_acts().accesses
    for handout in accesses:
        members.take_back(handout, what=WHAT)
    return bool(accesses)


# --- on the worker -------------------------------------------------------------------------------


def ensure_kubeconfig(host: machines.Host, end: cluster_join.JoinerEnd) -> str | None:
    """Keep the file with which this worker may drain its node. Return its path.

    None while there is none that works. What cannot be read just now stays as it is.
    """
    handout, known = end.access(), files.read_state(host, _KNOWN)
    if handout is not None and known != dataclasses.asdict(handout):
        token = (end.read(handout.secret) or {}).get("token")
        if token:
            host.write(KUBECONFIG, _kubeconfig(host, token), mode=0o600)
            known = dataclasses.asdict(handout)
            files.write_state(host, _KNOWN, known)
    return kubeconfig(host)


def kubeconfig(host: machines.Host) -> str | None:
    """Return the path of this worker's file while the token in it is good."""
    until = float(files.read_state(host, _KNOWN).get("until", 0))
    return KUBECONFIG if host.now() < until and host.exists(KUBECONFIG) else None


def _kubeconfig(host: machines.Host, token: str) -> str:
    authority = files.read(host, f"{microk8s.CERTS}/ca.remote.crt")
    grant = access.Grant("drain")
    # Its own proxy, which knows every control plane.
    return access.render(grant, token=token, authority=authority, address="127.0.0.1")


def _token(host: machines.Host, node: str) -> str:
    try:
        kubectl.apply(host, microk8s.ADMIN, yaml.safe_dump_all(manifests(node)))
        return access.token_of(host, account(node), f"{DAYS * 24}h")
    except kubectl.KubectlError as e:
        raise access.AccessError(str(e)) from e


def _role(kind: str, name: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": _metadata(kind, name),
        "rules": rules,
    }


def _binding(kind: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": f"{kind}Binding",
        "metadata": _metadata(kind, name),
        "roleRef": {**access.role_of(_named(name)), "kind": kind},
        "subjects": [access.subject(name)],
    }


def _metadata(kind: str, name: str) -> dict[str, str]:
    place = {"namespace": "kube-system"} if kind == "Role" else {}
    return {"name": _named(name), **place}


def _named(account: str) -> str:
    return f"{access.NAMESPACE}-{account}"
