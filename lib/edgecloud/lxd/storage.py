"""Storage pools and the volumes in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from edgecloud.lxd import client as lxd
from edgecloud.lxd import clusterwide, documents, errors, fields, operations

CUSTOM = "custom"

# Their snapshots are full copies, and the instance stands still for as long as that takes.
_FREEZING = frozenset({"dir", "lvm", "ceph"})


@dataclasses.dataclass(frozen=True)
class Pool:
    """A storage pool."""

    name: str
    driver: str
    status: str
    config: Mapping[str, str]
    members: tuple[str, ...]
    used_by: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Return whether it was made on every member."""
        return self.status in ("Created", "")

    @property
    def freezes(self) -> bool:
        """Return whether a snapshot makes a running instance stand still."""
        return self.driver in _FREEZING


@dataclasses.dataclass(frozen=True)
class Space:
    """How full a pool is, in bytes and inodes."""

    used: int
    total: int
    inodes_used: int
    inodes_total: int

    @property
    def fill(self) -> float:
        """Return the used share, from 0 to 1, of whatever is closer to its end."""
        shares = ((self.used, self.total), (self.inodes_used, self.inodes_total))
        return max(used / total if total else 0.0 for used, total in shares)


@dataclasses.dataclass(frozen=True)
class Volume:
    """A volume in a pool."""

    name: str
    kind: str
    member: str
    config: Mapping[str, str]
    used_by: tuple[str, ...]


def every(client: lxd.Client) -> tuple[Pool, ...]:
    """Return the pools by name."""
    found = client.every(lxd.url("storage-pools"))
    return tuple(sorted(map(_parse, found), key=lambda pool: pool.name))


def find(client: lxd.Client, name: str) -> Pool | None:
    """Return a pool; None if there is none."""
    found = client.find(lxd.url("storage-pools", name))
    return None if found is None else _parse(found)


def ensure(
    client: lxd.Client,
    name: str,
    driver: str,
    config: Mapping[str, str],
    *,
    own: Mapping[str, Mapping[str, str]] | None = None,
    members: Iterable[str] = (),
) -> bool:
    """Have a pool. Return whether it was made now; one that is there is not changed.

    Args:
        client: the daemon.
        name: of the pool.
        driver: ``btrfs``, ``dir``, ``zfs`` or ``lvm``.
        config: what is the same everywhere.
        own: by member, what each has for itself: ``source``, ``size``. A daemon by itself has
            the name "".
        members: the names of all members of a cluster.
    """
    body = {"driver": driver, "config": dict(config)}
    path = lxd.url("storage-pools")
    return clusterwide.ensure(client, path, name, body, own or {}, members)


def ensure_config(client: lxd.Client, name: str, config: Mapping[str, str | None]) -> bool:
    """Set keys of a pool; take away those that are None. Return whether it changed."""
    return documents.edit_config(client, lxd.url("storage-pools", name), config)


def ensure_absent(client: lxd.Client, name: str) -> bool:
    """Delete a pool that nothing uses. Return whether it was there."""
    return _ensure_gone(client, lxd.url("storage-pools", name))


def space(client: lxd.Client, name: str, member: str = "") -> Space:
    """Return how full a pool is, on a member or on the one that answers."""
    path = f"{lxd.url('storage-pools', name)}/resources"
    found = fields.as_object(client.get(path, {"target": member}))
    taken, inodes = fields.inner(found, "space"), fields.inner(found, "inodes")
    return Space(
        used=fields.number(taken, "used"),
        total=fields.number(taken, "total"),
        inodes_used=fields.number(inodes, "used"),
        inodes_total=fields.number(inodes, "total"),
    )


def volumes(client: lxd.Client, pool: str, kind: str = "") -> tuple[Volume, ...]:
    """Return the volumes of a pool by kind and name, those of one kind if given."""
    parts = ("storage-pools", pool, "volumes", *([kind] if kind else []))
    found = (_volume(one) for one in client.every(lxd.url(*parts)))
    # Snapshots are listed among the volumes, under the volume's name and their own.
    whole = (volume for volume in found if "/" not in volume.name)
    return tuple(sorted(whole, key=lambda volume: (volume.kind, volume.name, volume.member)))


def ensure_volume(
    client: lxd.Client, pool: str, name: str, config: Mapping[str, str], *, member: str = ""
) -> bool:
    """Have a custom volume. Return whether it was made now; one that is there is not changed."""
    path = lxd.url("storage-pools", pool, "volumes", CUSTOM)
    if client.find(f"{path}/{lxd.segment(name)}", {"target": member}) is not None:
        return False
    body = {"name": name, "config": dict(config)}
    operations.run(client, "POST", path, body, query={"target": member})
    return True


def ensure_no_volume(client: lxd.Client, pool: str, name: str, *, member: str = "") -> bool:
    """Delete a custom volume. Return whether it was there."""
    path = lxd.url("storage-pools", pool, "volumes", CUSTOM, name)
    return _ensure_gone(client, path, {"target": member})


def _ensure_gone(client: lxd.Client, path: str, query: lxd.Query | None = None) -> bool:
    try:
        operations.run(client, "DELETE", path, query=query)
    except errors.NotFoundError:
        return False
    return True


def _parse(found: fields.Json) -> Pool:
    return Pool(
        name=fields.text(found, "name"),
        driver=fields.text(found, "driver"),
        status=fields.text(found, "status"),
        config=fields.mapping(found, "config"),
        members=tuple(sorted(fields.texts(found, "locations"))),
        used_by=fields.texts(found, "used_by"),
    )


def _volume(found: fields.Json) -> Volume:
    return Volume(
        name=fields.text(found, "name"),
        kind=fields.text(found, "type"),
        member=fields.text(found, "location"),
        config=fields.mapping(found, "config"),
        used_by=fields.texts(found, "used_by"),
    )
