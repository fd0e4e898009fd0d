"""Settings of this machine's kernel that all its containers share."""

from __future__ import annotations

from edgecloud import host as machines
from edgecloud.host import failures

SYSCTLS = {
    "fs.aio-max-nr": "524288",
    "fs.inotify.max_queued_events": "1048576",
    "fs.inotify.max_user_instances": "1048576",
    "fs.inotify.max_user_watches": "1048576",
    "kernel.keys.maxbytes": "2000000",
    "kernel.keys.maxkeys": "2000",
    "net.ipv4.neigh.default.gc_thresh3": "8192",
    "net.ipv6.neigh.default.gc_thresh3": "8192",
    "vm.max_map_count": "262144",
    # What a kubelet sets; a privileged node would do so behind everybody's back.
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "vm.overcommit_memory": "1",
}

SYSCTL_FILE = "/etc/sysctl.d/60-edge-lxd.conf"
MODULES_FILE = "/etc/modules-load.d/edge-lxd.conf"

SYSCTL = "/usr/sbin/sysctl"
MODPROBE = "/usr/sbin/modprobe"

_TIMEOUT_S = 30


class TuningError(failures.WorkloadError):
    """The kernel did not take a setting."""


def ensure_sysctls(host: machines.Host) -> bool:
    """Set what containers share, now and at every boot. Return whether anything changed."""
    text = "".join(f"{key} = {value}\n" for key, value in sorted(SYSCTLS.items()))
    if not host.write(SYSCTL_FILE, text):
        return False
    try:
        # A key that this kernel does not have is passed over.
        host.run((SYSCTL, "--ignore", "--load", SYSCTL_FILE), timeout_s=_TIMEOUT_S)
    except failures.FAILURES as error:
        host.remove(SYSCTL_FILE)  # So that the next hook tries again.
        raise TuningError(failures.explain(error, "sysctl")) from error
    return True


def drifted(host: machines.Host) -> tuple[str, ...]:
    """Return the settings that somebody has changed since: a privileged container can."""
    wrong: list[str] = []
    for key, value in sorted(SYSCTLS.items()):
        path = f"/proc/sys/{key.replace('.', '/')}"
        try:
            now = host.read(path).strip()
        except OSError:
            continue
        wrong += [f"{key}={now}"] if now != value else []
    return tuple(wrong)


def ensure_modules(host: machines.Host, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Load the modules that this machine has, now and at every boot. Return what it lacks."""
    lacking = tuple(name for name in wanted if not has_module(host, name))
    present = [name for name in wanted if name not in lacking]
    if host.write(MODULES_FILE, "".join(f"{name}\n" for name in present)):
        return (*lacking, *(name for name in present if not _modprobe(host, name)))
    return lacking


def has_module(host: machines.Host, name: str) -> bool:
    """Return whether a module is loaded, built in, or could be loaded."""
    return host.exists(f"/sys/module/{name}") or _modprobe(host, "-n", name)


def _modprobe(host: machines.Host, *arguments: str) -> bool:
    try:
        return host.run((MODPROBE, *arguments), timeout_s=_TIMEOUT_S, check=False).returncode == 0
    except failures.FAILURES:
        return False


def remove(host: machines.Host) -> None:
    """Take the files back; what the kernel has now lasts until the next boot."""
    host.remove(SYSCTL_FILE)
    host.remove(MODULES_FILE)
