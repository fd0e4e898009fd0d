"""Read off this machine what it is, and claim it for one unit of this charm."""

from __future__ import annotations

import os
import re

from edgecloud import host as machines
from edgecloud.host import files
from identity import Board

STATE = "/var/lib/edge-node"
OWNER = f"{STATE}/owner"
WATCHED = "/etc/edge-node/scrape.yml"
"""What is collected here; first of what collecting needs to come, last to go."""
GUARD = "/etc/edge-node/web.yml"
"""What guards this machine's metrics where they are scraped from elsewhere."""
EXPORTER = "/etc/systemd/system/edge-node-exporter.service"
"""What tells them. All named here, so that a machine without them need not know more."""
AGENTS = "/var/lib/juju/agents"

_ARCHES = {"aarch64": "arm64", "x86_64": "amd64", "armv7l": "armhf"}


def board(host: machines.Host) -> Board:
    """Return what this machine is."""
    model = files.read(host, "/proc/device-tree/model").strip("\0\n ")
    release = files.read(host, "/etc/os-release")
    found = re.search(r'^VERSION_ID="?([\w.]+)', release, re.MULTILINE)
    name = re.search(r"^ID=(\w+)", release, re.MULTILINE)
    return Board(
        hostname=files.read(host, "/etc/hostname").strip().lower(),
        arch=_arch(host),
        model=model,
        base=f"{name[1]}-{found[1]}" if name and found else "",
    )


def _arch(host: machines.Host) -> str:
    """Return the architecture as snaps name it, from the kernel's own file where it has one."""
    said = files.read(host, "/proc/sys/kernel/arch").strip() or os.uname().machine
    return _ARCHES.get(said, said)


def rival(host: machines.Host, unit: str) -> str:
    """Return which other unit of this charm has this machine; empty if it is ours to have."""
    owner = files.read(host, OWNER).strip()
    if owner in ("", unit):
        return ""
    # A unit that was removed by force never gave its claim up; Juju took its folder away.
    return owner if host.exists(f"{AGENTS}/unit-{owner.replace('/', '-')}") else ""


def is_watched(host: machines.Host) -> bool:
    """Return whether this machine's metrics are collected."""
    return host.exists(WATCHED)


def is_shown(host: machines.Host) -> bool:
    """Return whether this machine's metrics are there for a monitor elsewhere to scrape."""
    return host.exists(GUARD)


def memory_kb(host: machines.Host) -> int:
    """Return the memory that this machine may use; 0 if that is not known.

    In a container the kernel may count the host's, and the limit is that of its control group.
    """
    found = re.search(r"^MemTotal:\s+(\d+)", files.read(host, "/proc/meminfo"), re.MULTILINE)
    limit = files.read(host, "/sys/fs/cgroup/memory.max").strip()
    known = [int(found[1])] if found else []
    return min([*known, *([int(limit) // 1024] if limit.isdigit() else [])], default=0)


def is_exported(host: machines.Host) -> bool:
    """Return whether this machine's metrics are there to be collected."""
    return host.exists(EXPORTER)


def claim(host: machines.Host, unit: str) -> None:
    """Make this unit the one that speaks for the machine."""
    host.write(OWNER, f"{unit}\n")


def release(host: machines.Host, unit: str) -> None:
    """Give the claim up, if it is ours."""
    if files.read(host, OWNER).strip() == unit:
        host.remove(OWNER)
