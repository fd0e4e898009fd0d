"""What a machine must have before LXD is installed on it; each finding with the exact remedy."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator

from edgecloud import host as machines
from edgecloud.host import files, kernel_line, ports

PORTS = {8443: "LXD's API", 8444: "LXD's metrics"}
MEMORY_KB = 900_000
DISK_BYTES = 2 * 10**9
EARLIEST = 1_735_689_600.0
"""2025-01-01. A Pi without a battery starts in the past, and certificates made then are void."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the machine is and has."""

    bits: int
    memory_kb: int
    memory_cgroup: bool
    boot_file: str
    """Where the kernel command line is kept; empty if this is no Pi."""
    boot_line: str
    free_bytes: int
    now: float
    taken_ports: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that keeps LXD from running here."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}: {self.remedy}"


def gather(host: machines.Host) -> Facts:
    """Look everything up, before LXD is installed."""
    boot_file = kernel_line.boot_file(host)
    return Facts(
        bits=64 if sys.maxsize > 2**32 else 32,
        memory_kb=_memory_kb(files.read(host, "/proc/meminfo")),
        memory_cgroup=kernel_line.has_memory_cgroup(host),
        boot_file=boot_file,
        boot_line=files.read(host, boot_file) if boot_file else "",
        free_bytes=host.free_bytes("/var/snap"),
        now=host.now(),
        taken_ports=ports.taken(host, PORTS),
    )


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Return what is missing."""
    return tuple(_findings(facts))


def _findings(facts: Facts) -> Iterator[Finding]:
    if facts.bits != 64:
        yield Finding("this system is 32-bit", "install the 64-bit Ubuntu Server image (arm64)")
    if facts.memory_kb < MEMORY_KB:
        has = f"{facts.memory_kb // 1024} MB of memory"
        yield Finding(has, "use a machine with 1 GB or more")
    if not facts.memory_cgroup:
        remedy = kernel_line.cgroup_remedy(facts.boot_file, facts.boot_line)
        yield Finding("the kernel keeps no account of memory", remedy)
    if facts.free_bytes < DISK_BYTES:
        has = f"{facts.free_bytes / 10**9:.1f} GB free below /var, 2 GB are needed"
        yield Finding(has, "free some, or use a larger card")
    if facts.now < EARLIEST:
        yield Finding(
            "the clock is wrong, and certificates made now would be void",
            "let it be set over the network (`timedatectl set-ntp true`), or by hand",
        )
    for port in facts.taken_ports:
        yield Finding(
            f"something else listens on port {port} ({PORTS[port]})",
            "stop it; `sudo ss -ltnp` shows what it is",
        )


def _memory_kb(meminfo: str) -> int:
    rows = (line.split() for line in meminfo.splitlines())
    return next((int(row[1]) for row in rows if row[:1] == ["MemTotal:"]), 0)
