"""Lay a charm out as its packed file would: ``src``, ``lib`` and what else its parts ship."""

from __future__ import annotations

import atexit
import copy
import dataclasses
import functools
import pathlib
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from typing import Any, cast

import yaml

_METADATA_ONLY = ("config", "actions", "parts", "platforms", "type", "base", "build-base", "links")


_staged: dict[tuple[pathlib.Path, int], StagedCharm] = {}


@dataclasses.dataclass(frozen=True)
class StagedCharm:
    """A charm laid out in a folder, and the metadata that Juju reads from it."""

    root: pathlib.Path
    metadata: dict[str, Any]
    config: dict[str, Any]
    actions: dict[str, Any]

    @property
    def name(self) -> str:
        """The charm's name."""
        return str(self.metadata["name"])


def stage_once(charm: pathlib.Path) -> StagedCharm:
    """Lay out a charm in a folder of this process, one for each state that its files are in.

    Models that deploy the same charm share it, and so the code that was compiled for it.
    """
    key = (charm.resolve(), _fingerprint(charm.resolve()))
    if key not in _staged:
        _staged[key] = stage(charm, _folder() / str(len(_staged)))
    return _staged[key]


def stage(charm: pathlib.Path, target: pathlib.Path) -> StagedCharm:
    """Lay out a source folder or a packed ``.charm`` file in the folder ``target``.

    Sources are linked, not copied, so that a traceback names the file one edits.
    """
    target.mkdir(parents=True, exist_ok=True)
    if charm.is_file():
        return _unpack(charm, target)
    document = _load(charm / "charmcraft.yaml")
    for name in ("src", "templates", "icon.svg", "README.md", "LICENSE"):
        if (charm / name).exists():
            _link(charm / name, target / name)
    for source, destination in _dumped(charm, document):
        _link(source, target / destination)
    return StagedCharm(
        root=target,
        metadata={key: value for key, value in document.items() if key not in _METADATA_ONLY},
        config=document.get("config") or {},
        actions=document.get("actions") or {},
    )


@functools.cache
def _folder() -> pathlib.Path:
    """Return the folder of this process, which goes away with it."""
    folder = tempfile.mkdtemp(prefix="edgelab-charms-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return pathlib.Path(folder)


def _fingerprint(charm: pathlib.Path) -> int:
    """Return a number that changes when a file of a charm does, shared code included."""
    if charm.is_file():
        places = [charm]
    else:
        document = charm / "charmcraft.yaml"
        text = document.read_text(encoding="utf-8") if document.exists() else ""
        dumped = [source for source, _ in _dumped(charm, _parsed(text))]
        places = [charm / "charmcraft.yaml", charm / "src", charm / "templates", *dumped]
    files = [file for place in places for file in (place, *place.rglob("*.*"))]
    stats = [(str(file), file.stat()) for file in files if file.is_file()]
    return hash(tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


def _unpack(charm: pathlib.Path, target: pathlib.Path) -> StagedCharm:
    shutil.rmtree(target)
    with zipfile.ZipFile(charm) as archive:
        archive.extractall(target)
    staged = StagedCharm(
        root=target,
        metadata=_load(target / "metadata.yaml"),
        config=_load(target / "config.yaml"),
        actions=_load(target / "actions.yaml"),
    )
    for name in ("metadata.yaml", "config.yaml", "actions.yaml"):
        (target / name).unlink(missing_ok=True)  # ops.testing writes its own at each event
    return staged


def _dumped(
    charm: pathlib.Path, document: dict[str, Any]
) -> Iterator[tuple[pathlib.Path, pathlib.Path]]:
    """Yield what the charm's ``dump`` parts add: where from, and where to in the charm."""
    parts = cast("dict[str, dict[str, Any]]", document.get("parts") or {})
    for part in parts.values():
        if part.get("plugin") != "dump":
            continue
        source = (charm / str(part.get("source", "."))).resolve()
        organize = cast("dict[str, str]", part.get("organize") or {})
        if source == charm.resolve():
            continue
        if "*" in organize:
            yield source, pathlib.Path(organize["*"].rstrip("/"))
        for name, destination in organize.items():
            if name != "*":
                yield source / name, pathlib.Path(destination.rstrip("/"))


def _link(source: pathlib.Path, link: pathlib.Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(source.resolve())


def _load(path: pathlib.Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    return copy.deepcopy(_parsed(path.read_text(encoding="utf-8")))


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> dict[str, Any]:
    """Return what a document says, which each new model asks again."""
    return cast("dict[str, Any]", yaml.safe_load(text) or {})
