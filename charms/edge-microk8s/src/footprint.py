"""What a memory profile sets, and which profile a machine's memory calls for. Pure.

The figures are explained in docs/explanation/footprint.md.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

AUTO = "auto"
CONTROL_PLANE = "control-plane"

GUARD_KB = 524288
"""Up to here, in kB of memory, MicroK8s itself refuses to start a control plane."""

CONTROL_PLANE_KB = 870400
"""What a machine sold with 1 GB has at least, once firmware and kernel took their share."""

WORKER_KB = 393216
"""What a machine sold with 512 MB has at least."""


@dataclasses.dataclass(frozen=True)
class Profile:
    """How a node lives within its memory."""

    name: str
    from_kb: int
    """The memory it is made for, as the kernel counts it."""
    sold_as: str
    kube_reserved_mb: int
    """Kept free for MicroK8s."""
    system_reserved_mb: int
    """Kept free for everything else that is no pod."""
    evict_below_mb: int
    """Pods are evicted when less memory than this is left."""
    max_pods: int
    event_ttl: str
    image_gc: tuple[int, int]
    """Unused images are deleted above the first per cent of disk use, down to the second."""
    parallel_pulls: bool
    dns_replicas: int
    """Replicas of the cluster's DNS, where there are as many nodes."""
    journal_mb: int
    """The most that the system log may take on disk."""


PROFILES = (
    Profile("worker-512", 0, "512 MB", 96, 64, 40, 20, "5m", (80, 70), False, 1, 32),
    Profile("tiny-1g", CONTROL_PLANE_KB, "1 GB", 384, 96, 64, 30, "3m", (80, 70), False, 1, 48),
    Profile("std-2g", 1740800, "2 GB", 640, 128, 100, 60, "5m", (85, 75), False, 2, 96),
    Profile("full-4g", 3481600, "4 GB", 768, 256, 100, 110, "15m", (85, 80), True, 2, 200),
)
NAMES = tuple(profile.name for profile in PROFILES)
WORKERS_ONLY = "worker-512"


def usable_kb(meminfo: str, cgroup_limit: str) -> int:
    """Return the memory that this machine may use, in kB.

    Args:
        meminfo: text of ``/proc/meminfo``. In a container it may show the host's memory.
        cgroup_limit: text of ``/sys/fs/cgroup/memory.max``; empty if there is none.
    """
    total = next(
        (int(line.split()[1]) for line in meminfo.splitlines() if line.startswith("MemTotal:")), 0
    )
    limit = cgroup_limit.strip()
    if not limit.isdigit():
        return total
    return min(total, int(limit) // 1024) if total else int(limit) // 1024


def choose(wanted: str, memory_kb: int) -> Profile:
    """Return the profile that was asked for; for ``auto`` the largest that fits."""
    if wanted == AUTO:
        return [
            profile for profile in PROFILES if profile.from_kb <= memory_kb or not profile.from_kb
        ][-1]
    return next(profile for profile in PROFILES if profile.name == wanted)


def problem(wanted: str, role: str, memory_kb: int) -> str | None:
    """Return why this role and profile do not fit this machine, and what to do about it."""
    has = f"this machine has {memory_kb // 1024} MB"
    if role == CONTROL_PLANE and memory_kb < CONTROL_PLANE_KB:
        return (
            f"role=control-plane needs 1 GB of memory, {has}: deploy it in an application of its"
            " own with role=worker, or use a larger machine"
        )
    if role == CONTROL_PLANE and wanted == WORKERS_ONLY:
        return f"profile={wanted} is for role=worker only: set profile=auto"
    if memory_kb < WORKER_KB:
        return f"a worker needs 512 MB of memory, {has}: use a larger machine"
    profile = choose(wanted, memory_kb)
    if memory_kb < profile.from_kb:
        return f"profile={wanted} needs {profile.sold_as} of memory, {has}: set profile=auto"
    return None


def kubelet_flags(profile: Profile) -> dict[str, str]:
    """Return the kubelet's flags. No value has a space in it: the kubelet would split it there.

    Every profile sets the same flags, so that none is left over from the node whose file a
    joining node was given.
    """
    high, low = profile.image_gc
    evict = f"memory.available<{profile.evict_below_mb}Mi"
    return {
        "--kube-reserved": f"memory={profile.kube_reserved_mb}Mi",
        "--system-reserved": f"memory={profile.system_reserved_mb}Mi",
        "--eviction-hard": f"{evict},nodefs.available<1Gi,imagefs.available<1Gi",
        "--max-pods": str(profile.max_pods),
        "--image-gc-high-threshold": str(high),
        "--image-gc-low-threshold": str(low),
        "--serialize-image-pulls": str(not profile.parallel_pulls).lower(),
    }


def api_server_flags(profile: Profile) -> dict[str, str]:
    """Return the API server's flags."""
    return {"--event-ttl": profile.event_ttl}


def dns_replicas(profile: Profile, nodes: int) -> int:
    """Return how many replicas of the cluster's DNS there should be on this many nodes."""
    return max(1, min(profile.dns_replicas, nodes))


def journald(profile: Profile, datastore: str) -> str:
    """Return the drop-in that keeps the system log small, and the card quiet."""
    sync = "15m" if datastore == "sd" else "5m"
    return (
        "# Written by the charm edge-microk8s: the limits of its memory profile.\n"
        "[Journal]\n"
        f"SystemMaxUse={profile.journal_mb}M\n"
        f"RuntimeMaxUse={profile.journal_mb // 2}M\n"
        f"SyncIntervalSec={sync}\n"
    )


def tuning(datastore: str) -> str:
    """Return the datastore's ``tuning.yaml``; JSON, which is YAML too and needs no library.

    An SD card can take a second for one write. Members that wait longer for each other hold
    fewer elections; and fewer, larger snapshots mean less to write.
    """
    settings: dict[str, Any] = {
        "sd": {
            "snapshot": {"threshold": 1024, "trailing": 2048},
            "network-latency": "50ms",
            "kine-compact-interval": "10m",
        },
        "ssd": {
            "snapshot": {"threshold": 512, "trailing": 1024},
            "network-latency": "20ms",
            "kine-compact-interval": "5m",
        },
    }[datastore]
    return json.dumps(settings, indent=1) + "\n"
