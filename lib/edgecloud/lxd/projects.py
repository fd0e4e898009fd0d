"""Projects: walls within LXD, each with instances, profiles and, if wanted, images of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from edgecloud.lxd import client as lxd
from edgecloud.lxd import documents, errors, fields, operations


@dataclasses.dataclass(frozen=True)
class Project:
    """A project."""

    name: str
    description: str
    config: Mapping[str, str]
    used_by: tuple[str, ...]


def every(client: lxd.Client) -> tuple[Project, ...]:
    """Return the projects by name."""
    found = client.every(lxd.url("projects"))
    return tuple(sorted(map(_parse, found), key=lambda project: project.name))


def find(client: lxd.Client, name: str) -> Project | None:
    """Return a project; None if there is none."""
    found = client.find(lxd.url("projects", name))
    return None if found is None else _parse(found)


def ensure(
    client: lxd.Client, name: str, config: Mapping[str, str], *, description: str = ""
) -> bool:
    """Have a project with these keys; others are left alone. Return whether anything changed.

    ``features.*`` of a project can only be changed while it is empty, and that is LXD's to say.
    """
    path = lxd.url("projects", name)
    if client.find(path) is not None:
        return documents.edit_config(client, path, config)
    body = {"name": name, "description": description, "config": dict(config)}
    operations.run(client, "POST", lxd.url("projects"), body)
    return True


def ensure_absent(client: lxd.Client, name: str) -> bool:
    """Delete an empty project. Return whether it was there."""
    try:
        operations.run(client, "DELETE", lxd.url("projects", name))
    except errors.NotFoundError:
        return False
    return True


def _parse(found: fields.Json) -> Project:
    return Project(
        name=fields.text(found, "name"),
        description=fields.text(found, "description"),
        config=fields.mapping(found, "config"),
        used_by=fields.texts(found, "used_by"),
    )
