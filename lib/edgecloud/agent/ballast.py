"""A few MiB that are kept for the day on which the disk is full, so that the way back is open."""

from __future__ import annotations

import os

from edgecloud import host
from edgecloud.agent import paths

FILE = f"{paths.HOME}/ballast"
SIZE = 8 << 20
_PLENTY = 512 << 20


def take(machine: host.Host) -> bool:
    """Take ballast aboard while there is plenty of room. Return whether it was missing."""
    if machine.exists(FILE) or machine.free_bytes(paths.HOME) < _PLENTY:
        return False
    file = machine.path(FILE)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, SIZE)
    finally:
        os.close(descriptor)
    return True


def drop(machine: host.Host) -> bool:
    """Give the room back. Return whether there was any."""
    return machine.remove(FILE)
