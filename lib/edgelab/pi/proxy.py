"""The API proxy of workers: which control-plane nodes it knows, and how it learns of others."""

from __future__ import annotations

import math
import typing

from edgelab.pi import durations, kube_api, paths, services

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds


def background(world: worlds.World) -> float:
    """Let each worker ask for the API servers every 30 s, and note down what is new."""
    due = math.inf
    for machine in world.machines.values():
        if services.is_active(machine, "apiserver-proxy"):
            due = min(due, _learn(machine))
    return due


def _learn(machine: machines.Machine) -> float:
    node = machine.node
    assert node is not None
    interval = paths.read_args(machine, "apiserver-proxy").get("refresh-interval", "30s")
    found = kube_api.for_node(machine)
    servers = [] if found is None else kube_api.servers(machine.world, found)
    if interval.startswith("0") or not servers or servers == paths.provider_servers(machine):
        node.proxy_due = math.inf
        return math.inf
    now = machine.world.clock.now()
    if math.isinf(node.proxy_due):
        node.proxy_due = now + durations.PROVIDER_EVERY
    if node.proxy_due > now:
        return node.proxy_due
    paths.write_provider(machine, servers)
    services.restart(machine, "apiserver-proxy")
    node.proxy_due = math.inf
    return math.inf
