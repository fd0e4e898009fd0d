"""What is known about MicroK8s' add-ons: where they run, since when, and what they need."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

ARM64 = "arm64"

Track = tuple[int, int]
"""A MicroK8s track, such as (1, 35)."""

ALIASES: Mapping[str, str] = {
    "storage": "hostpath-storage",
    "default-storage": "hostpath-storage",
    "ingress-nginx": "ingress",
    "nginx-ingress": "ingress",
    "metrics": "metrics-server",
    "lb": "metallb",
    "loadbalancer": "metallb",
    "prometheus": "observability",
    "gpu": "nvidia",
}
"""Names of capabilities, and former names, of the add-ons that provide them."""


@dataclasses.dataclass(frozen=True)
class Addon:
    """What is known about one add-on."""

    amd64_only: bool = False
    last: Track | None = None
    """The last track that has it."""
    internet_from: Track | None = None
    """The first track on which enabling it downloads something."""
    community: bool = False
    heavy: str = ""
    """Why it is too much for a small machine."""
    forbidden: str = ""
    """Why it is never enabled or disabled from an option."""
    holds_data: bool = False
    """Whether disabling it throws away what was stored in it."""
    disable_answer: str | None = None
    """What to answer when disabling asks a question."""


EVER: Track = (1, 0)

_DOWNLOADS = Addon(internet_from=EVER)
_COMMUNITY = Addon(internet_from=EVER, community=True)
_COMMUNITY_AMD64 = dataclasses.replace(_COMMUNITY, amd64_only=True)

KNOWN: Mapping[str, Addon] = {
    "dns": Addon(),
    "rbac": Addon(forbidden="it has an option of its own, rbac"),
    "helm": Addon(),
    "helm3": Addon(),
    "community": Addon(),
    "host-access": Addon(),
    "metrics-server": Addon(),
    "metallb": Addon(),
    "ingress": Addon(internet_from=(1, 35)),
    # Its question is whether to delete every volume; the answer of a charm is no.
    "hostpath-storage": Addon(disable_answer="n\n"),
    "registry": Addon(holds_data=True, heavy="it reserves 20 GiB and writes much"),
    "dashboard": Addon(last=(1, 35)),
    "cert-manager": _DOWNLOADS,
    "observability": Addon(internet_from=EVER, heavy="it takes more than 1 GB of memory"),
    "rook-ceph": Addon(internet_from=EVER, holds_data=True, heavy="Ceph takes several GB"),
    "mayastor": Addon(
        internet_from=EVER, holds_data=True, heavy="it takes 2 GiB of huge pages on every node"
    ),
    "minio": Addon(internet_from=EVER, holds_data=True),
    "nvidia": Addon(amd64_only=True, internet_from=EVER),
    "ha-cluster": Addon(forbidden="it is always on, and disabling it destroys the cluster"),
    "kube-ovn": Addon(forbidden="it replaces the network of every pod in the cluster"),
    "cis-hardening": Addon(forbidden="it takes away the permissions this charm works with"),
    "argocd": dataclasses.replace(_COMMUNITY, heavy="it takes more than 1 GB of memory"),
    "cilium": dataclasses.replace(
        _COMMUNITY, forbidden="it replaces the network of every pod in the cluster"
    ),
    "openebs": dataclasses.replace(_COMMUNITY, holds_data=True, heavy="it needs iscsid"),
    "falco": dataclasses.replace(_COMMUNITY, heavy="it inspects every system call"),
    "traefik": _COMMUNITY,
    **dict.fromkeys(
        ("multus", "linkerd", "shifu", "trivy", "kubearmor", "portainer", "easyhaproxy", "kwasm",
         "osm-edge", "jaeger", "knative", "gopaddle-lite", "ngrok", "stunner", "cloudnative-pg",
         "forgejo", "microcks", "parking", "dashboard-ingress"),
        _COMMUNITY,
    ),
    **dict.fromkeys(
        ("nfs", "istio", "kata", "keda", "openfaas", "fluentd", "sosivio", "inaccel",
         "sriov-device-plugin", "amd"),
        _COMMUNITY_AMD64,
    ),
}  # fmt: skip


def known(name: str) -> Addon | None:
    """Return what is known about an add-on, whichever repository is written before its name."""
    return KNOWN.get(name.rpartition("/")[2])


def track_of(version: str) -> Track:
    """Return the track of a version or channel: ``v1.35.2``, ``1.35/stable``.

    Raises:
        ValueError: it begins with no track.
    """
    major, _, rest = version.lstrip("v").partition(".")
    minor = rest.partition("/")[0].partition(".")[0].partition("-")[0]
    return int(major), int(minor)
