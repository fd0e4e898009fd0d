"""Fetch an artefact from an OCI registry by digest; what does not match its digest is not kept."""

from __future__ import annotations

import hashlib
import http.client
import json
import pathlib
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

ROOT_TYPE = "application/vnd.edgecloud.rootfs.v1"
BOOT_TYPE = "application/vnd.edgecloud.boot.v1.tar"
MODULES_TYPE = "application/vnd.edgecloud.modules.v1.tar"

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
    """A system or a kernel: what the boot loader needs, and what belongs to it."""

    boot: Blob
    root: Blob | None = None
    modules: Blob | None = None


def _count_nothing(size: int) -> None:
    """Pass bytes by that nobody counts."""


@dataclass(frozen=True)
class Fetch:
    """Fetches the blobs of one artefact, no faster than the plan allows."""

    ref: str
    rate_kib: int = 0
    sleep: Callable[[float], None] = time.sleep
    count: Callable[[int], None] = _count_nothing
    """Told of every byte that came, whatever becomes of it."""

    def __call__(self, blob: Blob, target: pathlib.Path) -> None:
        """Have a blob in a file, going on where a former attempt was cut off."""
        if target.exists() and digest(target) == blob.digest:
            return
        host, name, _ = _split(self.ref)
        part = target.with_name(f"{target.name}.part")
        try:
            self._download(f"{_base(host)}/v2/{name}/blobs/sha256:{blob.digest}", part, blob.size)
        except _FAILURES as e:
            raise RegistryError(f"{host}: {e}") from e
        if part.stat().st_size < blob.size:
            raise RegistryError("the registry broke off")
        if part.stat().st_size != blob.size or digest(part) != blob.digest:
            part.unlink()
            raise RegistryError("the image is not the one that the plan pins", wrong=True)
        part.replace(target)

    def _download(self, url: str, part: pathlib.Path, size: int) -> None:
        have = part.stat().st_size if part.exists() else 0
        if have >= size:
            part.unlink(missing_ok=True)
            have = 0
        with _open(url, {"Range": f"bytes={have}-"} if have else {}) as answer:
            mode = "ab" if have and answer.status == http.HTTPStatus.PARTIAL_CONTENT else "wb"
            with part.open(mode) as file:
                begun = file.tell()
                try:
                    while file.tell() <= size and (block := answer.read(self._block)):
                        file.write(block)
                        self._pause(len(block))
                finally:
                    self.count(file.tell() - begun)

    @property
    def _block(self) -> int:
        return min(_BLOCK, self.rate_kib * 1024) or _BLOCK

    def _pause(self, size: int) -> None:
        if self.rate_kib:
            self.sleep(size / (self.rate_kib * 1024))


def resolve(ref: str) -> Artefact:
    """Return what a reference with a digest names."""
    host, name, pinned = _split(ref)
    url = f"{_base(host)}/v2/{name}/manifests/sha256:{pinned}"
    try:
        with _open(url, {"Accept": _MANIFEST}) as answer:
            raw = answer.read(_LARGEST_MANIFEST)
    except _FAILURES as e:
        raise RegistryError(f"{host}: {e}") from e
    if hashlib.sha256(raw).hexdigest() != pinned:
        raise RegistryError("the manifest is not the one that the plan pins", wrong=True)
    try:
        layers = cast("list[dict[str, Any]]", json.loads(raw)["layers"])
        blobs = {layer["mediaType"]: _blob(layer) for layer in layers}
        return Artefact(blobs[BOOT_TYPE], blobs.get(ROOT_TYPE), blobs.get(MODULES_TYPE))
    except (ValueError, KeyError, TypeError) as e:
        raise RegistryError(f"the manifest names no system: {e}", wrong=True) from e


def _blob(layer: dict[str, Any]) -> Blob:
    algorithm, _, value = str(layer["digest"]).partition(":")
    if algorithm != "sha256" or not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError(f"digest {layer['digest']!r}")
    return Blob(value, int(layer["size"]))


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


def digest(file: pathlib.Path) -> str:
    """Return the SHA-256 of a file."""
    sum_ = hashlib.sha256()
    with file.open("rb") as source:
        while block := source.read(_BLOCK):
            sum_.update(block)
    return sum_.hexdigest()
