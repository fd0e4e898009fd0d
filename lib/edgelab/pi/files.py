"""Real files in a machine's tree, read and written by the machine itself."""

from __future__ import annotations

import errno
import os
import pathlib
import typing

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines


def read(machine: machines.Machine, path: str) -> str:
    """Return a text file; empty text if there is none."""
    try:
        return machine.path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def write(machine: machines.Machine, path: str, text: str, mode: int = 0o644) -> None:
    """Write a text file, and the folders it needs."""
    target = machine.path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace(target, text, mode)


def replace(target: pathlib.Path, text: str, mode: int) -> None:
    """Put a file in place in one step. Nobody syncs a simulated disk, which keeps it quick."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}~")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.write(descriptor, text.encode())
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
    temporary.replace(target)


def append(machine: machines.Machine, path: str, line: str, mode: int = 0o660) -> None:
    """Add a line to a text file."""
    write(machine, path, read(machine, path) + line + "\n", mode)


def exists(machine: machines.Machine, path: str) -> bool:
    """Return whether there is such a file or folder."""
    return machine.path(path).exists()


def remove(machine: machines.Machine, path: str) -> None:
    """Remove a file if it is there."""
    machine.path(path).unlink(missing_ok=True)


def no_space(path: str) -> OSError:
    """Return what a write to a full disk raises."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
