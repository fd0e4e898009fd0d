"""Snapshots of instances: their keys, their files, and what their daemons remember on disk."""

from __future__ import annotations

import pathlib
import shutil
import typing

from edgelab.pi import codec
from edgelab.pi.lxd import guests, state

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds

_KEYS = ("config", "devices", "profiles")
_ON_DISK = (
    "acknowledged",
    "changes",
    "disk_used",
    "node",
    "packages",
    "snapd_settings",
    "snaps",
    "units",
)
"""What the lab keeps of a machine elsewhere than in its files, though it lies on its disk."""


def take(world: worlds.World, site: state.Site, document: state.Json, name: str) -> None:
    """Keep an instance as it is now, under a name."""
    made: state.Json = {
        "name": name,
        "created_at": f"{world.clock.now():.0f}",
        "expires_at": "",
        **{key: codec.loads(codec.dumps(document[key])) for key in _KEYS},
    }
    inside = guests.find(world, site, document)
    if inside is not None:
        shutil.copytree(inside.root, _folder(inside) / name, symlinks=True)
        # As a text: what runs on changes the values themselves.
        made["disk"] = codec.dumps({key: getattr(inside, key) for key in _ON_DISK})
    document["snapshots"].append(made)


def restore(world: worlds.World, site: state.Site, document: state.Json, made: state.Json) -> None:
    """Put an instance back to a snapshot; one that runs is stopped, and started again."""
    inside = guests.find(world, site, document)
    ran = document["status"] == guests.RUNNING
    if ran:
        guests.stop(world, site, document)
    document.update(codec.loads(codec.dumps({key: made[key] for key in _KEYS})))
    if inside is not None and "disk" in made:
        shutil.rmtree(inside.root)
        shutil.copytree(_folder(inside) / made["name"], inside.root, symlinks=True)
        _put_back(inside, codec.loads(made["disk"]))
    host = state.machine_of(world, site.members[document["location"]])
    if ran and host is not None:
        guests.start(host, site, document)


def delete(world: worlds.World, site: state.Site, document: state.Json, made: state.Json) -> None:
    """Forget a snapshot."""
    document["snapshots"].remove(made)
    inside = guests.find(world, site, document)
    if inside is not None:
        shutil.rmtree(_folder(inside) / made["name"], ignore_errors=True)


def delete_all(inside: machines.Machine) -> None:
    """Forget the snapshots of an instance that is deleted."""
    shutil.rmtree(_folder(inside), ignore_errors=True)


def _folder(inside: machines.Machine) -> pathlib.Path:
    return inside.world.root / "snapshots" / inside.id


def _put_back(inside: machines.Machine, kept: state.Json) -> None:
    found = codec.decode_into(
        type(inside),
        {**kept, "id": inside.id, "hostname": inside.hostname, "address": inside.address},
        {"world": inside.world},
    )
    for key in _ON_DISK:
        setattr(inside, key, getattr(found, key))
