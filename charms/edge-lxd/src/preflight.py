"""What a machine must have before LXD is installed on it; each finding with the exact remedy."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator

from edgecloud import host as machines
from edgecloud.host import failures, files

CGROUP_FLAGS = "cgroup_enable=memory cgroup_memory=1"
BOOT_FILES = ("/boot/firmware/current/cmdline.txt", "/boot/firmware/cmdline.txt")
"""Where a Raspberry Pi keeps its kernel command line: since 25.10, and before."""

PORTS = {8443: "LXD's API", 8444: "LXD's metrics"}
MEMORY_KB = 900_000
DISK_BYTES = 2 * 10**9
EARLIEST = 1_735_689_600.0
"""2025-01-01. A Pi without a battery starts in the past, and certificates made then are void."""

_TIMEOUT_S = 20


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
    boot_file = next((path for path in BOOT_FILES if host.exists(path)), "")
    return Facts(
        bits=64 if sys.maxsize > 2**32 else 32,
        memory_kb=_memory_kb(files.read(host, "/proc/meminfo")),
        memory_cgroup=_has_memory_cgroup(host),
        boot_file=boot_file,
        boot_line=files.read(host, boot_file) if boot_file else "",
        free_bytes=host.free_bytes("/var/snap"),
        now=host.now(),
        taken_ports=_taken_ports(host),
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
        yield Finding("the kernel keeps no account of memory", _cgroup_way(facts))
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


def _cgroup_way(facts: Facts) -> str:
    if not facts.boot_file:
        return f"add `{CGROUP_FLAGS}` to the kernel command line, then reboot"
    if "cgroup_enable=memory" in facts.boot_line.split():
        return "reboot: the kernel command line has it already"
    return (
        f"append ` {CGROUP_FLAGS}` to the one line of {facts.boot_file}"
        f" (`sudo sed -i '1s/$/ {CGROUP_FLAGS}/' {facts.boot_file}`), then reboot"
    )


def _memory_kb(meminfo: str) -> int:
    rows = (line.split() for line in meminfo.splitlines())
    return next((int(row[1]) for row in rows if row[:1] == ["MemTotal:"]), 0)


def _has_memory_cgroup(host: machines.Host) -> bool:
    if "memory" in files.read(host, "/sys/fs/cgroup/cgroup.controllers").split():
        return True
    return "cgroup/memory" in files.read(host, "/proc/self/mountinfo")


def _taken_ports(host: machines.Host) -> tuple[int, ...]:
    try:
        text = host.run(("/usr/bin/ss", "-H", "-ltn"), timeout_s=_TIMEOUT_S).stdout
    except failures.FAILURES:
        # Not knowing is no reason to refuse: LXD itself says so if a port is taken.
        return ()
    rows = [line.split() for line in text.splitlines()]
    ports = {row[3].rpartition(":")[2] for row in rows if len(row) > 3}
    return tuple(sorted(int(port) for port in ports if port.isdigit() and int(port) in PORTS))
