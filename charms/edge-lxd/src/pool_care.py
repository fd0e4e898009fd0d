"""Care for this unit's pool in a hook, with what the options and the cluster say."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection
from typing import Protocol

import hosted_node
import node_account
import node_drain
import node_image
import node_pool
import pool_memory
import pool_options
import pool_plan
import pool_profile
import pools
import renewing
from edgecloud import host as machines
from edgecloud.host import files
from edgecloud.lxd import client as lxd
from edgecloud.lxd import cluster, errors, instances
from edgecloud.lxd_member import renewal
from lxd_config import LxdConfig
from view import View


@dataclasses.dataclass(frozen=True)
class Site:
    """Where this unit is, among its like."""

    unit: str
    units: Collection[str]
    """Those that are known, this one included."""
    planned: int
    arch: str


class End(node_pool.End, node_account.End, Protocol):
    """The relation to the control plane."""


def care(
    host: machines.Host,
    client: lxd.Client,
    view: View,
    config: LxdConfig,
    site: Site,
    end: End,
    wish: renewal.Wish | None = None,
) -> node_pool.Outcome | None:
    """Bring the pool a step closer to what is wanted; None if there is none and none is wanted.

    Args:
        host: the machine.
        client: of its LXD.
        view: the cluster, as this member sees it.
        config: the options.
        site: where this unit is.
        end: the relation to the control plane.
        wish: what a plan wants of the nodes now, if it does.

    Raises:
        pools.PoolError: something is missing that only an operator can give.
        errors.LxdError: LXD refused.
    """
    present = pools.survey(client, site.unit)
    size = wanted(config, site)
    if size is None:
        size = max((one.slot for one in present), default=0)
    said = _take_up(host, wish)
    if not size and not present:
        reached = wish.target if wish is not None else said.reached
        if said != renewal.Answer():
            renewal.say(host, dataclasses.replace(said, reached=reached, hindrance=""))
        if end.relation is not None:
            hosted_none(end)
        return None
    is_away = view.member_status(view.name) is cluster.Status.EVACUATED
    release = renewing.release(_channel(config), said, live=wish is not None)
    pool = pool_of(client, view, config, site, release)
    lacking = _fetch_image(client, pool, config) if size and not is_away else ""

    def nodes() -> node_pool.NodePool:
        return node_pool.NodePool(host, pool, release, end)

    outcome = nodes().act(size, may_start=not is_away)
    outcome = dataclasses.replace(outcome, failed=lacking or outcome.failed)
    hindered = hindrance(host, config, away=is_away)
    outcome = _renew(host, config, outcome, nodes if wish else None, hindered=hindered)
    node_account.ensure(host, client, site.unit, end)
    return outcome


def _fetch_image(client: lxd.Client, pool: pools.Pool, config: LxdConfig) -> str:
    """Have the image that nodes are made of. Return why there is none; those there are go on."""
    try:
        node_image.ensure(client, pool.image, config.node_image_server, kind=pool.shape.kind)
    except pools.SILENT:
        raise
    except errors.LxdError as e:
        return f"no image for nodes: {e}"
    return ""


def _take_up(host: machines.Host, wish: renewal.Wish | None) -> renewal.Answer:
    """Have it on disk which wish of a plan is at hand, before anything is done for it."""
    said = renewal.answer(host) or renewal.Answer()
    if wish is None:
        return said
    taken = renewing.take_up(said, wish)
    if taken != said:
        renewal.say(host, taken)
    return taken


def _renew(
    host: machines.Host,
    config: LxdConfig,
    outcome: node_pool.Outcome,
    nodes: Callable[[], node_pool.NodePool] | None,
    *,
    hindered: str,
) -> node_pool.Outcome:
    """Go on with a plan's wish, and answer it.

    Args:
        host: the machine.
        config: the options.
        outcome: how the pool is.
        nodes: looks at the pool afresh; None if no wish holds now.
        hindered: why no node can be replaced now.
    """
    said = renewal.answer(host) or renewal.Answer()  # One that was given up is noted there.
    said = dataclasses.replace(said, hindrance=hindered)
    if nodes is not None and not said.failed:
        said, waits_for = _next(host, said, outcome.waits_for or hindered, nodes())
        outcome = dataclasses.replace(outcome, waits_for=waits_for)
    renewal.say(host, said)
    return dataclasses.replace(outcome, note=renewing.note(_channel(config), said))


def _next(
    host: machines.Host, said: renewal.Answer, waits_for: str, nodes: node_pool.NodePool
) -> tuple[renewal.Answer, str]:
    """Begin with the next node if it is time. Return the answer, and what is waited for."""
    builds: dict[str, renewing.Build] = {}
    if not waits_for:
        try:
            builds = nodes.builds()
        except hosted_node.NodeError as e:
            waits_for = str(e)
    view = renewing.View(builds, nodes.replacing, waits_for)
    said, name = renewing.step(said, view, host.now())
    if not name:
        return said, waits_for
    nodes.replace(name, said.wish.id)
    return said, f"{name} is next to be replaced"


def replace(
    host: machines.Host,
    client: lxd.Client,
    view: View,
    config: LxdConfig,
    site: Site,
    end: node_pool.End,
    name: str,
) -> dict[str, str]:
    """Note that a node shall be replaced. Raises pools.PoolError."""
    is_away = view.member_status(view.name) is cluster.Status.EVACUATED
    problem = hindrance(host, config, away=is_away)
    if problem:
        raise pools.PoolError(problem)
    said = renewal.answer(host) or renewal.Answer()
    release = renewing.release(_channel(config), said, live=False)
    pool = pool_of(client, view, config, site, release)
    begun = node_pool.NodePool(host, pool, release, end).replace(name)
    return {"old": begun.old, "new": begun.new}


def wanted(config: LxdConfig, site: Site) -> int | None:
    """Return how many nodes this unit hosts; None while that cannot be said."""
    return pool_plan.share(
        config.nodes, config.node_placement, site.unit, site.units, site.planned
    )


def hindrance(host: machines.Host, config: LxdConfig, *, away: bool = False) -> str:
    """Return why no node could stand beside the one that it replaces; empty if one could."""
    if away:
        return "this machine is evacuated: run restore before its nodes are replaced"
    free = re.search(r"MemAvailable:\s+([0-9]+) kB", files.read(host, "/proc/meminfo"))
    if free is None or int(free[1]) >= 1024 * pool_options.mib(config.node_memory):
        return ""
    return (
        f"node-memory={config.node_memory}: less is free than a new node beside the old one may"
        " take; lower it, or free memory on this machine"
    )


def pool_of(
    client: lxd.Client, view: View, config: LxdConfig, site: Site, release: renewing.Release
) -> pools.Pool:
    """Return this unit's pool."""
    is_vm = config.node_type == pool_options.VM
    return pools.Pool(
        client,
        site.unit,
        pool_profile.Shape(
            kind=instances.VIRTUAL_MACHINE if is_vm else instances.CONTAINER,
            cpu=config.node_cpu,
            memory=config.node_memory,
            disk=config.node_disk,
            privileged=config.privileged_nodes,
        ),
        config.node_image or node_image.default(site.arch, is_vm=is_vm),
        pools.ground(client),
        member=view.name,
        recipe=release.channel,
    )


def hosted_none(end: node_pool.End) -> None:
    """Say that this unit hosts no nodes any more, if it said otherwise."""
    if end.report().hosted:
        end.publish(dataclasses.replace(end.report(), hosted=()))


def remove(host: machines.Host, client: lxd.Client, unit: str) -> tuple[str, ...]:
    """Empty a unit's nodes, then leave nothing of its pool. Return what was deleted."""
    node_drain.drain(host, client, unit)
    gone = pools.remove_all(client, unit)
    pool_memory.Memory(host, unit).forget()
    node_account.forget(host, unit)
    return gone


def notes(outcome: node_pool.Outcome) -> list[str]:
    """Return what the status says of a pool."""
    found = [f"{outcome.joined}/{outcome.size} nodes joined"] if outcome.size else []
    found += [outcome.replaced] if outcome.replaced else []
    found += [outcome.waits_for] if outcome.waits_for else []
    found += [outcome.note] if outcome.note else []
    found += [f"mended the nodes' profile: {', '.join(outcome.drift)}"] if outcome.drift else []
    if outcome.outdated:
        found.append(f"outdated, use replace-node: {', '.join(outcome.outdated)}")
    return found


def _channel(config: LxdConfig) -> str:
    return config.node_channel if "/" in config.node_channel else f"{config.node_channel}/stable"
