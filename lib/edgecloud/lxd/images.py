"""Images, and the aliases by which others find them without a network."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any

from edgecloud.lxd import client as lxd
from edgecloud.lxd import errors, fields, multipart, operations

UPLOAD_S = 900.0


@dataclasses.dataclass(frozen=True)
class Image:
    """An image that this LXD holds."""

    fingerprint: str
    kind: str
    """``container`` or ``virtual-machine``."""
    architecture: str
    aliases: tuple[str, ...]
    size: int
    cached: bool
    """Whether it was fetched for an instance and goes when nothing needs it any more."""
    auto_update: bool
    properties: Mapping[str, str]


def every(client: lxd.Client) -> tuple[Image, ...]:
    """Return the images of the project by fingerprint."""
    found = client.every(lxd.url("images"))
    return tuple(sorted(map(_parse, found), key=lambda image: image.fingerprint))


def find(client: lxd.Client, fingerprint: str) -> Image | None:
    """Return an image; None if there is none."""
    found = client.find(lxd.url("images", fingerprint))
    return None if found is None else _parse(found)


def fingerprint(metadata: pathlib.Path, rootfs: pathlib.Path | None = None) -> str:
    """Return the fingerprint that an image will have: of its one file, or of both in a row."""
    digest = hashlib.sha256()
    for path in (metadata, rootfs):
        if path:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()


def ensure(
    client: lxd.Client,
    metadata: pathlib.Path,
    rootfs: pathlib.Path | None = None,
    *,
    timeout_s: float = UPLOAD_S,
) -> tuple[str, bool]:
    """Have an image from files: a unified tarball, or metadata and root file system.

    Returns:
        Its fingerprint, and whether it was uploaded now.
    """
    wanted = fingerprint(metadata, rootfs)
    if find(client, wanted) is not None:
        return wanted, False
    with contextlib.ExitStack() as stack:
        body = _upload(stack, metadata, rootfs)
        try:
            operations.run(client, "POST", lxd.url("images"), body, timeout_s=timeout_s)
        except errors.AlreadyExistsError:
            return wanted, False
    return wanted, True


def fetch(
    client: lxd.Client, server: str, alias: str, *, auto_update: bool = False, timeout_s: float
) -> str:
    """Have LXD fetch an image from a simplestreams server, which must speak https.

    Returns:
        The image's fingerprint.
    """
    source = {
        "type": "image",
        "mode": "pull",
        "protocol": "simplestreams",
        "server": server,
        "alias": alias,
    }
    body = {"source": source, "auto_update": auto_update}
    result = operations.run(client, "POST", lxd.url("images"), body, timeout_s=timeout_s)
    return fields.text(fields.as_object(result), "fingerprint")


def alias(client: lxd.Client, name: str) -> str:
    """Return the fingerprint that an alias leads to; empty if there is no such alias."""
    return fields.text(client.find(lxd.url("images", "aliases", name)) or {}, "target")


def ensure_alias(client: lxd.Client, name: str, target: str, *, description: str = "") -> bool:
    """Have an alias lead to an image. Return whether anything changed."""
    former = alias(client, name)
    if former == target:
        return False
    body: dict[str, Any] = {"target": target, "description": description}
    if former:
        client.call("PUT", lxd.url("images", "aliases", name), body)
    else:
        client.call("POST", lxd.url("images", "aliases"), {"name": name, **body})
    return True


def ensure_absent(client: lxd.Client, image_fingerprint: str) -> bool:
    """Delete an image with its aliases. Return whether it was there."""
    try:
        operations.run(client, "DELETE", lxd.url("images", image_fingerprint))
    except errors.NotFoundError:
        return False
    return True


def _upload(
    stack: contextlib.ExitStack, metadata: pathlib.Path, rootfs: pathlib.Path | None
) -> lxd.File:
    first = stack.enter_context(metadata.open("rb"))
    if rootfs is None:
        headers = {"Content-Type": "application/octet-stream"}
        return lxd.File(first, headers, multipart.size(first))
    second = stack.enter_context(rootfs.open("rb"))
    # The order counts: LXD takes the first field for metadata and computes the fingerprint so.
    return multipart.form({"metadata": first, "rootfs": second})


def _parse(found: fields.Json) -> Image:
    return Image(
        fingerprint=fields.text(found, "fingerprint"),
        kind=fields.text(found, "type"),
        architecture=fields.text(found, "architecture"),
        aliases=tuple(sorted(fields.text(one, "name") for one in fields.inners(found, "aliases"))),
        size=fields.number(found, "size"),
        cached=fields.flag(found, "cached"),
        auto_update=fields.flag(found, "auto_update"),
        properties=fields.mapping(found, "properties"),
    )
