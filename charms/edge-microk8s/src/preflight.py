"""What a machine must have before MicroK8s is installed; each finding with the exact remedy."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator, Sequence

import footprint
from edgecloud import host
from edgecloud.host import failures, files, kernel_line, ports

MODULES = ("vxlan", "br_netfilter", "overlay", "nf_conntrack")
PORTS = {
    16443: "the Kubernetes API",
    25000: "the cluster agent",
    19001: "the datastore",
    10250: "the kubelet",
    10257: "the controller manager",
    10259: "the scheduler",
}

CODES = (
    "64-bit", "memory", "memory-cgroup", "modules", "hostname", "disk", "inodes", "clock",
    "kmsg", "ports", "sudo",
)  # fmt: skip
"""All that is checked, in the order of the list that the action prints."""

DISK_BYTES = {"control-plane": 4 * 10**9, "worker": 3 * 10**9}
INODES = 50_000
EARLIEST = 1_735_689_600.0
"""2025-01-01. A Pi without a battery starts in the past, and certificates made then are void."""
LATEST = 4_102_444_800.0
"""2100-01-01."""

_DATA = "/var/snap"
_HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_TIMEOUT_S = 20


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the machine is and has, looked up once."""

    bits: int
    memory_kb: int
    hostname: str
    memory_cgroup: bool
    boot_file: str
    """Where the kernel command line is kept; empty if this is no Pi."""
    boot_line: str
    missing_modules: tuple[str, ...]
    free_bytes: int
    free_inodes: int
    now: float
    in_lxd: bool
    kmsg: bool
    taken_ports: tuple[int, ...]
    """Those of :data:`PORTS` on which something listens that is not MicroK8s."""
    sudo: bool


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that keeps MicroK8s from running here."""

    code: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}: {self.remedy}"


def gather(host: host.Host, *, installed: bool) -> Facts:
    """Look everything up.

    Args:
        host: the machine.
        installed: whether MicroK8s is there already, and so on its ports.
    """
    boot_file = kernel_line.boot_file(host)
    return Facts(
        bits=64 if sys.maxsize > 2**32 else 32,
        memory_kb=memory_kb(host),
        hostname=files.read(host, "/etc/hostname").strip(),
        memory_cgroup=kernel_line.has_memory_cgroup(host),
        boot_file=boot_file,
        boot_line=files.read(host, boot_file) if boot_file else "",
        missing_modules=tuple(name for name in MODULES if not _has_module(host, name)),
        free_bytes=host.free_bytes(_DATA),
        free_inodes=host.free_inodes(_DATA),
        now=host.now(),
        in_lxd="lxc" in files.read(host, "/proc/1/environ"),
        kmsg=host.exists("/dev/kmsg"),
        taken_ports=() if installed else ports.taken(host, PORTS),
        sudo=host.exists("/usr/bin/sudo"),
    )


def memory_kb(host: host.Host) -> int:
    """Return the memory that this machine may use, in kB."""
    limit = files.read(host, "/sys/fs/cgroup/memory.max")
    return footprint.usable_kb(files.read(host, "/proc/meminfo"), limit)


def judge(facts: Facts, *, role: str, profile: str) -> tuple[Finding, ...]:
    """Return what is missing for this role and profile, in the order of :data:`CODES`."""
    found = [*_system(facts, role, profile), *_kernel(facts), *_space(facts, role), *_rest(facts)]
    return tuple(sorted(found, key=lambda finding: CODES.index(finding.code)))


def report(findings: Sequence[Finding]) -> str:
    """Return the whole list, for people: what is well, and what is not with its remedy."""
    lines: list[str] = []
    for code in CODES:
        mine = [finding for finding in findings if finding.code == code]
        lines += [f"FAIL  {code}: {finding.problem}" for finding in mine] or [f"ok    {code}"]
        lines += [f"      -> {finding.remedy}" for finding in mine]
    return "\n".join(lines)


def _system(facts: Facts, role: str, profile: str) -> Iterator[Finding]:
    if facts.bits != 64:
        yield Finding(
            "64-bit", "this system is 32-bit", "install the 64-bit Ubuntu Server image (arm64)"
        )
    problem = footprint.problem(profile, role, facts.memory_kb)
    if problem:
        what, _, remedy = problem.partition(": ")
        yield Finding("memory", what, remedy)
    if not _HOSTNAME.fullmatch(facts.hostname):
        yield Finding(
            "hostname",
            f"host name {facts.hostname!r} is not legal for a node",
            "use up to 63 lower-case letters, digits and hyphens:"
            " `sudo hostnamectl set-hostname NAME`, then reboot",
        )


def _kernel(facts: Facts) -> Iterator[Finding]:
    if not facts.memory_cgroup:
        yield Finding("memory-cgroup", "the kernel keeps no account of memory", _cgroup_way(facts))
    if facts.missing_modules:
        names = " and ".join(facts.missing_modules)
        word = "modules" if len(facts.missing_modules) > 1 else "module"
        yield Finding("modules", f"no kernel {word} {names}", _modules_way(facts))
    if not facts.kmsg:
        remedy = "make sure that the kernel offers it"
        if facts.in_lxd:
            remedy = (
                "give the container the device: Juju 3.6 takes it from the charm's"
                " lxd-profile.yaml; on Juju 4 add the profile that the README shows"
            )
        yield Finding("kmsg", "there is no /dev/kmsg", remedy)


def _space(facts: Facts, role: str) -> Iterator[Finding]:
    needed = DISK_BYTES.get(role, max(DISK_BYTES.values()))
    if facts.free_bytes < needed:
        has = f"{facts.free_bytes / 10**9:.1f} GB free below /var"
        yield Finding(
            "disk", f"{has}, {needed / 10**9:.0f} GB are needed", "free some, or use a larger card"
        )
    if facts.free_inodes < INODES:
        yield Finding(
            "inodes",
            f"only {facts.free_inodes} more files fit below /var, {INODES} are needed",
            "delete what consists of many small files, or use a larger card",
        )


def _rest(facts: Facts) -> Iterator[Finding]:
    if not EARLIEST <= facts.now <= LATEST:
        yield Finding(
            "clock",
            "the clock is wrong, and certificates made now would be void",
            "let it be set over the network (`timedatectl set-ntp true`), or by hand",
        )
    if facts.taken_ports:
        taken = ", ".join(f"{port} ({PORTS[port]})" for port in facts.taken_ports)
        yield Finding(
            "ports",
            f"something else listens on port {taken}",
            "stop it; `sudo ss -ltnp` shows what it is",
        )
    if not facts.sudo:
        yield Finding(
            "sudo", "there is no sudo, which MicroK8s calls", "`apt-get install sudo` as root"
        )


def _cgroup_way(facts: Facts) -> str:
    if facts.in_lxd:
        flags = kernel_line.CGROUP_FLAGS
        return f"add `{flags}` to the kernel command line of the host, and reboot the host"
    return kernel_line.cgroup_remedy(facts.boot_file, facts.boot_line)


def _modules_way(facts: Facts) -> str:
    if facts.in_lxd:
        names = ",".join(facts.missing_modules)
        return (
            f"load on the host: `sudo modprobe -a {names.replace(',', ' ')}`, and for every boot"
        )
    if facts.boot_file:
        return "`sudo apt-get install linux-modules-extra-raspi`, then reboot"
    return "`sudo apt-get install linux-modules-extra-$(uname -r)`"


def _has_module(host: host.Host, name: str) -> bool:
    """Return whether a module is loaded, built in, or could be loaded."""
    if host.exists(f"/sys/module/{name}"):
        return True
    try:
        result = host.run(("/usr/sbin/modprobe", "-n", name), timeout_s=_TIMEOUT_S, check=False)
    except failures.FAILURES:
        return False
    return result.returncode == 0
