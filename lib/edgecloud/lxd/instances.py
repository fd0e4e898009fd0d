"""Instances: containers and virtual machines, from making to deleting."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from edgecloud.lxd import client as lxd
from edgecloud.lxd import documents, errors, fields, operations

CONTAINER = "container"
VIRTUAL_MACHINE = "virtual-machine"
RUNNING = "Running"
STOPPED = "Stopped"

CREATE_S = 600.0
_STATE_S = 120.0

Devices = Mapping[str, Mapping[str, str]]


@dataclasses.dataclass(frozen=True)
class Instance:
    """An instance, with its own configuration and that which its profiles add."""

    name: str
    project: str
    kind: str
    status: str
    member: str
    architecture: str
    description: str
    profiles: tuple[str, ...]
    config: Mapping[str, str]
    devices: Devices
    expanded_config: Mapping[str, str]
    expanded_devices: Devices

    @property
    def running(self) -> bool:
        """Return whether it runs."""
        return self.status == RUNNING


@dataclasses.dataclass(frozen=True)
class State:
    """How a running instance does."""

    status: str
    addresses: Mapping[str, tuple[str, ...]]
    """Global addresses by interface."""
    memory: int
    processes: int
    cpu_ns: int


@dataclasses.dataclass(frozen=True)
class Source:
    """What an instance is made of."""

    content: Mapping[str, str]

    @classmethod
    def alias(cls, name: str) -> Source:
        """Return the local image that an alias leads to."""
        return cls({"type": "image", "alias": name})

    @classmethod
    def image(cls, fingerprint: str) -> Source:
        """Return a local image."""
        return cls({"type": "image", "fingerprint": fingerprint})

    @classmethod
    def snapshot(cls, instance: str, snapshot: str) -> Source:
        """Return a snapshot of another instance."""
        return cls({"type": "copy", "source": f"{instance}/{snapshot}"})

    @classmethod
    def nothing(cls) -> Source:
        """Return no content at all."""
        return cls({"type": "none"})


@dataclasses.dataclass(frozen=True)
class Plan:
    """An instance to be made."""

    name: str
    source: Source
    kind: str = CONTAINER
    profiles: Sequence[str] = ("default",)
    config: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    devices: Devices = dataclasses.field(default_factory=dict[str, Mapping[str, str]])
    description: str = ""
    member: str = ""
    """Where; LXD chooses if empty."""


def every(client: lxd.Client, *, timeout_s: float | None = None) -> tuple[Instance, ...]:
    """Return the instances of the project by name."""
    found = client.every(lxd.url("instances"), timeout_s=timeout_s)
    return tuple(sorted(map(_parse, found), key=lambda instance: instance.name))


def of_all_projects(client: lxd.Client) -> tuple[Instance, ...]:
    """Return the instances of all projects, by project and name."""
    client.require("instance_all_projects")
    found = client.in_project("").every(lxd.url("instances"), {"all-projects": "true"})
    return tuple(sorted(map(_parse, found), key=lambda one: (one.project, one.name)))


def find(client: lxd.Client, name: str) -> Instance | None:
    """Return an instance; None if there is none."""
    found = client.find(lxd.url("instances", name))
    return None if found is None else _parse(found)


def create(client: lxd.Client, plan: Plan, *, timeout_s: float = CREATE_S) -> None:
    """Make an instance, and leave it stopped.

    Raises:
        errors.AlreadyExistsError: the name is taken.
        errors.NoMemberError: no member may take it.
    """
    body = {
        "name": plan.name,
        "type": plan.kind,
        "source": dict(plan.source.content),
        "profiles": list(plan.profiles),
        "config": dict(plan.config),
        "devices": {name: dict(keys) for name, keys in plan.devices.items()},
        "description": plan.description,
    }
    query = {"target": plan.member}
    operations.run(client, "POST", lxd.url("instances"), body, timeout_s=timeout_s, query=query)


def edit(client: lxd.Client, name: str, change: Callable[[fields.Json], None]) -> bool:
    """Change an instance's document: config, devices, profiles. Return whether it changed."""
    return documents.edit(client, lxd.url("instances", name), change)


def ensure_keys(
    client: lxd.Client,
    name: str,
    config: Mapping[str, str | None],
    devices: Mapping[str, Mapping[str, str] | None],
) -> bool:
    """Set keys and devices of an instance; take away those that are None. Return if it changed."""

    def change(document: fields.Json) -> None:
        documents.set_keys(document, "config", config)
        documents.set_keys(document, "devices", devices)

    return edit(client, name, change)


def ensure_running(client: lxd.Client, name: str, *, timeout_s: float = _STATE_S) -> bool:
    """Start an instance unless it runs. Return whether it was started."""
    if _get(client, name).running:
        return False
    _change_state(client, name, "start", timeout_s)
    return True


def ensure_stopped(
    client: lxd.Client, name: str, *, force: bool = False, timeout_s: float = _STATE_S
) -> bool:
    """Stop an instance unless it is stopped. Return whether it was.

    Args:
        client: the daemon.
        name: of the instance.
        force: as a power cut; otherwise it is asked to shut down.
        timeout_s: LXD gives up by then, and the instance runs on.
    """
    if _get(client, name).status == STOPPED:
        return False
    _change_state(client, name, "stop", timeout_s, force=force)
    return True


def restart(
    client: lxd.Client, name: str, *, force: bool = False, timeout_s: float = _STATE_S
) -> None:
    """Restart a running instance; this is when restart-only keys start to count."""
    _change_state(client, name, "restart", timeout_s, force=force)


def ensure_absent(client: lxd.Client, name: str, *, timeout_s: float = _STATE_S) -> bool:
    """Delete an instance with its snapshots, running or not. Return whether it was there."""
    if find(client, name) is None:
        return False
    try:
        ensure_stopped(client, name, force=True, timeout_s=timeout_s)
        operations.run(client, "DELETE", lxd.url("instances", name), timeout_s=timeout_s)
    except errors.NotFoundError:
        return False
    return True


def rename(client: lxd.Client, name: str, new_name: str) -> None:
    """Rename a stopped instance."""
    operations.run(client, "POST", lxd.url("instances", name), {"name": new_name})


def move(client: lxd.Client, name: str, member: str, *, timeout_s: float = CREATE_S) -> None:
    """Move a stopped instance, disk and all, to another member."""
    body = {"name": name, "migration": True}
    query = {"target": member}
    path = lxd.url("instances", name)
    operations.run(client, "POST", path, body, timeout_s=timeout_s, query=query)


def state(client: lxd.Client, name: str) -> State:
    """Return how an instance does."""
    found = fields.as_object(client.get(f"{lxd.url('instances', name)}/state"))
    interfaces = fields.inner(found, "network")
    return State(
        status=fields.text(found, "status"),
        addresses={one: _addresses(fields.inner(interfaces, one)) for one in sorted(interfaces)},
        memory=fields.number(fields.inner(found, "memory"), "usage"),
        processes=fields.number(found, "processes"),
        cpu_ns=fields.number(fields.inner(found, "cpu"), "usage"),
    )


def _change_state(
    client: lxd.Client, name: str, action: str, timeout_s: float, *, force: bool = False
) -> None:
    # LXD's own limit comes first, so that it says why, and nothing goes on after the deadline.
    own_s = max(1, int(timeout_s) - 2)
    body = {"action": action, "force": force, "timeout": own_s}
    path = f"{lxd.url('instances', name)}/state"
    operations.run(client, "PUT", path, body, timeout_s=timeout_s)


def _get(client: lxd.Client, name: str) -> Instance:
    return _parse(fields.as_object(client.get(lxd.url("instances", name))))


def _addresses(interface: fields.Json) -> tuple[str, ...]:
    found = fields.inners(interface, "addresses")
    return tuple(fields.text(one, "address") for one in found if one.get("scope") == "global")


def _parse(found: fields.Json) -> Instance:
    member = fields.text(found, "location")
    return Instance(
        name=fields.text(found, "name"),
        project=fields.text(found, "project"),
        kind=fields.text(found, "type"),
        status=fields.text(found, "status"),
        member="" if member == "none" else member,
        architecture=fields.text(found, "architecture"),
        description=fields.text(found, "description"),
        profiles=fields.texts(found, "profiles"),
        config=fields.mapping(found, "config"),
        devices=fields.devices(found),
        expanded_config=fields.mapping(found, "expanded_config"),
        expanded_devices=fields.devices(found, "expanded_devices"),
    )
