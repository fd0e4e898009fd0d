"""The truth about one cluster: datastore members, nodes, objects, add-ons, secrets."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

VOTER, STANDBY, SPARE = "voter", "standby", "spare"
ROLE_NUMBERS = {VOTER: 0, STANDBY: 1, SPARE: 2}

Object = dict[str, Any]


@dataclasses.dataclass
class Member:
    """A member of the datastore; its machine may be long gone."""

    id: int
    address: str
    role: str
    machine: str
    index: int = 0

    @property
    def ip(self) -> str:
        """The address without its port."""
        return self.address.rpartition(":")[0]


@dataclasses.dataclass
class KubeNode:
    """A Node object, with what the API server knows of its kubelet."""

    name: str
    machine: str
    address: str
    kubelet_version: str
    arch: str
    created: float
    uid: str
    labels: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    annotations: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    taints: list[dict[str, str]] = dataclasses.field(default_factory=list[dict[str, str]])
    cordoned: bool = False
    ready: str = "False"
    changed: float = 0.0
    silent_since: float | None = None
    runtime: str = "containerd://1.7.29"
    capacity: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    rank: int = 0


@dataclasses.dataclass
class Cluster:
    """A cluster of one node or more."""

    id: str
    members: list[Member] = dataclasses.field(default_factory=list[Member])
    leader: int = 0
    roles_due: float = math.inf
    nodes: dict[str, KubeNode] = dataclasses.field(default_factory=dict[str, KubeNode])
    objects: dict[str, dict[str, Object]] = dataclasses.field(
        default_factory=dict[str, dict[str, Object]]
    )
    addons: dict[str, list[str]] = dataclasses.field(default_factory=dict[str, list[str]])
    tokens: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    ca: str = ""
    ca_key: str = ""
    service_account_key: str = ""
    callback_token: str = ""
    cluster_cert: str = ""
    cluster_key: str = ""
    cluster_cidr: str = "10.1.0.0/16"
    service_cidr: str = "10.152.183.0/24"
    version: int = 1
    wedged: bool = False
    regressions: list[str] = dataclasses.field(default_factory=list[str])

    def member(self, identifier: int) -> Member | None:
        """Return a member by its number."""
        return next((item for item in self.members if item.id == identifier), None)

    def member_at(self, ip: str) -> Member | None:
        """Return a member by its address."""
        return next((item for item in self.members if item.ip == ip), None)

    def voters(self) -> list[Member]:
        """Return the voters, alive or not."""
        return [item for item in self.members if item.role == VOTER]

    def kind(self, plural: str) -> dict[str, Object]:
        """Return the objects of a kind by ``namespace/name``."""
        return self.objects.setdefault(plural, {})

    def next_version(self) -> str:
        """Count one change of an object."""
        self.version += 1
        return str(self.version)

    @property
    def secrets_encrypted(self) -> bool:
        """Whether every secret lies encrypted in the datastore."""
        return all(item["metadata"].get("sealedWith") for item in self.kind("secrets").values())

    def content(self) -> dict[str, Any]:
        """Return what the database holds, as it would be lost or found again."""
        return {"objects": self.objects, "nodes": self.nodes, "addons": self.addons}
