"""Whether this machine is well, by what can be seen on it alone.

No check asks anything beyond the machine's own sockets and files: a cut uplink, a name server or a
lease that went away must never take a good system back. What is shipped here is joined by what a
site puts into ``required.d`` and ``wanted.d``: programs that end with 0 if all is well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgecloud import host
from edgecloud.agent import hardware, paths
from edgecloud.agent import settings as machine_settings
from edgecloud.host import failures, systemd

CURL = "/usr/bin/curl"
KUBELET = "http://127.0.0.1:10248/healthz"
API = "https://127.0.0.1:16443/livez?exclude=etcd"

_LEAST_FREE = 256 * 1024**2
_LEAST_INODES = 2000
_CHECK_S = 30
_REPLY_S = 5

Settings = machine_settings.Settings
Check = Callable[[host.Host, Settings], str]
"""Returns what is wrong; empty if nothing is."""


@dataclass(frozen=True)
class Verdict:
    """What the checks found: name of the check → what is wrong."""

    failed: Mapping[str, str]
    warned: Mapping[str, str]

    @property
    def is_well(self) -> bool:
        """Whether every required check passed."""
        return not self.failed

    def __str__(self) -> str:
        return "; ".join(f"{name}: {problem}" for name, problem in self.failed.items())


def run(machine: host.Host, settings: Settings) -> Verdict:
    """Run all checks that this machine's part in the site calls for."""
    required = _shipped(settings, REQUIRED) | _own(machine, paths.REQUIRED)
    wanted = _shipped(settings, WANTED) | _own(machine, paths.WANTED)
    return Verdict(_failing(machine, settings, required), _failing(machine, settings, wanted))


def _failing(
    machine: host.Host, settings: Settings, checks: Mapping[str, Check]
) -> dict[str, str]:
    found = {name: _safely(check, machine, settings) for name, check in checks.items()}
    return {name: problem for name, problem in found.items() if problem}


def _safely(check: Check, machine: host.Host, settings: Settings) -> str:
    try:
        return check(machine, settings)
    except (systemd.SystemdError, *failures.FAILURES) as e:
        return str(e)


def _shipped(settings: Settings, names: Mapping[str, Check]) -> dict[str, Check]:
    if settings.node:
        left_out = {"datastore"} if settings.worker else set[str]()
    else:
        left_out = {"kubelet", "containerd", "datastore"}
    return {name: check for name, check in names.items() if name not in left_out}


def _own(machine: host.Host, folder: str) -> dict[str, Check]:
    names = [path for path in machine.glob(f"{folder}/*") if not path.endswith("~")]
    return {path.rpartition("/")[2]: _program(path) for path in names}


def _program(path: str) -> Check:
    def check(machine: host.Host, settings: Settings) -> str:
        machine.run((path,), timeout_s=_CHECK_S)
        return ""

    return check


def _kubelet(machine: host.Host, settings: Settings) -> str:
    if not systemd.is_active(machine, "snap.microk8s.daemon-kubelite.service"):
        return "the service does not run"
    return _asked(machine, KUBELET)


def _containerd(machine: host.Host, settings: Settings) -> str:
    is_active = systemd.is_active(machine, "snap.microk8s.daemon-containerd.service")
    return "" if is_active else "the service does not run"


def _datastore(machine: host.Host, settings: Settings) -> str:
    if not systemd.is_active(machine, "snap.microk8s.daemon-k8s-dqlite.service"):
        return "the service does not run"
    return _asked(machine, API)


def _asked(machine: host.Host, url: str) -> str:
    # The certificate is the node's own; nothing secret is asked, nothing said is acted on.
    command = (CURL, "-sSfk", f"--max-time={_REPLY_S}", "--noproxy", "*", "-o", "/dev/null", url)
    try:
        machine.run(command, timeout_s=2 * _REPLY_S)
    except failures.FAILURES as e:
        return failures.explain(e, "its socket")
    return ""


def _root_writable(machine: host.Host, settings: Settings) -> str:
    probe = f"{paths.HOME}/.probe"
    machine.remove(probe)
    machine.write(probe, "written\n")
    return ""


def _modules(machine: host.Host, settings: Settings) -> str:
    loaded = {name: machine.exists(f"/sys/module/{name}") for name in settings.modules}
    missing = [name for name, there in loaded.items() if not there]
    return f"not loaded: {', '.join(missing)}" if missing else ""


def _disk(machine: host.Host, settings: Settings) -> str:
    for path in ("/var/lib", paths.HOME):  # The agent's own home may be on another partition.
        if machine.free_bytes(path) < _LEAST_FREE:
            return f"less than 256 MiB are free below {path}"
        if machine.free_inodes(path) < _LEAST_INODES:
            return f"too few files are left below {path}"
    return ""


def _clock(machine: host.Host, settings: Settings) -> str:
    return "" if hardware.is_clock_trusted(machine, settings) else "not synchronised"


def _voltage(machine: host.Host, settings: Settings) -> str:
    return "below its limit now" if hardware.look(machine).undervoltage_now else ""


REQUIRED: Mapping[str, Check] = {
    "kubelet": _kubelet,
    "containerd": _containerd,
    "datastore": _datastore,
    "root-writable": _root_writable,
    "modules": _modules,
    "disk": _disk,
}
WANTED: Mapping[str, Check] = {"clock": _clock, "voltage": _voltage}
