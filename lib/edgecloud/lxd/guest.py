"""Reach into an instance: run a command in it, put a file there, fetch one."""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Mapping, Sequence

from edgecloud.lxd import client as lxd
from edgecloud.lxd import errors, fields, operations


@dataclasses.dataclass(frozen=True)
class Result:
    """What a command did."""

    exit_code: int
    stdout: str
    stderr: str


def run(
    client: lxd.Client,
    instance: str,
    command: Sequence[str],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
) -> Result:
    """Run a command in an instance to its end.

    A secret goes into a file by :func:`push`, never into the command: LXD keeps what it ran.

    Raises:
        errors.UnfinishedError: it still runs.
    """
    body = {
        "command": list(command),
        "environment": dict(env or {}),
        "interactive": False,
        "wait-for-websocket": False,
        "record-output": True,
    }
    path = f"{lxd.url('instances', instance)}/exec"
    done = fields.as_object(operations.run(client, "POST", path, body, timeout_s=timeout_s))
    logs = fields.mapping(done, "output")
    return Result(
        exit_code=fields.number(done, "return"),
        stdout=_taken(client, logs.get("1", "")),
        stderr=_taken(client, logs.get("2", "")),
    )


def push(
    client: lxd.Client, instance: str, path: str, content: bytes, *, mode: int = 0o644
) -> None:
    """Write a file of root's in an instance, running or not; its folder must be there."""
    headers = {
        "Content-Type": "application/octet-stream",
        "X-LXD-type": "file",
        "X-LXD-write": "overwrite",
        "X-LXD-uid": "0",
        "X-LXD-gid": "0",
        "X-LXD-mode": f"{mode:04o}",
    }
    body = lxd.File(content, headers)
    client.call("POST", f"{lxd.url('instances', instance)}/files", body, query={"path": path})


def pull(client: lxd.Client, instance: str, path: str) -> bytes:
    """Return a file of an instance."""
    found = client.raw(f"{lxd.url('instances', instance)}/files", query={"path": path})
    if found.headers.get("x-lxd-type", "file") != "file":
        raise errors.BadRequestError(f"{path} is a {found.headers['x-lxd-type']}, not a file")
    return found.body


def _taken(client: lxd.Client, log: str) -> str:
    """Return what a command printed, and delete the log, which LXD would keep for days."""
    if not log:
        return ""
    path, _, query = log.partition("?")
    asked = dict(urllib.parse.parse_qsl(query))
    text = client.raw(path, query=asked).body.decode(errors="replace")
    client.call("DELETE", path, query=asked)
    return text
