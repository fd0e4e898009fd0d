"""The kernel command line of a Pi, and the memory cgroup that has to be switched on there."""

from __future__ import annotations

from edgecloud import host as machines
from edgecloud.host import files

BOOT_FILES = ("/boot/firmware/current/cmdline.txt", "/boot/firmware/cmdline.txt")
"""Where a Raspberry Pi keeps its kernel command line: since 25.10, and before."""

CGROUP_FLAGS = "cgroup_enable=memory cgroup_memory=1"
"""What Ubuntu's images for the Pi leave out, and without which no limit on memory holds."""


def boot_file(host: machines.Host) -> str:
    """Return where the command line is kept; empty if this is no Pi."""
    return next((path for path in BOOT_FILES if host.exists(path)), "")


def has_memory_cgroup(host: machines.Host) -> bool:
    """Return whether the running kernel counts and limits memory, by either version of cgroups."""
    if "memory" in files.read(host, "/sys/fs/cgroup/cgroup.controllers").split():
        return True
    return "cgroup/memory" in files.read(host, "/proc/self/mountinfo")


def cgroup_remedy(file: str, line: str) -> str:
    """Return what an operator has to do about a missing memory cgroup.

    Args:
        file: where the command line is kept; empty if that is not known.
        line: what stands there.
    """
    if not file:
        return f"add `{CGROUP_FLAGS}` to the kernel command line, then reboot"
    if "cgroup_enable=memory" in line.split():
        return "reboot: the kernel command line has it already"
    return (
        f"append ` {CGROUP_FLAGS}` to the one line of {file}"
        f" (`sudo sed -i '1s/$/ {CGROUP_FLAGS}/' {file}`), then reboot"
    )
