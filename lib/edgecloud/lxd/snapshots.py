"""Snapshots of instances. They lie in the instance's own pool, so they are no backup."""

from __future__ import annotations

import dataclasses

from edgecloud.lxd import client as lxd
from edgecloud.lxd import errors, fields, operations

TIMEOUT_S = 300.0


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A snapshot."""

    name: str
    created_at: str
    expires_at: str


def every(client: lxd.Client, instance: str) -> tuple[Snapshot, ...]:
    """Return an instance's snapshots, the oldest first."""
    found = client.every(lxd.url("instances", instance, "snapshots"))
    return tuple(sorted(map(_parse, found), key=lambda one: (one.created_at, one.name)))


def ensure(
    client: lxd.Client,
    instance: str,
    name: str,
    *,
    expires_at: str = "",
    timeout_s: float = TIMEOUT_S,
) -> bool:
    """Have a snapshot of this name, however old. Return whether it was taken now.

    A pool whose :attr:`~edgecloud.lxd.storage.Pool.freezes` is true stops the instance meanwhile.
    """
    if client.find(lxd.url("instances", instance, "snapshots", name)) is not None:
        return False
    body = {"name": name, "stateful": False, **({"expires_at": expires_at} if expires_at else {})}
    path = lxd.url("instances", instance, "snapshots")
    operations.run(client, "POST", path, body, timeout_s=timeout_s)
    return True


def restore(client: lxd.Client, instance: str, name: str, *, timeout_s: float = TIMEOUT_S) -> None:
    """Put an instance back to a snapshot; one that runs is stopped and started."""
    path = lxd.url("instances", instance)
    operations.run(client, "PUT", path, {"restore": name}, timeout_s=timeout_s)


def ensure_absent(client: lxd.Client, instance: str, name: str) -> bool:
    """Delete a snapshot. Return whether it was there."""
    try:
        operations.run(client, "DELETE", lxd.url("instances", instance, "snapshots", name))
    except errors.NotFoundError:
        return False
    return True


def _parse(found: fields.Json) -> Snapshot:
    return Snapshot(
        name=fields.text(found, "name").rpartition("/")[2],
        created_at=fields.text(found, "created_at"),
        expires_at=fields.text(found, "expires_at"),
    )
