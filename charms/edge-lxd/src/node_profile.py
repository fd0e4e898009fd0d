"""The LXD profile of nodes, key by key: what MicroK8s needs in an instance, and its limits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edgecloud import host as machines
from edgecloud.host import files
from edgecloud.lxd import instances

MODULES = (
    "ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_sh", "ip_tables", "ip6_tables", "netlink_diag",
    "nf_nat", "nf_conntrack", "overlay", "br_netfilter", "vxlan",
)  # fmt: skip
"""What Kubernetes and its networks load; a container gets them from the machine."""

SHUTDOWN_S = 120

# Kubernetes loads AppArmor profiles of its own, mounts, makes control groups, sets sysctls.
_RAW = """\
lxc.apparmor.profile=unconfined
lxc.mount.auto=proc:rw sys:rw cgroup:rw
lxc.cgroup.devices.allow=a
lxc.cgroup2.devices.allow=a
lxc.cap.drop=
"""


@dataclass(frozen=True)
class Shape:
    """What all nodes of a pool are like."""

    kind: str = instances.CONTAINER
    cpu: int = 2
    memory: str = "2GiB"
    disk: str = "16GiB"


def config(shape: Shape) -> dict[str, str]:
    """Return the keys of the profile."""
    common = {
        "limits.cpu": str(shape.cpu),
        "limits.memory": shape.memory,
        "boot.host_shutdown_timeout": str(SHUTDOWN_S),
        # Its pods are moved by Kubernetes; copying its disk to another machine would take minutes.
        "cluster.evacuate": "stop",
    }
    if shape.kind == instances.VIRTUAL_MACHINE:
        # Firmware for Pi 4 and 5 fails with it.
        return {**common, "security.secureboot": "false"}
    return {
        **common,
        "limits.memory.enforce": "hard",
        # What is beyond the limit must not go on by wearing out the card.
        "limits.memory.swap": "false",
        "security.nesting": "true",
        "security.privileged": "true",
        "raw.lxc": _RAW,
    }


def devices(shape: Shape, storage: str) -> dict[str, dict[str, str]]:
    """Return the devices of the profile."""
    root = {"type": "disk", "path": "/", "pool": storage, "size": shape.disk}
    if shape.kind == instances.VIRTUAL_MACHINE:
        return {"root": root}
    # Without it MicroK8s' snap cannot even be installed.
    kmsg = {"type": "unix-char", "source": "/dev/kmsg", "path": "/dev/kmsg"}
    return {"root": root, "kmsg": kmsg}


def modules(host: machines.Host, wanted: Collection[str] = MODULES) -> tuple[str, ...]:
    """Return those modules that this machine has; with one that it lacks no container starts."""
    loaded = {path.rpartition("/")[2] for path in host.glob("/sys/module/*")}
    release = files.read(host, "/proc/sys/kernel/osrelease").strip()
    lists = ("modules.dep", "modules.builtin")
    text = "\n".join(files.read(host, f"/lib/modules/{release}/{name}") for name in lists)
    lines = (line.partition(":")[0] for line in text.splitlines())
    on_disk = {line.rpartition("/")[2].partition(".ko")[0].replace("-", "_") for line in lines}
    return tuple(sorted(module for module in wanted if module in loaded | on_disk))
