"""One wake-up at a time, and nobody changes the program under one that runs."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Generator

from edgecloud import host
from edgecloud.agent import paths


class BusyError(Exception):
    """Another wake-up is under way."""


@contextlib.contextmanager
def lock(machine: host.Host) -> Generator[None]:
    """Keep any second wake-up away for as long as this one lasts."""
    file = machine.path(f"{paths.HOME}/lock")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise BusyError from e
        yield
