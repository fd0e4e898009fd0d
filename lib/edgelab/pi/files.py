"""Real files in a machine's tree, read and written by the machine itself."""

from __future__ import annotations

import errno
import os
import pathlib
import typing

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

_AT_ONCE = 65536


def read(machine: machines.Machine, path: str) -> str:
    """Return a text file; empty text if there is none."""
    try:
        return text_of(machine.at(path))
    except FileNotFoundError:
        return ""


def text_of(target: str) -> str:
    """Return the text of a file, read at once: sites read some hundred small ones in each hook."""
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.read(descriptor, _AT_ONCE)
        while len(content) % _AT_ONCE == 0 and (more := os.read(descriptor, _AT_ONCE)):
            content += more
    finally:
        os.close(descriptor)
    text = content.decode("utf-8", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def write(machine: machines.Machine, path: str, text: str, mode: int = 0o644) -> None:
    """Write a text file, and the folders it needs."""
    put(machine.at(path), text, mode)


def put(target: str, text: str, mode: int) -> None:
    """Put a file in place, and the folders it needs."""
    try:
        replace(target, text, mode)
    except FileNotFoundError:
        pathlib.Path(target).parent.mkdir(parents=True, exist_ok=True)
        replace(target, text, mode)


def replace(target: str | pathlib.Path, text: str, mode: int) -> None:
    """Put a file in place in one step. Nobody syncs a simulated disk, which keeps it quick."""
    folder, _, name = str(target).rpartition("/")
    temporary = f"{folder}/.{name}.{os.getpid()}~"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.write(descriptor, text.encode())
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
    os.replace(temporary, target)  # noqa: PTH105 - a path of its own costs more than the call


def append(machine: machines.Machine, path: str, line: str, mode: int = 0o660) -> None:
    """Add a line to a text file."""
    write(machine, path, read(machine, path) + line + "\n", mode)


def exists(machine: machines.Machine, path: str) -> bool:
    """Return whether there is such a file or folder."""
    return is_there(machine.at(path))


def is_there(target: str) -> bool:
    """Return whether there is a file or folder."""
    return os.path.exists(target)  # noqa: PTH110 - a path of its own costs more than the call


def remove(machine: machines.Machine, path: str) -> None:
    """Remove a file if it is there."""
    drop(machine.at(path))


def names(machine: machines.Machine, path: str) -> list[str]:
    """Return what is in a folder, in no order; nothing if there is no such folder."""
    try:
        return os.listdir(machine.at(path))  # noqa: PTH208 - names are all that is wanted
    except (FileNotFoundError, NotADirectoryError):
        return []


def drop(target: str) -> bool:
    """Remove a file if it is there. Return whether it was."""
    try:
        os.unlink(target)  # noqa: PTH108 - a path of its own costs more than the call
    except FileNotFoundError:
        return False
    return True


def mode_of(target: str) -> int:
    """Return who may do what with a file."""
    return os.stat(target).st_mode & 0o777  # noqa: PTH116 - as above


def no_space(path: str) -> OSError:
    """Return what a write to a full disk raises."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
