"""What every cluster has: pools, a network, profiles; and what each member has for itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import node_profile
import site_network
from disks import Place
from edgecloud.lxd import client, networks, profiles, projects, server, storage

POOL = "local"
JUJU_POOL = "juju"
"""Juju would make this one with a single call, which a cluster refuses: so it is there before."""

BTRFS = "btrfs"
DIR = "dir"
DRIVERS = (BTRFS, DIR)

_MARK = "user.edge-lxd"
_VOLUMES = {"images": "storage.images_volume", "backups": "storage.backups_volume"}


class SetupError(Exception):
    """Something of the cluster is not as it has to be, and only an operator can mend it."""


@dataclasses.dataclass(frozen=True)
class Wish:
    """What the options and the machine make of a cluster."""

    driver: str
    place: Place
    size: str
    """Of the file on the boot disk."""
    network: str
    uplink: str
    node_profile: str = node_profile.NONE
    privileged: bool = False
    repair: bool = True

    @property
    def pool_keys(self) -> dict[str, str]:
        """What a member's pool has for itself."""
        if self.driver == DIR:
            return {}
        return {"size": self.size} if self.place.on_boot_disk else {"source": self.place.source}


def member_config(wish: Wish) -> Sequence[Mapping[str, str]]:
    """Return what a machine that joins says of its own part of pools and networks."""
    found = [
        {"entity": "storage-pool", "name": POOL, "key": key, "value": value}
        for key, value in wish.pool_keys.items()
    ]
    if wish.network == site_network.MACVLAN:
        network = {"entity": "network", "name": site_network.MACVLAN_NETWORK}
        found.append({**network, "key": "parent", "value": wish.uplink})
    return found


def ensure_pools(lxd: client.Client, wish: Wish, name: str, members: Sequence[str]) -> bool:
    """Have the pools, on every member. Return whether any was made now.

    They are made while the founder is alone; who joins gets its part of them by joining.
    """
    present = storage.find(lxd, POOL)
    if present is not None and present.driver != wish.driver:
        raise SetupError(
            f"storage-driver={wish.driver}: the pool is {present.driver} already, set it back"
        )
    if present is None and len(members) > 1:
        raise SetupError(f"pool {POOL} is gone: make it anew, `lxc storage create` says how")
    made = storage.ensure(lxd, POOL, wish.driver, {}, own={name: wish.pool_keys}, members=members)
    return storage.ensure(lxd, JUJU_POOL, DIR, {}, members=members) or made


def ensure_network(lxd: client.Client, wish: Wish, name: str, members: Sequence[str]) -> bool:
    """Have the network that instances share, unless it is the host's. Return if it changed."""
    if wish.network == site_network.MANAGED:
        return networks.ensure(
            lxd, site_network.MANAGED_BRIDGE, site_network.MANAGED_CONFIG, members=members
        )
    if wish.network != site_network.MACVLAN:
        return False
    own = {name: {"parent": wish.uplink}}
    return networks.ensure(
        lxd, site_network.MACVLAN_NETWORK, {}, kind="macvlan", own=own, members=members
    )


def remove_bridge(lxd: client.Client) -> bool:
    """Have no managed bridge, and no profile that refers to it. Return whether there was one.

    For a daemon without instances: its bridge would stay in the kernel when its snap is removed.
    """
    if networks.find(lxd, site_network.MANAGED_BRIDGE) is None:
        return False
    for project in projects.every(lxd):
        inside = lxd.in_project(project.name)
        for profile in profiles.every(inside):
            users = {
                name: None
                for name, device in profile.devices.items()
                if device.get("network") == site_network.MANAGED_BRIDGE
            }
            if users:
                profiles.ensure_keys(inside, profile.name, {}, users)
    return networks.ensure_absent(lxd, site_network.MANAGED_BRIDGE)


def ensure_profiles(lxd: client.Client, wish: Wish) -> tuple[str, ...]:
    """Have what the profiles must hold, where Juju looks for it. Return what differs and stays.

    Keys of somebody else stay as they are. What differs is repaired, or only said if the operator
    wants it so; what is not there yet is always made.
    """
    if wish.node_profile == node_profile.DEFAULT:
        config = node_profile.config(privileged=wish.privileged)
        return _ensure_profile(lxd, wish, config, {**_base(wish), **node_profile.devices()}, "")
    left = _ensure_profile(lxd, wish, {}, _base(wish), "")
    if wish.node_profile == node_profile.NONE:
        return left
    return (*left, *ensure_project(lxd, wish, node_profile.PROJECT_NAME))


def ensure_project(lxd: client.Client, wish: Wish, name: str) -> tuple[str, ...]:
    """Have a project whose own profile ``default`` has all that MicroK8s nodes need.

    Returns:
        What differs in the profile and stays so.
    """
    if not any(project.name == name for project in projects.every(lxd)):
        projects.ensure(lxd, name, node_profile.PROJECT_CONFIG, description="MicroK8s nodes")
    config = node_profile.config(privileged=wish.privileged)
    devices = {**_base(wish), **node_profile.devices()}
    return _ensure_profile(lxd.in_project(name), wish, config, devices, f"{name}/")


def _base(wish: Wish) -> dict[str, Mapping[str, str] | None]:
    """Return the devices that every instance has."""
    root = {"type": "disk", "path": "/", "pool": POOL}
    return {"root": root, "eth0": site_network.nic(wish.network)}


def _ensure_profile(
    lxd: client.Client,
    wish: Wish,
    config: Mapping[str, str | None],
    devices: Mapping[str, Mapping[str, str] | None],
    prefix: str,
) -> tuple[str, ...]:
    profile = profiles.find(lxd, "default")
    if profile is None:
        raise SetupError("LXD's profile default is gone, which cannot be")
    wrong = node_profile.drift(profile.config, profile.devices, config, devices)
    # Which wishes were written last: only what differs from these is somebody else's change.
    written = {_MARK: node_profile.digest(config, devices)}
    if profile.config.get(_MARK) == written[_MARK] and not wrong:
        return ()
    if profile.config.get(_MARK) == written[_MARK] and not wish.repair:
        return tuple(f"{prefix}default: {key}" for key in wrong)
    profiles.ensure_keys(lxd, "default", {**config, **written}, devices)
    return ()


def ensure_own(lxd: client.Client, wish: Wish, name: str) -> bool:
    """Have a member keep images and backups off its boot disk. Return whether anything changed."""
    if wish.place.on_boot_disk or wish.driver == DIR:
        return False
    changed = [storage.ensure_volume(lxd, POOL, one, {}, member=name) for one in _VOLUMES]
    keys = {key: f"{POOL}/{volume}" for volume, key in _VOLUMES.items()}
    return server.ensure_config(lxd, keys) or any(changed)


def release_own(lxd: client.Client, name: str) -> None:
    """Give back what :func:`ensure_own` made, because LXD lets no member go that has volumes."""
    server.ensure_config(lxd, dict.fromkeys(_VOLUMES.values()))
    for volume in _VOLUMES:
        storage.ensure_no_volume(lxd, POOL, volume, member=name)
