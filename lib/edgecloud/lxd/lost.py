"""Instances that lie in a pool and that the database does not know: found, and taken into it.

These are the two calls that ``lxd recover`` makes, too. Its dialogue cannot be relied on: the
questions differ from release to release.
"""

from __future__ import annotations

import dataclasses
import re

from edgecloud.lxd import client as lxd
from edgecloud.lxd import fields, storage

SCAN_S = 600.0

_NEWER = "storage_source_recover"
"""A daemon with this extension takes over a pool first, and then looks for what lies in it."""

_PROJECT = re.compile(r'^Project "(?P<project>[^"]+)"$')
_PROFILE = re.compile(r'^Profile "(?P<name>[^"]+)" in project "(?P<project>[^"]+)"$')
_NETWORK = re.compile(r'^Network "(?P<name>[^"]+)" in project "(?P<project>[^"]+)"$')


@dataclasses.dataclass(frozen=True)
class Pool:
    """A pool that an earlier daemon made."""

    name: str
    driver: str
    source: str
    """A disk, a partition or a file."""


@dataclasses.dataclass(frozen=True)
class Volume:
    """What lies in it."""

    name: str
    kind: str
    project: str
    snapshots: int


@dataclasses.dataclass(frozen=True)
class Missing:
    """What the volumes refer to, and this daemon lacks."""

    projects: tuple[str, ...] = ()
    profiles: tuple[tuple[str, str], ...] = ()
    """Project and name of each."""
    networks: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """In LXD's words."""

    def __bool__(self) -> bool:
        return bool(self.projects or self.profiles or self.networks or self.others)


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a scan found."""

    volumes: tuple[Volume, ...]
    missing: Missing


def scan(client: lxd.Client, pool: Pool) -> Findings:
    """Return what lies in a pool. Changes nothing, but that a newer daemon then has the pool.

    Raises:
        errors.LxdError: there is no such pool there.
    """
    if client.has(_NEWER):
        config = {"source": pool.source, "source.recover": "true"}
        storage.ensure(client, pool.name, pool.driver, config)
    answer = client.call(
        "POST", "/internal/recover/validate", _body(client, pool), timeout_s=SCAN_S
    )
    found = fields.as_object(answer.metadata)
    volumes = tuple(map(_parse, fields.inners(found, "UnknownVolumes")))
    return Findings(volumes, missing(fields.texts(found, "DependencyErrors")))


def take(client: lxd.Client, pool: Pool) -> None:
    """Have the pool, and all that a scan of it found, in the database.

    Raises:
        errors.LxdError: something that it refers to is missing.
    """
    client.call("POST", "/internal/recover/import", _body(client, pool), timeout_s=SCAN_S)


def missing(said: tuple[str, ...]) -> Missing:
    """Return what LXD said is missing, by kind."""
    projects = [match["project"] for text in said if (match := _PROJECT.match(text))]
    profiles = [
        (match["project"], match["name"]) for text in said if (match := _PROFILE.match(text))
    ]
    networks = [match["name"] for text in said if (match := _NETWORK.match(text))]
    known = (_PROJECT, _PROFILE, _NETWORK)
    others = [text for text in said if not any(one.match(text) for one in known)]
    return Missing(tuple(projects), tuple(profiles), tuple(networks), tuple(others))


def _body(client: lxd.Client, pool: Pool) -> fields.Json:
    if client.has(_NEWER):
        return {"pools": [{"name": pool.name}]}
    config = {"source": pool.source}
    return {"pools": [{"name": pool.name, "driver": pool.driver, "config": config}]}


def _parse(found: fields.Json) -> Volume:
    return Volume(
        name=fields.text(found, "name"),
        kind=fields.text(found, "type"),
        project=fields.text(found, "project"),
        snapshots=fields.number(found, "snapshotCount"),
    )
