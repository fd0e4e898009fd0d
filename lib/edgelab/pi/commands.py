"""Which programs a machine has, and the way from a command line to the function that plays it."""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence

from edgelab.pi import (
    apt,
    debian,
    durations,
    eeprom,
    faults,
    files,
    kubectl,
    microk8s,
    passthrough,
    probes,
    shell,
    snap_command,
    systemd,
    telemetry,
)
from edgelab.pi import datastore_shell as dqlite
from edgelab.pi.lxd import api as lxd_api
from edgelab.pi.lxd import daemon as lxd_daemon
from edgelab.pi.lxd import program as lxd_program
from edgelab.pi.process import Exit, Process

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

Program = Callable[[Process], int]

SYSTEM: dict[str, Program] = {
    "/bin/sh": shell.run,
    "/usr/bin/snap": snap_command.run,
    "/usr/bin/systemctl": systemd.systemctl,
    "/usr/bin/systemd-run": systemd.systemd_run,
    "/usr/bin/systemd-analyze": systemd.systemd_analyze,
    "/usr/bin/journalctl": systemd.journalctl,
    "/usr/sbin/modprobe": debian.modprobe,
    "/usr/bin/apt-get": apt.apt_get,
    "/usr/bin/apt-mark": apt.mark,
    "/usr/bin/dpkg-query": apt.query,
    "/usr/bin/dpkg": apt.dpkg,
    "/usr/sbin/nft": debian.nft,
    "/usr/bin/hostname": debian.hostname,
    "/usr/sbin/sysctl": debian.sysctl,
    "/usr/bin/ss": debian.ss,
    "/usr/bin/juju-exec": debian.juju_exec,
    "/usr/bin/sudo": debian.sudo,
    "/usr/sbin/reboot": debian.reboot,
    "/usr/bin/true": debian.true,
    "/usr/bin/curl": probes.curl,
    "/usr/bin/vcgencmd": probes.vcgencmd,
    "/usr/bin/rpi-eeprom-update": eeprom.update,
    "/usr/bin/openssl": passthrough.openssl,
    "/usr/bin/python3": passthrough.python,
    "/usr/bin/sha256sum": passthrough.real,
    "/usr/bin/tar": passthrough.real,
}
MICROK8S: dict[str, Program] = {
    "/snap/bin/microk8s": microk8s.run,
    "/snap/microk8s/current/kubectl": kubectl.run,
    "/snap/microk8s/current/bin/dqlite": dqlite.run,
}
LXD: dict[str, Program] = {
    lxd_daemon.PROGRAM: lxd_program.run,
    lxd_daemon.API: lxd_api.run,
}
SNAPS: dict[str, Program] = {**MICROK8S, **LXD}
PACKAGED: dict[str, Program] = telemetry.PROGRAMS
"""Programs that are there once their package is installed."""

_BARE = {path.rpartition("/")[2]: path for path in (*SYSTEM, "/snap/bin/microk8s")}
_READ_ONLY = frozenset(
    {
        "/snap/microk8s/current/bin/dqlite",
        "/usr/bin/curl",
        "/usr/bin/dpkg",
        "/usr/bin/hostname",
        "/usr/bin/ss",
        "/usr/bin/vcgencmd",
    }
)
_LOOKS = {
    "/usr/bin/snap": frozenset({"changes", "get", "list", "services", "version"}),
    "/usr/bin/systemctl": frozenset({"cat", "is-active", "is-enabled", "is-failed", "show"}),
}
"""Of programs that change much, the words by which they only look."""


def make_programs(machine: machines.Machine) -> None:
    """Put a file where each program lies, for those who look whether it is there."""
    for path in SYSTEM:
        if path != "/usr/bin/sudo" or machine.has_sudo:
            files.write(machine, path, "", 0o755)


def execute(process: Process) -> int:
    """Run a command with what its fault does to it, and return its exit code."""
    program = _find(process)
    effect = process.effect
    if effect is not None and effect.kind in _BEFORE:
        code = _BEFORE[effect.kind](process, effect)
        if code is not None:
            return code
    process.spend(durations.COMMAND)
    try:
        code = program(process)
    except Exit as end:
        code = end.code
    if effect is None:
        return code
    if effect.kind == "fail-late":
        process.complain(effect.stderr)
        return effect.exit_code
    if effect.kind == "cut-after":
        process.machine.power_off()
        raise faults.PowerCut(process.machine.id)
    return code


def changes_anything(argv: Sequence[str]) -> bool:
    """Return whether the background should look again after this command."""
    if argv[0] in _READ_ONLY or (argv[0] == lxd_daemon.API and lxd_api.only_looks(*argv[1:3])):
        return False
    if argv[1:2] and argv[1] in _LOOKS.get(argv[0], ()):
        return False
    if argv[0] == "/bin/sh":
        return shell.changes_files(argv[-1])
    return not (argv[0].endswith("/kubectl") and "get" in argv)


def _find(process: Process) -> Program:
    name = process.argv[0]
    path = name if "/" in name else _BARE.get(name, name)
    table = SNAPS if path.startswith("/snap/") else PACKAGED if path in PACKAGED else SYSTEM
    if path not in table or not files.exists(process.machine, path):
        raise FileNotFoundError(2, "No such file or directory", name)
    process.argv[0] = path
    return table[path]


def _fail(process: Process, effect: faults.Effect) -> int:
    process.spend(durations.COMMAND)
    if effect.stderr:
        process.complain(effect.stderr)
    return effect.exit_code


def _hang(process: Process, effect: faults.Effect) -> int | None:
    process.hang()


def _slow(process: Process, effect: faults.Effect) -> int | None:
    process.spend(effect.seconds)
    return None


def _cut(process: Process, effect: faults.Effect) -> int | None:
    if effect.kind == "brown-out":
        process.machine.reboot()
    else:
        process.machine.power_off()
    raise faults.PowerCut(process.machine.id)


_BEFORE: dict[str, Callable[[Process, faults.Effect], int | None]] = {
    "fail": _fail,
    "hang": _hang,
    "slow": _slow,
    "cut-before": _cut,
    "brown-out": _cut,
}
