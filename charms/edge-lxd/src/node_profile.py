"""What an instance needs to be a MicroK8s node, key by key, and what differs from it. Pure.

Kernel modules are loaded by the host, not by ``linux.kernel_modules``: an instance whose profile
names a module that one host lacks does not start there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

NONE = "none"
PROJECT = "project"
DEFAULT = "default"
PLACES = (NONE, PROJECT, DEFAULT)

PROJECT_NAME = "microk8s"
PROJECT_CONFIG = {"features.images": "false"}
"""Of every project that nodes are in: they share the images of all."""

MODULES = (
    "br_netfilter",
    "ip_tables",
    "ip_vs",
    "ip_vs_rr",
    "nf_conntrack",
    "nf_nat",
    "netlink_diag",
    "overlay",
    "vxlan",
)
"""What MicroK8s uses, as far as the host has it."""

SHUTDOWN_S = 120
"""How long a node may take to stop; the default of 30 s is short for pods."""

_RAW = "\n".join(
    (
        "lxc.apparmor.profile=unconfined",
        "lxc.mount.auto=proc:rw sys:rw cgroup:rw",
        "lxc.cgroup.devices.allow=a",
        "lxc.cap.drop=",
    )
)

Devices = Mapping[str, Mapping[str, str]]


def config(*, privileged: bool) -> dict[str, str | None]:
    """Return the keys of a node's profile; those that are None must not be there.

    Args:
        privileged: as upstream has it. Root in such a node is root on the host.
    """
    return {
        "security.nesting": "true",
        "security.privileged": "true" if privileged else None,
        "raw.lxc": _RAW if privileged else None,
        "linux.kernel_modules": None,
        # Copying a node over the network takes longer than the reboot that it would dodge.
        "cluster.evacuate": "stop",
        "boot.autostart": "true",
        "boot.host_shutdown_timeout": str(SHUTDOWN_S),
    }


def devices() -> dict[str, Mapping[str, str] | None]:
    """Return the devices of a node's profile. Without /dev/kmsg the snap does not install."""
    return {"kmsg": {"type": "unix-char", "source": "/dev/kmsg", "path": "/dev/kmsg"}}


def digest(
    config: Mapping[str, str | None], devices: Mapping[str, Mapping[str, str] | None]
) -> str:
    """Return a short text that is another one for other keys or devices."""
    text = json.dumps([dict(config), {name: one and dict(one) for name, one in devices.items()}])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def drift(
    config: Mapping[str, str],
    devices: Devices,
    wanted: Mapping[str, str | None],
    wanted_devices: Mapping[str, Mapping[str, str] | None],
) -> tuple[str, ...]:
    """Return which of our keys and devices of a profile are not as they should be."""
    wrong = [key for key, value in wanted.items() if config.get(key) != value]
    wrong += [f"device {name}" for name, one in wanted_devices.items() if devices.get(name) != one]
    return tuple(sorted(wrong))
