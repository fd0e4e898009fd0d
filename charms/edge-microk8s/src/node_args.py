"""Which settings of MicroK8s this configuration calls for, at installation and ever after."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import zlib
from collections.abc import Collection, Mapping
from typing import Any

import yaml

import addons as addon_wishes
import footprint
import managed_lines
import microk8s
import node_config
import registries
from edgecloud import host
from edgecloud.host import files, systemd

STATE = f"{microk8s.ARGS}/edge-microk8s-args.json"
"""Beside the arguments, so that a refresh of the snap, which copies them, copies it too."""

DEFAULTS = "/snap/microk8s/current/default-args"
TUNING = f"{microk8s.BACKEND}/tuning.yaml"
DOMAIN = f"{microk8s.BACKEND}/failure-domain"
JOURNALD = "/etc/systemd/journald.conf.d/50-edge-microk8s.conf"

_PENDING = f"{microk8s.STATE}/restart.json"
_BIRTH = f"{microk8s.STATE}/birth.json"
_DEFAULT_SERVICES = "10.152.183.0/24"

_DAEMON_OF = {
    "kubelet": "kubelite",
    "kube-apiserver": "kubelite",
    "containerd-env": "containerd",
    "ha-conf": "k8s-dqlite",
}


@dataclasses.dataclass(frozen=True)
class Domain:
    """What fails together with this node."""

    name: str
    """Fit for a label."""

    @property
    def number(self) -> int:
        """The domain as the datastore wants it: the same name gives the same number."""
        number = int(self.name) if self.name.isdigit() else 0
        # The datastore reads 64 bits, and does not start if it cannot.
        return number if 0 < number < 2**63 else zlib.crc32(self.name.encode()) or 1


def domain(option: str, *, zone: str, hostname: str) -> Domain:
    """Return the failure domain: as set, else Juju's zone, else the machine by itself."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", option or zone or hostname)[:63]
    return Domain(name.strip("-._") or "default")


# --- at installation ----------------------------------------------------------------------------


def launch(
    config: node_config.NodeConfig, profile: footprint.Profile, failure_domain: Domain
) -> str:
    """Return the launch configuration, with which the node starts right from the beginning.

    It replaces the snap's own, so it must be complete. Names and passwords are not in it.
    """
    services = ipaddress.IPv4Network(config.service_cidr)
    document: dict[str, Any] = {
        "version": "0.2.0",
        "addons": _launch_addons(config, services),
        "extraKubeletArgs": {**footprint.kubelet_flags(profile), **_dns_flags(config, services)},
        "extraKubeAPIServerArgs": {
            "--service-cluster-ip-range": config.service_cidr,
            **_api_server_flags(config, profile),
        },
        "extraKubeProxyArgs": {"--cluster-cidr": config.cluster_cidr},
        "extraCNIEnv": {
            "IPv4_SUPPORT": "true",
            "IPv4_CLUSTER_CIDR": config.cluster_cidr,
            "IPv4_SERVICE_CIDR": config.service_cidr,
        },
        "extraSANs": list(sans(config)),
        "extraContainerdEnv": config.proxies,
        "containerdRegistryConfigs": registries.launch_configs(config.image_registries),
        "extraConfigFiles": {"ha-conf": f"failure-domain={failure_domain.number}\n"},
    }
    return yaml.safe_dump({key: value for key, value in document.items() if value})


def sans(config: node_config.NodeConfig) -> tuple[str, ...]:
    """Return what the API server's certificate needs beyond what MicroK8s puts into it."""
    if config.service_cidr == _DEFAULT_SERVICES:
        return config.sans
    # The first address of the services is the API's own; MicroK8s knows only its default.
    return (*config.sans, str(ipaddress.IPv4Network(config.service_cidr)[1]))


def birth(host: host.Host) -> node_config.Birth:
    """Return what the node was born with, as far as that is known."""
    return node_config.Birth(**files.read_state(host, _BIRTH))


def ensure_birth(host: host.Host, config: node_config.NodeConfig) -> node_config.Birth:
    """Return what the node was born with; if it is not born yet, with this configuration."""
    known = files.read_state(host, _BIRTH)
    if not known:
        born = node_config.Birth(config.role, config.service_cidr, config.cluster_cidr)
        known = dataclasses.asdict(born)
        files.write_state(host, _BIRTH, known)
    return node_config.Birth(**known)


def forget_birth(host: host.Host) -> bool:
    """Forget what the node was born with, once it is purged. Return whether anything was known."""
    return host.remove(_PENDING) | host.remove(_BIRTH)


# --- ever after ---------------------------------------------------------------------------------


def wanted(
    config: node_config.NodeConfig,
    profile: footprint.Profile,
    failure_domain: Domain,
    *,
    worker: bool,
) -> dict[str, dict[str, str]]:
    """Return for each file of arguments the values that it shall have.

    The networks are not among them: they count only at installation, and joining sets them to
    the cluster's own. Labels and taints are not either: a joining node is given the kubelet's
    file of another one, and would register with labels that are not its own.
    """
    found = {
        "kubelet": footprint.kubelet_flags(profile),
        "containerd-env": config.proxies,
    }
    if not worker:
        found["kube-apiserver"] = _api_server_flags(config, profile)
        found["ha-conf"] = {"failure-domain": str(failure_domain.number)}
    return found


def ensure(
    host: host.Host,
    config: node_config.NodeConfig,
    profile: footprint.Profile,
    failure_domain: Domain,
    credentials: Collection[registries.Credential] = (),
) -> set[str]:
    """Ensure that this node's files are as the configuration calls for.

    Joining overwrites some of them, so this is to be called again afterwards. Return the
    daemons that must be restarted, those that a hook which failed left over among them; do that
    with :func:`restart`, at a time when the node can be spared.
    """
    worker = microk8s.is_worker(host)
    due: set[str] = set()
    for name, values in wanted(config, profile, failure_domain, worker=worker).items():
        path = f"{microk8s.ARGS}/{name}"
        if managed_lines.ensure(host, path, values, state=STATE, defaults=DEFAULTS):
            due.add(_DAEMON_OF[name])
    if not worker:
        due |= _ensure_datastore(host, config, failure_domain)
    due |= registries.ensure(host, config.image_registries, credentials)
    return note_restart(host, due)


def restart(host: host.Host) -> set[str]:
    """Restart at once all daemons for which that is due. Return which."""
    due = pending(host)
    microk8s.restart(host, due)
    host.remove(_PENDING)
    return due


def pending(host: host.Host) -> set[str]:
    """Return the daemons for which a restart is due."""
    return set(files.read_state(host, _PENDING).get("daemons", []))


def note_restart(host: host.Host, due: set[str]) -> set[str]:
    """Remember what must be restarted: a hook that fails later forgets what it was told.

    Return all daemons for which that is due.
    """
    before = pending(host)
    if due - before:
        files.write_state(host, _PENDING, {"daemons": sorted(due | before)})
    return due | before


def forget_restarts(host: host.Host) -> None:
    """Take note that all daemons were restarted anyway, as after a join."""
    host.remove(_PENDING)


def ensure_journald(host: host.Host, profile: footprint.Profile, datastore: str) -> bool:
    """Ensure that the system log stays within its limits. Return whether they changed."""
    if not host.write(JOURNALD, footprint.journald(profile, datastore)):
        return False
    try:
        systemd.restart(host, "systemd-journald.service")
    except systemd.SystemdError:
        host.remove(JOURNALD)
        raise
    return True


def remove_journald(host: host.Host) -> bool:
    """Take the limits of the system log back. Return whether there were any."""
    if not host.remove(JOURNALD):
        return False
    systemd.restart(host, "systemd-journald.service")
    return True


def _ensure_datastore(
    host: host.Host, config: node_config.NodeConfig, failure_domain: Domain
) -> set[str]:
    """Ensure the files that the datastore reads when it starts. A join makes its folder anew."""
    changed = files.rewrite(host, TUNING, footprint.tuning(config.datastore))
    if files.read(host, DOMAIN).strip() != str(failure_domain.number):
        changed = files.rewrite(host, DOMAIN, str(failure_domain.number)) or changed
    return {"k8s-dqlite"} if changed else set()


def _api_server_flags(
    config: node_config.NodeConfig, profile: footprint.Profile
) -> dict[str, str]:
    toleration = str(config.toleration_s)
    return {
        **footprint.api_server_flags(profile),
        "--default-not-ready-toleration-seconds": toleration,
        "--default-unreachable-toleration-seconds": toleration,
    }


def _launch_addons(
    config: node_config.NodeConfig, services: ipaddress.IPv4Network
) -> list[dict[str, Any]]:
    """Return the add-ons without which no pod works, or none is safe; the others come later.

    A worker gets none: what it starts with is thrown away when it joins.
    """
    if config.is_worker:
        return []
    found: list[dict[str, Any]] = [{"name": "rbac"}] if config.rbac else []
    dns = _dns_wish(config)
    if dns is not None:
        arguments = [part for part in dns.arguments.split(":") if part]
        if str(services) != _DEFAULT_SERVICES:
            arguments = [*(arguments[:1] or ["/etc/resolv.conf"]), _dns_address(services)]
        found.append({"name": "dns", "args": arguments} if arguments else {"name": "dns"})
    return found


def _dns_flags(
    config: node_config.NodeConfig, services: ipaddress.IPv4Network
) -> Mapping[str, str]:
    if config.is_worker or _dns_wish(config) is None:
        return {}
    return {"--cluster-dns": _dns_address(services), "--cluster-domain": "cluster.local"}


def _dns_wish(config: node_config.NodeConfig) -> addon_wishes.Wish | None:
    wishes = addon_wishes.parse(config.addons)
    return next((wish for wish in wishes if wish.name in ("dns", "core/dns")), None)


def _dns_address(services: ipaddress.IPv4Network) -> str:
    return str(services[10])
