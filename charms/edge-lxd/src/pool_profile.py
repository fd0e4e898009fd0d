"""The LXD profile of a pool's nodes: what MicroK8s needs in an instance, and its limits. Pure.

Kernel modules are the machine's to load: a container that names one which is missing never starts.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecloud.lxd import instances

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
