"""Fetch an artefact from an OCI registry by digest; what does not match its digest is not kept."""

from __future__ import annotations

import hashlib
import http.client
import json
import pathlib
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, cast

ROOT_TYPE = "application/vnd.edgecloud.rootfs.v1"
BOOT_TYPE = "application/vnd.edgecloud.boot.v1.tar"

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_REF = re.compile(r"(?P<host>[^/]+)/(?P<name>[^@]+)@sha256:(?P<digest>[0-9a-f]{64})")
_PLAIN = re.compile(r"(localhost|127\.\d+\.\d+\.\d+)(:\d+)?")
_BLOCK = 1 << 20
_LARGEST_MANIFEST = 1 << 20
_TIMEOUT_S = 60


class RegistryError(Exception):
    """The artefact cannot be had; ``wrong`` if it is not what its digest says."""

    def __init__(self, reason: str, *, wrong: bool = False):
        super().__init__(reason)
        self.wrong = wrong


@dataclass(frozen=True)
class Blob:
    """One part of an artefact."""

    digest: str
    size: int


@dataclass(frozen=True)
class Artefact:
    """A system: what goes on the root partition, and what the boot loader needs."""

    root: Blob
    boot: Blob


def resolve(ref: str) -> Artefact:
    """Return what a reference with a digest names."""
    host, name, digest = _split(ref)
    url = f"{_base(host)}/v2/{name}/manifests/sha256:{digest}"
    try:
        with _open(url, {"Accept": _MANIFEST}) as answer:
            raw = answer.read(_LARGEST_MANIFEST)
    except _FAILURES as e:
        raise RegistryError(f"{host}: {e}") from e
    if hashlib.sha256(raw).hexdigest() != digest:
        raise RegistryError("the manifest is not the one that the plan pins", wrong=True)
    try:
        layers = cast("list[dict[str, Any]]", json.loads(raw)["layers"])
        blobs = {layer["mediaType"]: _blob(layer) for layer in layers}
        return Artefact(blobs[ROOT_TYPE], blobs[BOOT_TYPE])
    except (ValueError, KeyError, TypeError) as e:
        raise RegistryError(f"the manifest names no system: {e}", wrong=True) from e


def _blob(layer: dict[str, Any]) -> Blob:
    algorithm, _, digest = str(layer["digest"]).partition(":")
    if algorithm != "sha256" or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError(f"digest {layer['digest']!r}")
    return Blob(digest, int(layer["size"]))


def fetch(ref: str, blob: Blob, target: pathlib.Path) -> None:
    """Have a blob in a file, going on where a former attempt was cut off."""
    if target.exists() and _digest(target) == blob.digest:
        return
    host, name, _ = _split(ref)
    part = target.with_name(f"{target.name}.part")
    try:
        _download(f"{_base(host)}/v2/{name}/blobs/sha256:{blob.digest}", part, blob.size)
    except _FAILURES as e:
        raise RegistryError(f"{host}: {e}") from e
    if part.stat().st_size < blob.size:
        raise RegistryError("the registry broke off")
    if part.stat().st_size != blob.size or _digest(part) != blob.digest:
        part.unlink()
        raise RegistryError("the image is not the one that the plan pins", wrong=True)
    part.replace(target)


def _download(url: str, part: pathlib.Path, size: int) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have >= size:
        part.unlink(missing_ok=True)
        have = 0
    with _open(url, {"Range": f"bytes={have}-"} if have else {}) as answer:
        mode = "ab" if have and answer.status == http.HTTPStatus.PARTIAL_CONTENT else "wb"
        with part.open(mode) as file:
            while file.tell() <= size and (block := answer.read(_BLOCK)):
                file.write(block)


def _open(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers=headers)
    return urllib.request.urlopen(request, timeout=_TIMEOUT_S)


_FAILURES = (urllib.error.URLError, http.client.HTTPException, OSError)


def _split(ref: str) -> tuple[str, str, str]:
    found = _REF.fullmatch(ref)
    if not found:
        raise RegistryError(f"{ref!r} is no reference with a digest", wrong=True)
    return found["host"], found["name"], found["digest"]


def _base(host: str) -> str:
    """Return the address of a registry; only this machine's own is asked without encryption."""
    return f"{'http' if _PLAIN.fullmatch(host) else 'https'}://{host}"


def _digest(file: pathlib.Path) -> str:
    sum_ = hashlib.sha256()
    with file.open("rb") as source:
        while block := source.read(_BLOCK):
            sum_.update(block)
    return sum_.hexdigest()
