"""Kubernetes nodes that live in instances of this machine, for whoever looks after it."""

from __future__ import annotations

import base64
import json

from edgecloud import host as machines
from edgecloud.host import files
from edgecloud.lxd import client as lxd
from edgecloud.lxd import instances
from edgecloud.lxd_member import guest_host

OWNER = "user.edge.owner"
"""Key of an instance that is a node of a unit's pool."""
KUBECONFIG = "/var/lib/edge-lxd/node.config"
"""Inside the node, for root only: with it the node can be cordoned, drained and tainted."""

_CERTS = "/var/snap/microk8s/current/certs"
_JOINED = "/var/snap/microk8s/current/var/lock/clustered.lock"
_API = "https://127.0.0.1:16443"
"""The node's own proxy, which knows every control plane."""


def running(client: lxd.Client, member: str) -> tuple[instances.Instance, ...]:
    """Return the nodes that run on a member, by name. One that is stopped serves nobody."""
    found = instances.of_all_projects(client)
    return tuple(
        one for one in found if one.member == member and one.running and OWNER in one.config
    )


def inside(client: lxd.Client, node: instances.Instance) -> machines.Host:
    """Return the machine inside a node."""
    return guest_host.GuestHost(client.in_project(node.project), node.name)


def has_joined(node: machines.Host) -> bool:
    """Return whether a node is a worker of a cluster by now."""
    return node.exists(_JOINED)


def give_account(node: machines.Host, token: str) -> None:
    """Leave in a node what it takes to drain it."""
    authority = files.read(node, f"{_CERTS}/ca.remote.crt").encode()
    name = "drain"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "microk8s",
                "cluster": {
                    "server": _API,
                    "certificate-authority-data": base64.b64encode(authority).decode(),
                },
            }
        ],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": "microk8s", "user": name}}],
        "current-context": name,
    }
    # kubectl reads YAML, of which every JSON text is one.
    node.write(KUBECONFIG, json.dumps(document, indent=1) + "\n", mode=0o600)
