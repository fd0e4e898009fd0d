"""Networks that LXD manages, and the interfaces of the machine that it sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from edgecloud.lxd import client as lxd
from edgecloud.lxd import clusterwide, documents, errors, fields, operations

BRIDGE = "bridge"


@dataclasses.dataclass(frozen=True)
class Network:
    """A network."""

    name: str
    kind: str
    managed: bool
    """Whether LXD made it; otherwise it is an interface of the machine."""
    status: str
    config: Mapping[str, str]
    members: tuple[str, ...]
    used_by: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Lease:
    """An address that a managed network gave away."""

    hostname: str
    address: str
    hwaddr: str
    kind: str
    """``static``, ``dynamic`` or ``gateway``."""
    member: str


def every(client: lxd.Client, *, managed_only: bool = True) -> tuple[Network, ...]:
    """Return the networks by name, with the machine's interfaces if wanted."""
    found = map(_parse, client.every(lxd.url("networks")))
    wanted = (network for network in found if network.managed or not managed_only)
    return tuple(sorted(wanted, key=lambda network: network.name))


def find(client: lxd.Client, name: str) -> Network | None:
    """Return a network or interface; None if there is none."""
    found = client.find(lxd.url("networks", name))
    return None if found is None else _parse(found)


def ensure(
    client: lxd.Client,
    name: str,
    config: Mapping[str, str],
    *,
    kind: str = BRIDGE,
    own: Mapping[str, Mapping[str, str]] | None = None,
    members: Iterable[str] = (),
) -> bool:
    """Have a network with these keys; others are left alone. Return whether anything changed.

    Args:
        client: the daemon.
        name: of the network, and of its interface: at most 15 characters.
        config: what is the same everywhere.
        kind: ``bridge``, ``macvlan`` or ``physical``.
        own: by member, what each has for itself: ``parent``. A daemon by itself has the name "".
        members: the names of all members of a cluster.
    """
    body = {"type": kind, "config": dict(config)}
    path = lxd.url("networks")
    if clusterwide.ensure(client, path, name, body, own or {}, members):
        return True
    return documents.edit_config(client, lxd.url("networks", name), config)


def ensure_absent(client: lxd.Client, name: str) -> bool:
    """Delete a network that nothing uses. Return whether it was there."""
    try:
        operations.run(client, "DELETE", lxd.url("networks", name))
    except errors.NotFoundError:
        return False
    return True


def leases(client: lxd.Client, name: str) -> tuple[Lease, ...]:
    """Return the addresses that a network gave away, by address."""
    found = fields.as_objects(client.get(f"{lxd.url('networks', name)}/leases"))
    return tuple(sorted(map(_lease, found), key=lambda lease: (lease.address, lease.hostname)))


def _lease(found: fields.Json) -> Lease:
    return Lease(
        hostname=fields.text(found, "hostname"),
        address=fields.text(found, "address"),
        hwaddr=fields.text(found, "hwaddr"),
        kind=fields.text(found, "type"),
        member=fields.text(found, "location"),
    )


def _parse(found: fields.Json) -> Network:
    return Network(
        name=fields.text(found, "name"),
        kind=fields.text(found, "type"),
        managed=fields.flag(found, "managed"),
        status=fields.text(found, "status"),
        config=fields.mapping(found, "config"),
        members=tuple(sorted(fields.texts(found, "locations"))),
        used_by=fields.texts(found, "used_by"),
    )
