"""Which Kubernetes API a machine can reach, and through whom."""

from __future__ import annotations

import math
import typing

from edgelab.pi import datastore, paths, services

if typing.TYPE_CHECKING:
    from edgelab.pi import cluster as clusters
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds

REFUSED = "refused"
SILENT = "silent"


def at(machine: machines.Machine) -> clusters.Cluster | str:
    """Return what the API server on a machine serves; else how it fails."""
    node = machine.node
    if node is None or paths.is_worker(machine) or not services.is_active(machine, "kubelite"):
        return REFUSED
    if machine.world.clock.now() < node.api_at:
        return REFUSED
    try:
        datastore.leader_seen_by(machine)
    except datastore.NoLeader:
        return SILENT
    found = datastore.cluster_of(machine)
    return SILENT if found is None else found


def through(machine: machines.Machine, address: str = "127.0.0.1") -> clusters.Cluster | str:
    """Return what a client on this machine reaches at an address, loopback included."""
    if address not in ("127.0.0.1", "localhost", *machine.addresses()):
        other = machine.world.machine_at(address)
        if other is None or not machine.world.reaches(machine, other):
            return SILENT
        return at(other)
    if not paths.is_worker(machine):
        return at(machine)
    if not services.is_active(machine, "apiserver-proxy"):
        return REFUSED
    answer: clusters.Cluster | str = REFUSED
    for server in paths.provider_servers(machine):
        answer = through(machine, server) if server not in machine.addresses() else REFUSED
        if not isinstance(answer, str):
            return answer
    return answer


def for_node(machine: machines.Machine) -> clusters.Cluster | None:
    """Return the cluster whose API the machine's own kubelet reaches, if it reaches any."""
    answer = through(machine)
    return None if isinstance(answer, str) else answer


def servers(world: worlds.World, cluster: clusters.Cluster) -> list[str]:
    """Return the addresses of the cluster's API servers, as its EndpointSlice lists them."""
    found = [
        machine.address
        for machine in world.machines.values()
        if machine.node is not None
        and machine.node.cluster == cluster.id
        and at(machine) is cluster
    ]
    return sorted(found)


def opens_at(machine: machines.Machine) -> float:
    """Return when the machine's API server will answer, if it is still starting."""
    node = machine.node
    if node is None or paths.is_worker(machine) or not services.is_active(machine, "kubelite"):
        return math.inf
    return node.api_at if node.api_at > machine.world.clock.now() else math.inf
