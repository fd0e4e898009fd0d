"""Change files that belong to somebody else, leaving their owner and mode as they are."""

from __future__ import annotations

import json
import os
from typing import Any, cast

from edgecloud import host


def read(host: host.Host, path: str) -> str:
    """Return a text file; empty if it is not there."""
    try:
        return host.read(path)
    except FileNotFoundError:
        return ""


def rewrite(host: host.Host, path: str, text: str, *, mode: int = 0o660) -> bool:
    """Make a file hold this text. Return whether anything changed.

    Args:
        host: the machine.
        path: of the file.
        text: what it shall hold.
        mode: of the file if it is not there yet.
    """
    target = host.path(path)
    try:
        former = target.stat()
    except FileNotFoundError:
        return host.write(path, text, mode=mode)
    if not host.write(path, text, mode=former.st_mode & 0o777):
        return False
    # Writing replaces the file, so the new one has the owner of this process.
    os.chown(target, former.st_uid, former.st_gid)
    return True


def read_state(host: host.Host, path: str) -> dict[str, Any]:
    """Return what a JSON file remembers; nothing if it is not there or was damaged."""
    try:
        found = json.loads(read(host, path))
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def write_state(host: host.Host, path: str, state: dict[str, Any]) -> bool:
    """Remember something in a JSON file that only root may read; no file if there is nothing."""
    if not state:
        return host.remove(path)
    return host.write(path, json.dumps(state, indent=1, sort_keys=True) + "\n", mode=0o600)
