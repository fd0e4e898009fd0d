"""``microk8s join``: what it checks, what it changes on this node, and how it lies at the end."""

from __future__ import annotations

import dataclasses
import re
import shutil
import typing

from edgelab.pi import (
    certificates,
    cluster_agent,
    datastore,
    defaults,
    files,
    paths,
    services,
)
from edgelab.pi.cluster import SPARE
from edgelab.pi.process import Process

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}")


@dataclasses.dataclass(frozen=True)
class Target:
    """A join string, taken apart."""

    address: str
    port: str
    token: str
    fingerprint: str | None


def join(process: Process, words: list[str]) -> int:
    """Join a cluster with the arguments of ``microk8s join``."""
    machine = process.machine
    target = _parse(process, next((word for word in words if not word.startswith("-")), ""))
    worker = "--worker" in words
    if paths.locked(machine, "low-memory-guard.lock"):
        if "--disable-low-memory-guard" in words:
            paths.unlock(machine, "low-memory-guard.lock")
        elif not worker:
            process.quit(
                "This node does not have enough RAM to host the Kubernetes control plane services"
                "\nand join the database quorum. You may consider joining this node as a worker"
                " instead"
            )
    if not machine.has_sudo:
        process.fail("sudo: command not found", 127)
    paths.lock(machine, "join-in-progress")
    process.say(f"Contacting cluster at {target.address}")
    _verify(process, target, skip="--skip-verify" in words)
    welcome = _ask(process, target, worker=worker)
    if machine.free_bytes() == 0:
        process.fail("OSError: [Errno 28] No space left on device")
    code = (_as_worker if worker else _as_control_plane)(process, target, welcome)
    paths.unlock(machine, "join-in-progress")
    return code


def _parse(process: Process, text: str) -> Target:
    """Take a join string apart, or end with what is wrong about it."""
    head, *rest = text.split("/")
    address, colon, port = head.rpartition(":")
    if not colon or not rest or len(rest) > 2 or ":" in address:
        process.quit(
            "Invalid connection: Expected format:"
            " <master IP>:<master PORT>/<token>[/<fingerprint>]"
        )
    if _ADDRESS.fullmatch(address) is None:
        process.quit("Invalid connection: Invalid master IP")
    if not port.isdigit() or not 1 <= int(port) <= 65535:
        process.quit("Invalid connection: Master PORT not in the range 1-65535")
    if len(rest[0]) < 32:
        process.quit("Invalid connection: Cluster token size should be at least 32 bytes")
    return Target(address, port, rest[0], rest[1] if len(rest) == 2 else None)


def _verify(process: Process, target: Target, *, skip: bool) -> None:
    """Compare the certificate with the fingerprint, if the join string has one."""
    try:
        server = cluster_agent.connect(process.machine, target.address)
    except cluster_agent.Unreachable as error:
        _no_answer(process, target, error)
    if target.port != _port(server):
        _no_answer(process, target, cluster_agent.Unreachable(refused=True))
    if target.fingerprint is None or skip:
        return
    found = certificates.fingerprint(server)
    if len(target.fingerprint) < 12 or not found.startswith(target.fingerprint):
        process.quit(
            "Joining cluster failed. Could not verify the identity of"
            f" {target.address}. Use '--skip-verify' to skip server certificate check.",
            4,
        )


def _port(server: machines.Machine) -> str:
    flags = paths.read_args(server, "cluster-agent")
    return flags.get("bind", ":25000").rpartition(":")[2]


def _no_answer(
    process: Process, target: Target, error: cluster_agent.Unreachable
) -> typing.NoReturn:
    if not error.refused:
        process.take("agent-timeout")
    reason = "[Errno 111] Connection refused" if error.refused else "[Errno 110] timed out"
    process.fail(
        "Traceback (most recent call last):\n"
        '  File "/snap/microk8s/current/scripts/wrappers/join.py", line 1, in <module>\n'
        f"urllib3.exceptions.NewConnectionError: {target.address}:{target.port}: {reason}"
    )


def _ask(process: Process, target: Target, *, worker: bool) -> cluster_agent.Welcome:
    process.take("agent-http")
    machine = process.machine
    port = int(_port(machine))
    try:
        return cluster_agent.join(machine, target.address, target.token, port=port, worker=worker)
    except cluster_agent.Unreachable as error:
        _no_answer(process, target, error)
    except cluster_agent.AgentError as error:
        process.quit(f"Connection failed. {error.text} ({error.status}).", 6)


def _as_control_plane(process: Process, target: Target, welcome: cluster_agent.Welcome) -> int:
    """Become a control-plane node. The node's own database and workloads are gone."""
    machine = process.machine
    _take_secrets(machine, welcome)
    _take_arguments(machine, welcome.seed)
    services.stop(machine, "kubelite")
    services.stop(machine, "k8s-dqlite")
    process.say("Waiting for this node to finish joining the cluster. ")
    process.take("settle-datastore")
    former = machine.node.cluster if machine.node else ""
    _renew_backend(machine, welcome)
    came_up = _start_datastore(process, welcome)
    datastore.forget_lone(machine.world, former)
    if not came_up:
        process.put(".. .. .. .. .. .. .. .. .. ..\n")
        process.take("join-silent")
    services.start(machine, "kubelite")
    services.restart(machine, "cluster-agent")
    process.take("join")
    paths.lock(machine, "no-cert-reissue")
    process.say("Successfully joined the cluster.")
    return 0


def _take_secrets(machine: machines.Machine, welcome: cluster_agent.Welcome) -> None:
    """Take over the cluster's keys; what was there before stays beside them."""
    for name in ("ca.crt", "ca.key", "serviceaccount.key"):
        text = files.read(machine, f"{paths.CERTS}/{name}")
        files.write(machine, f"{paths.CERTS}/{name}.backup", text, 0o660)
    certificates.install_authority(machine, welcome.cluster)
    for name in ("client", "kubelet", "proxy", "controller", "scheduler"):
        certificates.issue(machine, f"{name}.crt", certificates.CA_DAYS)
    certificates.issue_server(machine)
    defaults.write_credentials(machine, welcome.cluster)


def _take_arguments(machine: machines.Machine, seed: machines.Machine) -> None:
    """Take over the contacted node's kubelet arguments, and what the API must agree on."""
    _take_kubelet(machine, seed)
    theirs = paths.read_args(seed, "kube-apiserver")
    for flag in ("authorization-mode", "secure-port"):
        paths.write_arg(machine, "kube-apiserver", flag, theirs.get(flag))
    cidr = paths.read_args(seed, "kube-proxy").get("cluster-cidr")
    paths.write_arg(machine, "kube-proxy", "cluster-cidr", cidr)


def _renew_backend(machine: machines.Machine, welcome: cluster_agent.Welcome) -> None:
    backend, backup = machine.path(paths.BACKEND), machine.path(f"{paths.BACKEND}.backup")
    shutil.rmtree(backup, ignore_errors=True)
    backend.replace(backup)
    cluster = welcome.cluster
    files.write(machine, f"{paths.BACKEND}/cluster.crt", cluster.cluster_cert, 0o660)
    files.write(machine, f"{paths.BACKEND}/cluster.key", cluster.cluster_key + "\n", 0o660)
    voters = "".join(f"- {item.address}\n" for item in cluster.voters())
    text = f"Address: {machine.address}:{datastore.PORT}\nCluster:\n{voters}"
    files.write(machine, f"{paths.BACKEND}/init.yaml", text, 0o660)


def _start_datastore(process: Process, welcome: cluster_agent.Welcome) -> bool:
    """Start dqlite and enrol with the leader. Return whether it came up."""
    machine, world, cluster = process.machine, process.world, welcome.cluster
    assert machine.node is not None
    machine.node.cluster, machine.node.member = cluster.id, 0
    services.start(machine, "k8s-dqlite")
    lead = datastore.leader(world, cluster)
    reachable = lead is not None and datastore.connects(machine, lead)
    if process.has_effect("silent-datastore") or not reachable:
        return False
    if not services.is_active(machine, "k8s-dqlite"):
        return False
    files.remove(machine, f"{paths.BACKEND}/init.yaml")
    datastore.enrol(machine, cluster, machine.address, SPARE)
    datastore.refresh_files(world, cluster)
    return True


def _as_worker(process: Process, target: Target, welcome: cluster_agent.Welcome) -> int:
    """Become a worker: certificates signed by the cluster, the API through a local proxy."""
    machine = process.machine
    node = machine.node
    assert node is not None
    files.write(machine, f"{paths.CERTS}/ca.remote.crt", welcome.cluster.ca, 0o660)
    files.write(machine, f"{paths.CERTS}/ca.crt", welcome.cluster.ca, 0o660)
    for name in ("proxy", "kubelet"):
        certificates.issue(machine, f"{name}.crt", certificates.CA_DAYS)
    services.stop_all(machine)
    former, node.cluster, node.member = node.cluster, welcome.cluster.id, 0
    _set_worker_arguments(machine, welcome.seed)
    paths.write_provider(machine, [target.address])
    for name in ("clustered.lock", "no-k8s-dqlite", "no-cert-reissue"):
        paths.lock(machine, name)
    paths.unlock(machine, "no-apiserver-proxy")
    datastore.forget_lone(machine.world, former)
    services.start_all(machine)
    process.take("join-worker")
    process.say("Successfully joined the cluster.")
    return 0


def _set_worker_arguments(machine: machines.Machine, seed: machines.Machine) -> None:
    _take_kubelet(machine, seed)
    labels = f"microk8s.io/cluster=true,{defaults.WORKER}"
    paths.write_arg(machine, "kubelet", "node-labels", labels)
    cidr = paths.read_args(seed, "kube-proxy").get("cluster-cidr")
    paths.write_arg(machine, "kube-proxy", "cluster-cidr", cidr)


def _take_kubelet(machine: machines.Machine, seed: machines.Machine) -> None:
    """Overwrite the kubelet's arguments with the contacted node's, save what names a node."""
    text = files.read(seed, f"{paths.ARGS}/kubelet")
    files.write(machine, f"{paths.ARGS}/kubelet", text, 0o660)
    if "node-ip" in paths.read_args(machine, "kubelet"):
        paths.write_arg(machine, "kubelet", "node-ip", machine.address)
    paths.write_arg(machine, "kubelet", "hostname-override", None)
