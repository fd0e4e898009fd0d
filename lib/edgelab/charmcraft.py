"""What a charm declares: endpoints, options, actions, resources, storage, and what it runs on."""

from __future__ import annotations

import dataclasses
import pathlib
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias, cast

import yaml

Document: TypeAlias = Mapping[str, Any]
Role = Literal["provides", "requires", "peers"]
OptionValue: TypeAlias = str | int | float | bool

ROLES: tuple[Role, ...] = ("provides", "requires", "peers")


class CharmError(Exception):
    """There is no charm here, or its description cannot be read."""


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A charm's named plug."""

    name: str
    role: Role
    interface: str
    scope: str = "global"
    limit: int | None = None
    optional: bool = False
    description: str = ""


JUJU_INFO = Endpoint("juju-info", "provides", "juju-info", optional=True)
"""What every application provides without saying so."""


@dataclasses.dataclass(frozen=True)
class Option:
    """Something that the operator sets."""

    name: str
    type: str
    default: OptionValue | None = None
    description: str = ""


@dataclasses.dataclass(frozen=True)
class Action:
    """A command that the operator runs on a unit."""

    name: str
    parameters: Mapping[str, Document]
    required: tuple[str, ...] = ()
    additional: bool | None = None
    """Whether unknown parameters are let through; None if the charm leaves it to Juju."""
    description: str = ""

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the parameters."""
        return {
            "type": "object",
            "properties": dict(self.parameters),
            "required": list(self.required),
            "additionalProperties": bool(self.additional),
        }


@dataclasses.dataclass(frozen=True)
class Resource:
    """A file or image that comes with the charm, or that the operator attaches."""

    name: str
    type: str
    filename: str = ""
    description: str = ""


@dataclasses.dataclass(frozen=True)
class Storage:
    """Storage that the charm asks for."""

    name: str
    type: str
    minimum: int = 1
    maximum: int | None = 1
    """How many instances at most; None if any number."""


@dataclasses.dataclass(frozen=True, order=True)
class Platform:
    """One of the builds of a charm: what it is called, and what it runs on."""

    name: str
    base: str
    architecture: str


@dataclasses.dataclass(frozen=True)
class CharmInfo:
    """What Juju knows of a charm before it runs it."""

    name: str
    path: pathlib.Path
    """The source folder or the packed file."""
    subordinate: bool
    endpoints: Mapping[str, Endpoint]
    options: Mapping[str, Option]
    actions: Mapping[str, Action]
    resources: Mapping[str, Resource]
    storage: Mapping[str, Storage]
    platforms: tuple[Platform, ...]
    extra_bindings: tuple[str, ...] = ()
    assumes: tuple[str, ...] = ()

    @property
    def bases(self) -> tuple[str, ...]:
        """The bases that the charm runs on, such as ``ubuntu@24.04``."""
        return tuple(sorted({platform.base for platform in self.platforms}))

    @property
    def architectures(self) -> tuple[str, ...]:
        """The processors that the charm runs on, such as ``arm64``."""
        return tuple(sorted({platform.architecture for platform in self.platforms}))

    def endpoint(self, name: str) -> Endpoint | None:
        """Return the endpoint of that name; None if there is none."""
        return self.endpoints.get(name, JUJU_INFO if name == JUJU_INFO.name else None)

    def only(self, platform: str) -> CharmInfo:
        """Return this charm as the packed file of one platform offers it."""
        kept = tuple(each for each in self.platforms if each.name == platform)
        return dataclasses.replace(self, platforms=kept)


def read(path: pathlib.Path) -> CharmInfo:
    """Read a source folder or a packed ``.charm`` file. Raises CharmError."""
    try:
        return _read_folder(path) if path.is_dir() else _read_packed(path)
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise CharmError(f"{path} is no valid YAML: {e}") from e
    except (OSError, zipfile.BadZipFile) as e:
        raise CharmError(f"{path} is no charm: {e}") from e
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise CharmError(f"{path} does not describe a charm: {type(e).__name__}: {e}") from e


def _read_folder(folder: pathlib.Path) -> CharmInfo:
    document = dict(_load((folder / "charmcraft.yaml").read_text(encoding="utf-8")))
    # Charmcraft still takes three of its sections from files of their own.
    document.update(_optional(folder, "metadata.yaml"))
    config = document.get("config") or _optional(folder, "config.yaml")
    actions = document.get("actions") or _optional(folder, "actions.yaml")
    return _info(folder, document, config, actions, tuple(_planned(document)))


def _read_packed(file: pathlib.Path) -> CharmInfo:
    with zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())

        def member(name: str) -> Document:
            return _load(archive.read(name).decode("utf-8")) if name in names else {}

        if "metadata.yaml" not in names or "manifest.yaml" not in names:
            raise CharmError(f"{file} lacks metadata.yaml or manifest.yaml: Juju refuses it")
        platforms = tuple(_built(member("manifest.yaml"), file))
        return _info(
            file, member("metadata.yaml"), member("config.yaml"), member("actions.yaml"), platforms
        )


def _load(text: str) -> Document:
    return cast("Document", yaml.safe_load(text) or {})


def _optional(folder: pathlib.Path, name: str) -> Document:
    file = folder / name
    return _load(file.read_text(encoding="utf-8")) if file.exists() else {}


def _info(
    path: pathlib.Path,
    metadata: Document,
    config: Document,
    actions: Document,
    platforms: tuple[Platform, ...],
) -> CharmInfo:
    return CharmInfo(
        name=str(metadata["name"]),
        path=path,
        subordinate=bool(metadata.get("subordinate")),
        endpoints={endpoint.name: endpoint for endpoint in _endpoints(metadata)},
        options={
            name: Option(name, str(o["type"]), o.get("default"), str(o.get("description", "")))
            for name, o in _entries(config, "options")
        },
        actions={name: _action(name, each or {}) for name, each in actions.items()},
        resources={
            name: Resource(
                name, r.get("type", "file"), r.get("filename", ""), r.get("description", "")
            )
            for name, r in _entries(metadata, "resources")
        },
        storage={name: _storage(name, each) for name, each in _entries(metadata, "storage")},
        platforms=platforms,
        extra_bindings=tuple(name for name, _ in _entries(metadata, "extra-bindings")),
        assumes=tuple(_assumptions(metadata.get("assumes") or ())),
    )


def _entries(document: Document, section: str) -> Iterator[tuple[str, Document]]:
    """Yield name and content of the entries of a section that may be missing or empty."""
    entries = cast("Mapping[str, Document | None]", document.get(section) or {})
    for name, content in entries.items():
        yield str(name), content or {}


def _endpoints(metadata: Document) -> Iterator[Endpoint]:
    for role in ROLES:
        for name, entry in cast("Document", metadata.get(role) or {}).items():
            if isinstance(entry, str):  # the short form names the interface alone
                yield Endpoint(name, role, entry)
                continue
            yield Endpoint(
                name=name,
                role=role,
                interface=str(entry["interface"]),
                scope=str(entry.get("scope", "global")),
                limit=entry.get("limit"),
                optional=bool(entry.get("optional", False)),
                description=str(entry.get("description", "")),
            )


def _action(name: str, entry: Document) -> Action:
    return Action(
        name=name,
        parameters=entry.get("params") or {},
        required=tuple(entry.get("required") or ()),
        additional=entry.get("additionalProperties"),
        description=str(entry.get("description", "")),
    )


def _storage(name: str, entry: Document) -> Storage:
    counts = str(cast("Document", entry.get("multiple") or {}).get("range", "1"))
    least, _, most = counts.rstrip("+").partition("-")
    open_ended = counts.endswith(("+", "-"))
    maximum = None if open_ended else int(most or least)
    return Storage(name, str(entry["type"]), int(least), maximum)


def _assumptions(expressions: object) -> Iterator[str]:
    """Yield what a charm assumes of Juju, alternatives as one text."""
    for each in cast("list[str | Mapping[str, Any]]", expressions):
        if isinstance(each, str):
            yield each
            continue
        for word, inner in each.items():
            texts = tuple(_assumptions(inner))
            yield from texts if word == "all-of" else (" or ".join(texts),)


def _planned(document: Document) -> Iterator[Platform]:
    """Yield the builds that a charmcraft.yaml asks for."""
    top = str(document.get("base") or "")
    for name, entry in _entries(document, "platforms"):
        targets = entry.get("build-for") or [name]
        for target in [targets] if isinstance(targets, str) else targets:
            base, _, architecture = str(target).rpartition(":")
            yield Platform(name, base or top, architecture)
    for base in cast("list[Document]", document.get("bases") or []):
        for run_on in cast("list[Document]", base.get("run-on") or [base]):
            yield from _base(run_on, "")


def _built(manifest: Document, file: pathlib.Path) -> Iterator[Platform]:
    """Yield what the manifest of a packed charm says that it runs on."""
    _, _, platform = file.stem.partition("_")
    for base in cast("list[Document]", manifest.get("bases") or []):
        yield from _base(base, platform)


def _base(entry: Document, platform: str) -> Iterator[Platform]:
    release = str(entry["channel"]).partition("/")[0]
    for architecture in entry.get("architectures") or ["all"]:
        name = f"{entry['name']}-{release}-{architecture}"
        yield Platform(platform or name, f"{entry['name']}@{release}", str(architecture))
