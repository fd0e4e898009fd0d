"""Care for this unit's pool in a hook, with what the options and the cluster say."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Protocol

import node_account
import node_drain
import node_image
import node_pool
import pool_options
import pool_plan
import pool_profile
import pools
from edgecloud import host as machines
from edgecloud.lxd import client as lxd
from edgecloud.lxd import cluster, instances
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
) -> node_pool.Outcome | None:
    """Bring the pool a step closer to what is wanted; None if there is none and none is wanted.

    Raises:
        pools.PoolError: something is missing that only an operator can give.
        errors.LxdError: LXD refused.
    """
    present = pools.survey(client, site.unit)
    size = wanted(config, site)
    if size is None:
        size = max((one.slot for one in present), default=0)
    if not size and not present:
        if end.relation is not None:
            hosted_none(end)
        return None
    member = view.member(view.name)
    is_away = member is not None and member.status is cluster.Status.EVACUATED
    pool = pool_of(client, view, config, site)
    if size and not is_away:
        node_image.ensure(client, pool.image, config.node_image_server, kind=pool.shape.kind)
    outcome = node_pool.NodePool(host, pool, _channel(config), end).act(
        size, may_start=not is_away
    )
    node_account.ensure(host, client, site.unit, end)
    return outcome


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
    pool = pool_of(client, view, config, site)
    begun = node_pool.NodePool(host, pool, _channel(config), end).replace(name)
    return {"old": begun.old, "new": begun.new}


def wanted(config: LxdConfig, site: Site) -> int | None:
    """Return how many nodes this unit hosts; None while that cannot be said."""
    return pool_plan.share(
        config.nodes, config.node_placement, site.unit, site.units, site.planned
    )


def pool_of(client: lxd.Client, view: View, config: LxdConfig, site: Site) -> pools.Pool:
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
        recipe=_channel(config),
    )


def hosted_none(end: node_pool.End) -> None:
    """Say that this unit hosts no nodes any more, if it said otherwise."""
    if end.report().hosted:
        end.publish(dataclasses.replace(end.report(), hosted=()))


def remove(host: machines.Host, client: lxd.Client, unit: str) -> tuple[str, ...]:
    """Empty a unit's nodes, then leave nothing of its pool. Return what was deleted."""
    node_drain.drain(host, client, unit)
    gone = pools.remove_all(client, unit)
    node_pool.forget(host, unit)
    node_account.forget(host, unit)
    return gone


def notes(outcome: node_pool.Outcome) -> list[str]:
    """Return what the status says of a pool."""
    found = [f"{outcome.joined}/{outcome.size} nodes joined"] if outcome.size else []
    found += [outcome.replaced] if outcome.replaced else []
    found += [outcome.waits_for] if outcome.waits_for else []
    found += [f"mended the nodes' profile: {', '.join(outcome.drift)}"] if outcome.drift else []
    if outcome.outdated:
        found.append(f"outdated, use replace-node: {', '.join(outcome.outdated)}")
    return found


def _channel(config: LxdConfig) -> str:
    return config.node_channel if "/" in config.node_channel else f"{config.node_channel}/stable"
