"""Take a whole instance out as a file, and make one from such a file."""

from __future__ import annotations

import contextlib
from typing import BinaryIO

from edgecloud.lxd import client as lxd
from edgecloud.lxd import deadline, errors, multipart, operations

TIMEOUT_S = 3600.0

_NAME = "edgecloud-export"


def export(
    client: lxd.Client,
    instance: str,
    sink: BinaryIO,
    *,
    with_snapshots: bool = False,
    compression: str = "none",
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Write an instance to a file; nothing of it stays in LXD.

    Args:
        client: the daemon.
        instance: which.
        sink: takes the tarball.
        with_snapshots: put its snapshots in, too.
        compression: ``none``, ``gzip``, ``zstd``; a small machine takes minutes for gzip.
        timeout_s: for everything together.
    """
    limit = deadline.Deadline(timeout_s)
    collection = f"{lxd.url('instances', instance)}/backups"
    path = f"{collection}/{_NAME}"
    _remove(client, path)  # Of an attempt that broke off.
    body = {
        "name": _NAME,
        "instance_only": not with_snapshots,
        "compression_algorithm": compression,
        "optimized_storage": False,
    }
    try:
        operations.run(client, "POST", collection, body, timeout_s=timeout_s)
        client.raw(f"{path}/export", sink=sink, timeout_s=limit.left_s() or 1.0)
    finally:
        _remove(client, path)


def restore(
    client: lxd.Client,
    name: str,
    backup: BinaryIO,
    *,
    pool: str = "",
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Make an instance from a file that :func:`export` wrote.

    Args:
        client: the daemon.
        name: of the new instance.
        backup: the tarball.
        pool: where to put it; the one it came from if empty.
        timeout_s: for everything together.
    """
    client.require("backup_override_name")
    headers = {"Content-Type": "application/octet-stream", "X-LXD-name": name}
    if pool:
        headers["X-LXD-pool"] = pool
    body = lxd.File(backup, headers, multipart.size(backup))
    operations.run(client, "POST", lxd.url("instances"), body, timeout_s=timeout_s)


def _remove(client: lxd.Client, path: str) -> None:
    with contextlib.suppress(errors.NotFoundError):
        operations.run(client, "DELETE", path)
