"""Take over what an earlier LXD left on a disk: the card died, and the disk lives."""

from __future__ import annotations

import cluster_setup
import node_profile
import site_network
from edgecloud import host as machines
from edgecloud.host import failures
from edgecloud.lxd import client, errors, instances, lost, networks, profiles, projects
from view import View, connect

ROUNDS = 3
"""A scan says what a project lacks only when there is the project."""


class OldDiskError(failures.WorkloadError):
    """Nothing was taken over; says why and what to do."""


def recover(host: machines.Host, view: View | None, disk: str) -> dict[str, str]:
    """Have this machine's LXD, which is in no cluster yet, know the instances on a disk again.

    Projects, profiles and the charm's own bridge that the instances refer to are made empty: the
    charm gives them their content as soon as the machine is in a cluster.
    """
    lxd = connect(host)
    if lxd is None or view is None:
        raise OldDiskError("LXD does not answer on this machine")
    if view.clustered:
        raise OldDiskError("this machine is in a cluster: a disk is recovered before it is")
    pool = lost.Pool(cluster_setup.POOL, cluster_setup.BTRFS, disk)
    try:
        found = _scan(lxd, pool)
        lost.take(lxd, pool)
    except errors.LxdError as error:
        raise OldDiskError(f"LXD could not recover {disk}: {error}") from error
    names = sorted({one.name for one in instances.of_all_projects(lxd)})
    return {"recovered": ", ".join(names), "volumes": str(len(found)), "pool": pool.name}


def _scan(lxd: client.Client, pool: lost.Pool) -> tuple[lost.Volume, ...]:
    """Return what lies on the disk, once there is all that it refers to."""
    found = lost.scan(lxd, pool)
    for _ in range(ROUNDS):
        if not found.missing:
            break
        _supply(lxd, found.missing)
        found = lost.scan(lxd, pool)
    left = found.missing
    if left:
        shown = (*left.projects, *(name for _, name in left.profiles), *left.networks)
        raise OldDiskError(
            f"first make what the instances refer to: {', '.join((*shown, *left.others))}"
        )
    if not found.volumes:
        raise OldDiskError(f"no instances were found on {pool.source}")
    return found.volumes


def _supply(lxd: client.Client, missing: lost.Missing) -> None:
    for name in missing.projects:
        projects.ensure(lxd, name, node_profile.PROJECT_CONFIG)
    for project, name in missing.profiles:
        profiles.ensure(lxd.in_project(project), name, {}, {})
    if site_network.MANAGED_BRIDGE in missing.networks:
        networks.ensure(lxd, site_network.MANAGED_BRIDGE, site_network.MANAGED_CONFIG)
