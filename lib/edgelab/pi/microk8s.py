"""``microk8s``: its subcommands, and what a worker or a stopped node answers instead."""

from __future__ import annotations

from collections.abc import Callable

from edgelab.pi import addons, files, kubectl, microk8s_certs, microk8s_data, paths, services
from edgelab.pi import microk8s_members as members
from edgelab.pi import microk8s_status as status
from edgelab.pi import microk8s_upkeep as upkeep
from edgelab.pi.process import Process

Subcommand = Callable[[Process, list[str]], int]

_USE_CONTROL_PLANE = (
    "This MicroK8s deployment is acting as a node in a cluster.\n"
    "Please use the control plane node."
)
_USE_MASTER = (
    "This MicroK8s deployment is acting as a node in a cluster. Please use the master node."
)
_USE_LEAVE = (
    "This MicroK8s deployment is acting as a node in a cluster. Please use microk8s leave."
)
_USE_SNAP = "This MicroK8s deployment is acting as a node in a cluster.\nUse 'snap {0}' instead."
_NOT_RUNNING = "microk8s is not running, try microk8s start"

_ON_WORKERS: dict[str, tuple[str, int]] = {
    "status": (_USE_CONTROL_PLANE, 0),
    "kubectl": (_USE_CONTROL_PLANE, 0),
    "helm": (_USE_CONTROL_PLANE, 0),
    "helm3": (_USE_CONTROL_PLANE, 0),
    "config": (_USE_CONTROL_PLANE, 0),
    "refresh-certs": (_USE_CONTROL_PLANE, 0),
    "start": (_USE_SNAP.format("start microk8s"), 0),
    "stop": (_USE_SNAP.format("stop microk8s"), 0),
    "add-node": (_USE_MASTER, 1),
    "enable": (_USE_MASTER, 1),
    "disable": (_USE_MASTER, 1),
    "dbctl": (_USE_MASTER, 1),
    "reset": (_USE_MASTER, 1),
    "remove-node": (_USE_LEAVE, 1),
}
_WHEN_STOPPED = {"status": 0, "add-node": 1, "leave": 1}
_WHEN_STOPPED_STDERR = ("kubectl", "helm", "helm3", "enable", "disable", "reset")
_WITH_SUDO = ("leave", "ctr", "inspect", "stop", "start")


def run(process: Process) -> int:
    """Run ``microk8s``."""
    words = process.argv[1:]
    if not words:
        process.quit("Available subcommands are:\n\tadd-node\n\taddons\n\tconfig\n\tctr", 1)
    name = words[0]
    if name not in _SUBCOMMANDS:
        process.quit(f"'{name}' is not a valid MicroK8s subcommand.", 1)
    machine = process.machine
    if name != "version" and not files.exists(machine, paths.ADMIN):
        process.fail("Insufficient permissions to access MicroK8s.")
    if paths.is_worker(machine) and name in _ON_WORKERS:
        text, code = _ON_WORKERS[name]
        process.quit(text, code)
    if paths.locked(machine, "stopped.lock"):
        _answer_stopped(process, name)
    if name in _WITH_SUDO and not machine.has_sudo:
        process.fail("sudo: command not found", 127)
    return _SUBCOMMANDS[name](process, words[1:])


def _answer_stopped(process: Process, name: str) -> None:
    if name in _WHEN_STOPPED:
        process.quit(_NOT_RUNNING, _WHEN_STOPPED[name])
    if name in _WHEN_STOPPED_STDERR:
        process.fail(_NOT_RUNNING)


def _enable(process: Process, words: list[str]) -> int:
    if not words:
        process.fail("Error: Missing argument 'ADDONS'.", 2)
    return addons.switch(process, "enable", words)


def _disable(process: Process, words: list[str]) -> int:
    if not words:
        process.fail("Error: Missing argument 'ADDONS'.", 2)
    return addons.switch(process, "disable", words)


def _kubectl(process: Process, words: list[str]) -> int:
    process.argv[1:] = [f"--kubeconfig={paths.ADMIN}", *words]
    return kubectl.run(process)


def _version(process: Process, words: list[str]) -> int:
    snap = process.machine.snaps["microk8s"]
    process.say(f"MicroK8s {snap.version} revision {snap.revision}")
    return 0


def _config(process: Process, words: list[str]) -> int:
    text = files.read(process.machine, paths.ADMIN)
    if "-l" in words or "--use-loopback" in words:
        process.put(text)
    else:
        process.put(text.replace("127.0.0.1", process.machine.address))
    return 0


def _inspect(process: Process, words: list[str]) -> int:
    """Look at the services that should run here; the exit code says whether they do."""
    machine = process.machine
    process.take("inspect")
    process.say("Inspecting services")
    worker = paths.is_worker(machine)
    wanted = ["cluster-agent", "containerd", "kubelite"]
    wanted += ["apiserver-proxy"] if worker else ["k8s-dqlite", "apiserver-kicker"]
    code = 0
    for daemon in sorted(wanted):
        unit = f"snap.microk8s.daemon-{daemon}"
        if services.is_active(machine, daemon):
            process.say(f"  Service {unit} is running")
        else:
            process.say(f" FAIL:  Service {unit} is not running")
            code = 1
    name = f"{paths.DATA}/inspection-report-{machine.now():.0f}.tar.gz"
    files.write(machine, name, "")
    process.say(f"  Report tarball is at {name}")
    return code


_SUBCOMMANDS: dict[str, Subcommand] = {
    "add-node": members.add_node,
    "addons": upkeep.addons_command,
    "config": _config,
    "ctr": upkeep.ctr,
    "dbctl": microk8s_data.dbctl,
    "disable": _disable,
    "enable": _enable,
    "helm": upkeep.helm,
    "helm3": upkeep.helm,
    "images": upkeep.images,
    "inspect": _inspect,
    "join": members.join,
    "kubectl": _kubectl,
    "leave": members.leave,
    "refresh-certs": microk8s_certs.refresh_certs,
    "remove-node": members.remove_node,
    "reset": upkeep.reset,
    "start": upkeep.start,
    "status": status.status,
    "stop": upkeep.stop,
    "version": _version,
}
