"""The daemons of the MicroK8s snap: which may run where, and what their start and stop does."""

from __future__ import annotations

import typing

from edgelab.pi import datastore, durations, files, paths, sealing, state

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

DAEMONS = (
    "apiserver-kicker",
    "apiserver-proxy",
    "cluster-agent",
    "containerd",
    "etcd",
    "flanneld",
    "k8s-dqlite",
    "kubelite",
)
_ON_WORKERS = ("apiserver-proxy", "cluster-agent", "containerd", "kubelite")
_ON_CONTROL_PLANES = ("apiserver-kicker", "cluster-agent", "containerd", "k8s-dqlite", "kubelite")
_GUARDED = ("apiserver-kicker", "k8s-dqlite", "kubelite")


def is_active(machine: machines.Machine, daemon: str) -> bool:
    """Return whether a daemon runs."""
    node = machine.node
    if node is None or not machine.powered:
        return False
    service = node.services.get(daemon)
    return service is not None and service.active


def start(machine: machines.Machine, daemon: str, ready_in: float = 0.0) -> None:
    """Start a daemon. One that has no part in this node's role exits at once, without a word."""
    node = machine.node
    if node is None:
        return
    service = node.services.setdefault(daemon, state.Service())
    was_active = service.active
    service.active = _may_run(machine, daemon) and _can_run(machine, node, daemon)
    service.since = machine.world.clock.now()
    if was_active:
        service.restarts += 1
    if daemon == "kubelite" and service.active:
        wait = ready_in or durations.NODE_READY_AFTER_RESTART
        _begin_kubelet(machine, node, wait)
    machine.world.touch()


def stop(machine: machines.Machine, daemon: str) -> None:
    """Stop a daemon."""
    node = machine.node
    if node is not None and daemon in node.services:
        if daemon == "k8s-dqlite" and node.services[daemon].active:
            datastore.hand_over(machine)
        node.services[daemon].active = False
        machine.world.touch()


def restart(machine: machines.Machine, *daemons: str) -> None:
    """Restart daemons that run or should."""
    for daemon in daemons or DAEMONS:
        if daemon == "k8s-dqlite" and is_active(machine, daemon):
            datastore.hand_over(machine)
        start(machine, daemon)


def start_all(machine: machines.Machine, ready_in: float = 0.0) -> None:
    """Start every daemon of the snap."""
    for daemon in DAEMONS:
        start(machine, daemon, ready_in)


def stop_all(machine: machines.Machine) -> None:
    """Stop every daemon of the snap."""
    for daemon in DAEMONS:
        stop(machine, daemon)


def start_enabled(machine: machines.Machine, ready_in: float) -> None:
    """Start what is enabled, as at boot."""
    for daemon in DAEMONS if machine.node is not None else ():
        if machine.node is not None and machine.node.services[daemon].enabled:
            start(machine, daemon, ready_in)


def drop_all(machine: machines.Machine) -> None:
    """Have nothing running any more, as after a power cut."""
    if machine.node is None:
        return
    datastore.write_segments(machine)
    for service in machine.node.services.values():
        service.active = False


def _may_run(machine: machines.Machine, daemon: str) -> bool:
    """Return whether this node's role and locks let the daemon run."""
    worker = paths.locked(machine, "clustered.lock")
    if daemon not in (_ON_WORKERS if worker else _ON_CONTROL_PLANES):
        return False
    if paths.locked(machine, "low-memory-guard.lock") and daemon in _GUARDED and not worker:
        return False
    return not (daemon == "k8s-dqlite" and paths.locked(machine, "no-k8s-dqlite"))


def _can_run(machine: machines.Machine, node: state.Node, daemon: str) -> bool:
    """Return whether the daemon survives its start."""
    service = node.services[daemon]
    service.failed = _dies(machine, node, daemon)
    return not service.failed


def _dies(machine: machines.Machine, node: state.Node, daemon: str) -> bool:
    if daemon == "kubelite" and sealing.keys(machine) is None:
        machine.log(f"snap.microk8s.daemon-{daemon}", "error while parsing encryption provider")
        return True
    if daemon == "kubelite" and node.sick == "crash":
        machine.log(f"snap.microk8s.daemon-{daemon}", "panic: runtime error")
        return True
    if daemon == "apiserver-proxy" and not paths.provider_servers(machine):
        machine.log(f"snap.microk8s.daemon-{daemon}", "empty list of control plane endpoints")
        return True
    if daemon == "k8s-dqlite":
        datastore.read_segments(machine)
        domain = paths.read_args(machine, "ha-conf").get("failure-domain", "1")
        files.write(machine, f"{paths.BACKEND}/failure-domain", domain)
        if not domain.isdigit():
            machine.log("snap.microk8s.daemon-k8s-dqlite", "failed to parse failure-domain")
            return True
    return False


def _begin_kubelet(machine: machines.Machine, node: state.Node, ready_in: float) -> None:
    """Start the kubelet with the arguments and the version that it has now."""
    node.name = machine.hostname
    node.registered = False
    node.ready_at = machine.world.clock.now() + ready_in
    node.api_at = machine.world.clock.now() + ready_in / 2
    node.arguments = paths.read_args(machine, "kubelet")
    node.seals = sealing.keys(machine) or node.seals
    datastore.wake(machine)
    control_plane = not paths.locked(machine, "clustered.lock")
    paths.write_arg(machine, "kubelite", "start-control-plane", str(control_plane).lower())
