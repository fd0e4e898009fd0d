"""What the hardware and the kernel of a simulated machine show in files, and how it boots."""

from __future__ import annotations

import typing
from typing import Any

from edgelab.pi import board, durations, files
from edgelab.pi.lxd import daemon as lxd

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

_KERNEL_ARCHES = {"arm64": "aarch64", "amd64": "x86_64"}
_CODENAMES = {"22.04": "jammy", "24.04": "noble", "25.10": "questing", "26.04": "resolute"}


SYNCHRONISED = "/run/systemd/timesync/synchronized"
"""Made when somebody told the machine the time, which takes an uplink; a boot forgets it."""


def usual_drives() -> list[dict[str, Any]]:
    """Return what a well-made Pi has: the card that it boots from, and an empty NVMe disk."""
    return [
        drive("mmcblk0", "", 64, partitions=("mmcblk0p1", "mmcblk0p2")),
        drive("nvme0n1", "nvme", 256),
    ]


def drive(
    name: str,
    kind: str,
    gigabytes: int,
    *,
    removable: bool = False,
    partitions: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return a disk, as LXD shows one."""
    return {
        "id": name,
        "type": kind,
        "size": gigabytes * 10**9,
        "model": f"Model of {name}",
        "device_path": "",
        "removable": removable,
        "read_only": False,
        "partitions": [{"id": one} for one in partitions],
    }


def make_tree(machine: machines.Machine) -> None:
    """Make the files that a freshly flashed machine shows."""
    for folder in (
        "/etc/systemd/system",
        "/tmp",
        "/root",
        "/dev",
        "/var/lib/snapd",
        "/run",
        "/proc",
    ):
        machine.path(folder).mkdir(parents=True, exist_ok=True)
    for path, text in _identity(machine).items():
        files.write(machine, path, text)
    for path, text in _kernel(machine).items():
        files.write(machine, path, text)
    _keep_time(machine)
    if machine.container_of is None:
        for disk in machine.drives:
            files.write(machine, f"/dev/{disk['id']}", "")
        files.write(machine, "/dev/kmsg", "")
        if machine.arch == "arm64":
            _boot_files(machine)
    elif machine.container_of in machine.world.machines:
        lxd.plug(machine.world.machines[machine.container_of])


def boot(machine: machines.Machine) -> None:
    """Come up after a power cut: transient timers are gone, enabled services start."""
    from edgelab.pi import services, snapd, systemd, timers

    machine.boots += 1
    machine.booted_at = machine.world.clock.now()
    _write_boot_id(machine)
    files.write(machine, "/etc/hostname", machine.hostname + "\n")
    _keep_time(machine)
    snapd.resume(machine)
    services.start_enabled(machine, ready_in=durations.NODE_READY_AFTER_BOOT)
    timers.rearm_at_boot(machine)
    systemd.start_enabled(machine)
    lxd.start(machine)
    for inside in _containers(machine):
        if not inside.instance:
            inside.power_on()


def _keep_time(machine: machines.Machine) -> None:
    if machine.uplink:
        files.write(machine, SYNCHRONISED, "")


def lose_power(machine: machines.Machine) -> None:
    """Stop all that ran, at once."""
    from edgelab.pi import services, snapd, timers

    machine.path(SYNCHRONISED).unlink(missing_ok=True)
    snapd.suspend(machine)
    services.drop_all(machine)
    lxd.stop(machine)
    for inside in _containers(machine):
        inside.power_off()
    machine.nft.clear()
    timers.forget_transient(machine)


def _containers(machine: machines.Machine) -> list[machines.Machine]:
    """Return the machines that live in a machine: of Juju's making, or of its LXD's."""
    return [one for one in machine.world.machines.values() if one.container_of == machine.id]


def _identity(machine: machines.Machine) -> dict[str, str]:
    codename = _CODENAMES.get(machine.release, "noble")
    return {
        "/etc/hostname": machine.hostname + "\n",
        "/etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {machine.hostname}\n",
        "/etc/machine-id": machine.world.random_hex("machine-id", 32) + "\n",
        "/etc/os-release": (
            f'PRETTY_NAME="Ubuntu {machine.release} LTS"\nNAME="Ubuntu"\n'
            f'VERSION_ID="{machine.release}"\nVERSION_CODENAME={codename}\nID=ubuntu\n'
            f"ID_LIKE=debian\nUBUNTU_CODENAME={codename}\n"
        ),
        "/etc/resolv.conf": "nameserver 192.0.2.53\n",
    }


def _kernel(machine: machines.Machine) -> dict[str, str]:
    inside = machine.container_of is not None
    shown = {
        "/proc/meminfo": (
            f"MemTotal:       {machine.mem_kb} kB\nMemFree:        {machine.mem_kb // 2} kB\n"
            f"MemAvailable:   {machine.mem_kb * 3 // 4} kB\nSwapTotal:             0 kB\n"
        ),
        "/proc/cmdline": "console=tty1 root=LABEL=writable rootfstype=ext4 cgroup_enable=memory"
        " cgroup_memory=1 rootwait fixrtc\n",
        "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n",
        "/sys/fs/cgroup/cgroup.subtree_control": "cpuset cpu io memory pids\n",
        "/proc/1/environ": "container=lxc\0" if inside else "HOME=/\0TERM=linux\0",
        "/proc/self/mountinfo": "24 30 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
        "30 1 179:2 / / rw,relatime - ext4 /dev/mmcblk0p2 rw\n",
        "/proc/sys/kernel/random/boot_id": _boot_id(machine),
        "/proc/sys/kernel/arch": _KERNEL_ARCHES.get(machine.arch, machine.arch) + "\n",
        "/proc/net/route": "Iface\tDestination\tGateway\neth0\t00000000\t0100140A\n",
        "/proc/loadavg": "0.20 0.15 0.10 1/200 1000\n",
        "/proc/cpuinfo": "".join(f"processor\t: {core}\n\n" for core in range(machine.cores)),
    }
    if machine.arch == "arm64":
        shown |= board.shown(machine)
    if inside:
        shown["/sys/fs/cgroup/memory.max"] = "max\n"
    return shown


def _boot_files(machine: machines.Machine) -> None:
    """Lay out the boot partition: since 25.10 each kernel has a folder of its own."""
    folder = "/boot/firmware" if machine.release < "25.10" else "/boot/firmware/current"
    files.write(machine, f"{folder}/cmdline.txt", files.read(machine, "/proc/cmdline"))
    files.write(machine, "/boot/firmware/config.txt", "[all]\narm_64bit=1\n")


def forget_memory_cgroup(machine: machines.Machine) -> None:
    """Make the machine one whose kernel command line lacks the memory cgroup."""
    line = "console=tty1 root=LABEL=writable rootfstype=ext4 rootwait fixrtc\n"
    controllers = "/sys/fs/cgroup/cgroup.controllers"
    files.write(machine, "/proc/cmdline", line)
    files.write(machine, controllers, files.read(machine, controllers).replace("memory ", ""))
    if machine.arch == "arm64" and machine.container_of is None:
        _boot_files(machine)


def _boot_id(machine: machines.Machine) -> str:
    digits = machine.world.random_hex("boot-id", 32)
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(parts) + "\n"


def _write_boot_id(machine: machines.Machine) -> None:
    files.write(machine, "/proc/sys/kernel/random/boot_id", _boot_id(machine))
    for name in ("cmdline.txt", "current/cmdline.txt"):
        if machine.path(f"/boot/firmware/{name}").exists():
            _apply_command_line(machine, files.read(machine, f"/boot/firmware/{name}"))


def _apply_command_line(machine: machines.Machine, line: str) -> None:
    """Boot with what the boot partition says; the memory cgroup follows from it."""
    files.write(machine, "/proc/cmdline", line)
    controllers = files.read(machine, "/sys/fs/cgroup/cgroup.controllers").split()
    wanted = "cgroup_enable=memory" in line
    if wanted and "memory" not in controllers:
        controllers.insert(3, "memory")
    if not wanted and "memory" in controllers:
        controllers.remove("memory")
    files.write(machine, "/sys/fs/cgroup/cgroup.controllers", " ".join(controllers) + "\n")
