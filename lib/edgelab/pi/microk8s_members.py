"""``microk8s add-node``, ``join``, ``leave`` and ``remove-node``."""

from __future__ import annotations

import json
import typing

from edgelab.pi import (
    certificates,
    datastore,
    defaults,
    files,
    kube_api,
    kube_seed,
    microk8s_join,
    paths,
    services,
)
from edgelab.pi.process import Exit, Process

if typing.TYPE_CHECKING:
    from edgelab.pi import cluster as clusters
    from edgelab.pi import machine as machines


def join(process: Process, words: list[str]) -> int:
    """Join a cluster."""
    return microk8s_join.join(process, words)


def add_node(process: Process, words: list[str]) -> int:
    """Mint a token: for one use, unless a lifetime makes it good for many."""
    machine = process.machine
    options = _options(words)
    token = options.get("token") or machine.world.random_hex("token", 32)
    if len(token) < 32:
        process.quit("Invalid token size.  It must be 32 characters long.")
    lifetime = int(options.get("token-ttl", "-1"))
    line = token if lifetime < 0 else f"{token}|{int(machine.now()) + lifetime}"
    files.append(machine, paths.CLUSTER_TOKENS, line)
    checked = f"{token}/{certificates.fingerprint(machine)}"
    port = "25000"
    flags = files.read(machine, f"{paths.ARGS}/cluster-agent")
    if "port" in flags:
        port = paths.read_args(machine, "cluster-agent").get("port", port)
    urls = [f"{address}:{port}/{checked}" for address in machine.addresses()]
    _show_token(process, options.get("format", "pretty"), token, checked, urls)
    return 0


def _show_token(process: Process, style: str, token: str, checked: str, urls: list[str]) -> None:
    if style == "json":
        process.say(json.dumps({"token": checked, "urls": urls}))
    elif style == "yaml":
        process.put(f"token: {checked}\nurls:\n" + "".join(f"- {url}\n" for url in urls))
    elif style in ("token", "token-check"):
        process.say(token if style == "token" else checked)
    elif style == "short":
        process.put("".join(f"microk8s join {url}\n" for url in urls))
    else:
        process.say("From the node you wish to join to this cluster, run the following:")
        process.say(f"microk8s join {urls[0]}\n")
        process.say("Use the '--worker' flag to join a node as a worker not running the control"
                    f" plane, eg:\nmicrok8s join {urls[0]} --worker\n")  # fmt: skip
        process.put("".join(f"microk8s join {url}\n" for url in urls))


def leave(process: Process, words: list[str]) -> int:
    """Leave the cluster, on the node that leaves."""
    machine = process.machine
    if not paths.locked(machine, "no-cert-reissue"):
        process.quit("This MicroK8s deployment is not acting as a node in a cluster.")
    if paths.is_worker(machine):
        return _leave_as_worker(process)
    return _leave_as_control_plane(process)


def remove_node(process: Process, words: list[str]) -> int:
    """Remove another node by its name, or its ghost by address."""
    if not words or words[0].startswith("-") or words[1:] not in ([], ["--force"]):
        process.quit("Please provide the node and the optional --force flag.")
    name, force = words[0], words[1:] == ["--force"]
    cluster = kube_api.at(process.machine)
    if isinstance(cluster, str):
        process.take("api-timeout")
        process.fail("Unable to connect to the server: net/http: request canceled")
    node = cluster.nodes.get(name)
    if node is None:
        _remove_unknown(process, cluster, name, force=force)
    member = cluster.member_at(node.address)
    if member is not None and not force:
        process.quit(
            f"Removal failed. Node {name} is registered with dqlite. Please, run first 'microk8s"
            " leave' on the departing node. \nIf the node is not available anymore and will never"
            " attempt to join the cluster in the future use the '--force' flag \nto unregister the"
            " node while removing it."
        )
    if member is not None:
        _remove_member(process, cluster, member)
    del cluster.nodes[name]
    cluster.next_version()
    process.world.touch()
    return 0


def _remove_unknown(
    process: Process, cluster: clusters.Cluster, name: str, *, force: bool
) -> typing.NoReturn:
    """Remove a ghost, if it was named by address; the exit code says failure all the same."""
    process.say(f"Node {name} does not exist in Kubernetes.")
    if force:
        process.say(f"Attempting to remove {name} from dqlite.")
        member = cluster.member_at(name)
        if member is not None:
            process.say("Removing node entry found in dqlite.")
            _remove_member(process, cluster, member)
    raise Exit(1)


def _remove_member(process: Process, cluster: clusters.Cluster, member: clusters.Member) -> None:
    try:
        datastore.leader_seen_by(process.machine)
        datastore.remove(cluster, member, process.world)
    except datastore.NoLeader:
        process.fail(
            "Error in contacting dqlite. Error: no available dqlite leader server found", 2
        )


def _leave_as_control_plane(process: Process) -> int:
    machine = process.machine
    cluster = datastore.cluster_of(machine)
    own = datastore.own_member(machine)
    try:
        datastore.leader_seen_by(machine)
    except datastore.NoLeader:
        process.take("datastore-down")
        process.fail("Traceback (most recent call last):\nsubprocess.CalledProcessError: dqlite")
    assert cluster is not None
    voters = cluster.voters()
    if own is not None and voters == [own] and len(cluster.members) > 1:
        process.quit(
            "This node currently holds the only copy of the Kubernetes database so it cannot leave"
            " the cluster.\nTo remove this node you can either first remove all other nodes with"
            " 'microk8s remove-node' or\nform a highly available cluster by adding at least three"
            " nodes.",
            3,
        )
    services.stop(machine, "kubelite")
    services.stop(machine, "k8s-dqlite")
    process.take("settle-datastore")
    if own is not None and len(cluster.members) > 1:
        _deregister(process, cluster, own)
    _begin_anew(machine)
    process.take("leave")
    return 0


def _deregister(process: Process, cluster: clusters.Cluster, own: clusters.Member) -> None:
    """Take this node out, through the leader that the others elected meanwhile."""
    lead = datastore.leader(process.world, cluster)
    at = process.world.machines.get(lead.machine) if lead is not None else None
    try:
        if at is None or not process.world.reaches(process.machine, at):
            raise datastore.NoLeader
        datastore.remove(cluster, own, process.world)
    except datastore.NoLeader:
        process.quit("Error in contacting dqlite. Error: no available dqlite leader", 2)


def _begin_anew(machine: machines.Machine) -> None:
    """Be a cluster of one again. The old cluster's CA key stays where it is."""
    node = machine.node
    assert node is not None
    former = node.cluster
    fresh = datastore.found(machine)
    fresh.ca = files.read(machine, f"{paths.CERTS}/ca.crt")
    kube_seed.plant(machine, fresh)
    defaults.write_credentials(machine, fresh)
    for name in ("client", "kubelet", "proxy", "controller", "scheduler"):
        certificates.issue(machine, f"{name}.crt", certificates.CA_DAYS)
    paths.unlock(machine, "no-cert-reissue")
    datastore.forget_lone(machine.world, former)
    services.start_all(machine)


def _leave_as_worker(process: Process) -> int:
    machine = process.machine
    services.stop_all(machine)
    for name in ("clustered.lock", "no-k8s-dqlite", "no-cert-reissue"):
        paths.unlock(machine, name)
    paths.lock(machine, "no-apiserver-proxy")
    version = machine.snaps["microk8s"].version
    files.write(machine, f"{paths.ARGS}/kubelet", defaults.kubelet(version), 0o660)
    files.write(machine, f"{paths.ARGS}/kube-proxy", defaults.default_kube_proxy(), 0o660)
    _begin_anew(machine)
    process.take("leave-worker")
    return 0


def _options(words: list[str]) -> dict[str, str]:
    """Read options whose value follows, or is in the same word."""
    short = {"-t": "token", "-l": "token-ttl"}
    found: dict[str, str] = {}
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if not equals and rest:
            value = rest.pop(0)
        found[short.get(name, name.lstrip("-"))] = value
    return found
