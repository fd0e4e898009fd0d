"""The add-ons that each repository offers, for which tracks and architectures."""

from __future__ import annotations

import dataclasses

BOTH = ("amd64", "arm64")
AMD = ("amd64",)


@dataclasses.dataclass(frozen=True)
class Addon:
    """One add-on of a repository."""

    name: str
    description: str
    repository: str = "core"
    version: str = ""
    architectures: tuple[str, ...] = BOTH
    first: int = 0
    last: int = 99
    online_from: int = 99
    workload: str = ""
    namespace: str = "kube-system"
    needs_argument: bool = False

    def offered(self, minor: int, arch: str) -> bool:
        """Return whether a revision offers it on an architecture."""
        return self.first <= minor <= self.last and arch in self.architectures

    def is_online(self, minor: int) -> bool:
        """Return whether enabling it downloads something, in this revision."""
        return minor >= self.online_from


ALIASES = {"storage": "hostpath-storage", "prometheus": "observability", "gpu": "nvidia"}

CORE = (
    Addon("cert-manager", "Cloud native certificate management", version="1.16.0", online_from=0,
          workload="cert-manager", namespace="cert-manager"),
    Addon("cis-hardening", "Apply CIS K8s hardening"),
    Addon("community", "The community addons repository"),
    Addon("dashboard", "The Kubernetes dashboard", version="2.7.0", last=35,
          workload="kubernetes-dashboard"),
    Addon("dns", "CoreDNS", version="1.12.0", workload="coredns"),
    Addon("ha-cluster", "Configure high availability on the current node"),
    Addon("helm", "Helm - the package manager for Kubernetes", version="3.16.0"),
    Addon("helm3", "Helm 3 - the package manager for Kubernetes", version="3.16.0"),
    Addon("host-access", "Allow Pods connecting to Host services smoothly"),
    Addon("hostpath-storage", "Storage class; allocates storage from host directory",
          version="1.5.0", workload="hostpath-provisioner"),
    Addon("ingress", "Ingress controller for external access", online_from=35,
          workload="nginx-ingress-microk8s-controller", namespace="ingress"),
    Addon("kube-ovn", "An advanced network fabric for Kubernetes", online_from=0),
    Addon("mayastor", "OpenEBS MayaStor", online_from=0),
    Addon("metallb", "Loadbalancer for your Kubernetes cluster", version="0.15.3",
          workload="controller", namespace="metallb-system", needs_argument=True),
    Addon("metrics-server", "K8s Metrics Server for API access to service metrics",
          version="0.8.1", workload="metrics-server"),
    Addon("minio", "MinIO object storage"),
    Addon("nvidia", "NVIDIA hardware (GPU and network) support", architectures=AMD, online_from=0),
    Addon("observability", "A lightweight observability stack for logs, traces and metrics",
          online_from=0, workload="kube-prom-stack", namespace="observability"),
    Addon("rbac", "Role-Based Access Control for authorisation"),
    Addon("registry", "Private image registry exposed on localhost:32000", version="2.8.3",
          workload="registry", namespace="container-registry"),
    Addon("rook-ceph", "Distributed Ceph storage using Rook", online_from=0),
)  # fmt: skip

COMMUNITY = tuple(
    Addon(name, f"{name} on MicroK8s", "community", online_from=0, workload=name, namespace=name)
    for name in (
        "argocd", "cilium", "cloudnative-pg", "easyhaproxy", "falco", "forgejo", "jaeger",
        "knative", "kubearmor", "kwasm", "linkerd", "multus", "ngrok", "openebs", "portainer",
        "shifu", "stunner", "traefik", "trivy",
    )
) + tuple(
    Addon(name, f"{name} on MicroK8s", "community", architectures=AMD, online_from=0)
    for name in ("istio", "kata", "keda", "nfs", "openfaas", "fluentd", "sosivio", "inaccel")
)  # fmt: skip

ALL = CORE + COMMUNITY
BY_NAME = {addon.name: addon for addon in ALL}
