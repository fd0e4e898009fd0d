"""The daemon itself: what it is, its configuration, its machine's hardware, its metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from edgecloud.lxd import client as lxd
from edgecloud.lxd import documents, errors, fields

_ROOT = "/1.0"


@dataclasses.dataclass(frozen=True)
class Server:
    """A daemon. That it answers proves little: it does so without a quorum, too."""

    name: str
    version: str
    clustered: bool
    trusted: bool
    certificate: str
    """In PEM; the cluster's own, once there is a cluster."""
    fingerprint: str
    addresses: tuple[str, ...]
    architectures: tuple[str, ...]
    storage_drivers: tuple[str, ...]
    config: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Disk:
    """A disk of a machine."""

    id: str
    """Its kernel name, such as ``nvme0n1``."""
    kind: str
    """``nvme``, ``usb``, ``sata``, ``virtio``, …; empty where the kernel does not say."""
    size: int
    model: str
    device_path: str
    removable: bool
    read_only: bool
    partitions: tuple[str, ...]

    @property
    def is_card(self) -> bool:
        """Return whether this is an SD card or on-board flash, which wear out by writing."""
        return self.id.startswith("mmcblk")


@dataclasses.dataclass(frozen=True)
class Resources:
    """The hardware of a machine."""

    cores: int
    architecture: str
    memory: int
    """In bytes."""
    memory_used: int
    disks: tuple[Disk, ...]
    network_ports: tuple[str, ...]


def get(client: lxd.Client) -> Server:
    """Return what the daemon says of itself."""
    found = fields.as_object(client.get(_ROOT))
    environment = fields.inner(found, "environment")
    drivers = fields.inners(environment, "storage_supported_drivers")
    return Server(
        name=fields.text(environment, "server_name"),
        version=fields.text(environment, "server_version"),
        clustered=fields.flag(environment, "server_clustered"),
        trusted=fields.text(found, "auth") == "trusted",
        certificate=fields.text(environment, "certificate"),
        fingerprint=fields.text(environment, "certificate_fingerprint"),
        addresses=fields.texts(environment, "addresses"),
        architectures=fields.texts(environment, "architectures"),
        storage_drivers=tuple(sorted(fields.text(driver, "Name") for driver in drivers)),
        config=fields.mapping(found, "config"),
    )


def ensure_config(client: lxd.Client, wanted: Mapping[str, str | None], member: str = "") -> bool:
    """Set keys of the configuration; unset those that are None. Return whether it changed.

    LXD does not show a key that has its default value, so such a key is written each time.

    LXD stores an address that it could not listen on, and would fail on it at its next start. So
    if the write fails, the former values are put back before the error is raised.

    Args:
        client: the daemon.
        wanted: keys and values.
        member: for keys that each member has for itself, such as ``core.https_address``; empty
            for the one that answers.
    """
    query = {"target": member}
    former = _config(client, query)
    try:
        written = documents.edit_config(client, _ROOT, wanted, query=query)
    except errors.LxdError as error:
        _put_back(client, {key: former.get(key) for key in wanted}, query, error)
        raise
    return written and _config(client, query) != former


def resources(client: lxd.Client, member: str = "") -> Resources:
    """Return the hardware of a member's machine; of the one that answers if not named."""
    found = fields.as_object(client.get(lxd.url("resources"), {"target": member}))
    cpu, memory = fields.inner(found, "cpu"), fields.inner(found, "memory")
    cards = fields.inners(fields.inner(found, "network"), "cards")
    ports = (fields.text(port, "id") for card in cards for port in fields.inners(card, "ports"))
    return Resources(
        cores=fields.number(cpu, "total"),
        architecture=fields.text(cpu, "architecture"),
        memory=fields.number(memory, "total"),
        memory_used=fields.number(memory, "used"),
        disks=tuple(map(_disk, fields.inners(fields.inner(found, "storage"), "disks"))),
        network_ports=tuple(sorted(port for port in ports if port)),
    )


def metrics(client: lxd.Client, *, timeout_s: float | None = None) -> str:
    """Return the metrics of this member and its instances, as Prometheus reads them."""
    return client.raw(lxd.url("metrics"), timeout_s=timeout_s).body.decode()


def _config(client: lxd.Client, query: lxd.Query) -> Mapping[str, str]:
    return fields.mapping(fields.as_object(client.get(_ROOT, query)), "config")


def _put_back(
    client: lxd.Client,
    former: Mapping[str, str | None],
    query: lxd.Query,
    error: errors.LxdError,
) -> None:
    if isinstance(error, errors.UnreachableError | errors.TimedOutError):
        return
    try:
        documents.edit_config(client, _ROOT, former, query=query)
    except errors.LxdError as second:
        raise second from error


def _disk(found: fields.Json) -> Disk:
    return Disk(
        id=fields.text(found, "id"),
        kind=fields.text(found, "type"),
        size=fields.number(found, "size"),
        model=fields.text(found, "model"),
        device_path=fields.text(found, "device_path"),
        removable=fields.flag(found, "removable"),
        read_only=fields.flag(found, "read_only"),
        partitions=tuple(fields.text(one, "id") for one in fields.inners(found, "partitions")),
    )
