"""What a lost machine is set up from again: databases, certificates, profiles and projects.

One file for each backup, readable by root only: it holds the cluster's keys. Instances are not in
it; they are on their disk.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from edgecloud import host as machines
from edgecloud.host import failures, files
from edgecloud.lxd import client, daemon

FOLDER = "/var/lib/edge-lxd/backups"
KEEP = 7

_FILES = ("server.crt", "server.key", "cluster.crt", "cluster.key")


class BackupError(failures.WorkloadError):
    """The backup is not there or does not read back."""


def take(host: machines.Host, at: daemon.Daemon, lxd: client.Client) -> dict[str, str]:
    """Write a backup, read it back, remove the oldest beyond :data:`KEEP`."""
    moment = datetime.datetime.fromtimestamp(host.now(), datetime.timezone.utc)
    path = f"{FOLDER}/{moment.strftime('%Y%m%dT%H%M%SZ')}.json"
    held: dict[str, Any] = {
        "global": daemon.dump(host, at, "global"),
        "local": daemon.dump(host, at, "local"),
        "files": {name: files.read(host, f"{at.folder}/{name}") for name in _FILES},
        "projects": lxd.every(client.url("projects")),
        "profiles": lxd.every(client.url("profiles"), {"all-projects": "true"}),
        "pools": lxd.every(client.url("storage-pools")),
        "networks": lxd.every(client.url("networks")),
    }
    host.write(path, json.dumps(held, indent=1, sort_keys=True) + "\n", mode=0o600)
    if check(host, path):
        raise BackupError(f"{path} does not read back: {check(host, path)}")
    for old in host.glob(f"{FOLDER}/*.json")[:-KEEP]:
        host.remove(old)
    size = len(host.read(path))
    return {"backup": path, "bytes": str(size), "kept": str(len(host.glob(f"{FOLDER}/*.json")))}


def check(host: machines.Host, path: str) -> str:
    """Return what is wrong with a backup, or nothing."""
    try:
        held = json.loads(host.read(path))
    except (OSError, ValueError) as error:
        return str(error)
    empty = [name for name in ("global", "local") if "COMMIT" not in held.get(name, "")]
    return f"the database {empty[0]} is not whole" if empty else ""
