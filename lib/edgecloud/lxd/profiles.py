"""Profiles: configuration and devices that instances share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from edgecloud.lxd import client as lxd
from edgecloud.lxd import documents, errors, fields, operations

Devices = Mapping[str, Mapping[str, str]]


@dataclasses.dataclass(frozen=True)
class Profile:
    """A profile."""

    name: str
    description: str
    config: Mapping[str, str]
    devices: Devices
    used_by: tuple[str, ...]


def every(client: lxd.Client) -> tuple[Profile, ...]:
    """Return the profiles of the project by name."""
    found = client.every(lxd.url("profiles"))
    return tuple(sorted(map(_parse, found), key=lambda profile: profile.name))


def find(client: lxd.Client, name: str) -> Profile | None:
    """Return a profile; None if there is none."""
    found = client.find(lxd.url("profiles", name))
    return None if found is None else _parse(found)


def drift(profile: Profile, config: Mapping[str, str], devices: Devices) -> tuple[str, ...]:
    """Return which keys and devices differ from what they should be, sorted."""
    keys = {*profile.config, *config}
    names = {*profile.devices, *devices}
    wrong = [key for key in keys if profile.config.get(key) != config.get(key)]
    wrong += [f"device {name}" for name in names if profile.devices.get(name) != devices.get(name)]
    return tuple(sorted(wrong))


def ensure(
    client: lxd.Client,
    name: str,
    config: Mapping[str, str],
    devices: Devices,
    *,
    description: str = "",
) -> bool:
    """Have a profile with just this configuration and these devices. Return whether it changed.

    Keys that only count at an instance's next start are taken without a word while it runs.
    """
    path = lxd.url("profiles", name)
    wanted = {
        "description": description,
        "config": dict(config),
        "devices": {device: dict(keys) for device, keys in devices.items()},
    }
    if client.find(path) is None:
        try:
            operations.run(client, "POST", lxd.url("profiles"), {"name": name, **wanted})
        except errors.AlreadyExistsError:
            pass  # Somebody was faster: see what they made.
        else:
            return True
    return documents.edit(client, path, lambda document: document.update(wanted))


def ensure_keys(
    client: lxd.Client,
    name: str,
    config: Mapping[str, str | None],
    devices: Mapping[str, Mapping[str, str] | None],
) -> bool:
    """Set keys and devices of a profile that others use too; take away those that are None.

    Returns:
        Whether it changed.
    """

    def change(document: fields.Json) -> None:
        documents.set_keys(document, "config", config)
        documents.set_keys(document, "devices", devices)

    return documents.edit(client, lxd.url("profiles", name), change)


def ensure_absent(client: lxd.Client, name: str) -> bool:
    """Delete a profile that nothing uses. Return whether it was there."""
    try:
        operations.run(client, "DELETE", lxd.url("profiles", name))
    except errors.NotFoundError:
        return False
    return True


def _parse(found: fields.Json) -> Profile:
    return Profile(
        name=fields.text(found, "name"),
        description=fields.text(found, "description"),
        config=fields.mapping(found, "config"),
        devices=fields.devices(found),
        used_by=fields.texts(found, "used_by"),
    )
