"""The one seam to a machine: run a command with a timeout, read and write files under a root.

Charms, the node agent and the lab reach a machine through the object that :func:`this` returns.
On a real machine that is a :class:`LocalHost` with root ``/``; the lab and the tests put another
in its place with :func:`use`. Everything a host raises is of the standard library
(``subprocess.CalledProcessError``, ``subprocess.TimeoutExpired``, ``OSError``), so that a swapped
host needs no class of this package.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Protocol


class Host(Protocol):
    """A machine, as the code that runs on it sees it. All paths are absolute."""

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and return what it printed.

        Args:
            command: the program and its arguments. Never put a secret here: arguments are
                visible to every user of the machine. Use ``stdin``.
            timeout_s: seconds after which the command is killed.
            stdin: text for the command's standard input; closed input if None.
            env: variables added to the environment of this process.
            check: raise if the command fails.

        Raises:
            subprocess.CalledProcessError: the command exited non-zero and ``check`` is true.
            subprocess.TimeoutExpired: the command took longer than ``timeout_s``.
            FileNotFoundError: there is no such program.
        """
        ...

    def read(self, path: str) -> str:
        """Return a text file. Raises ``FileNotFoundError`` and other ``OSError``."""
        ...

    def write(self, path: str, text: str, *, mode: int = 0o644) -> bool:
        """Make a file hold this text, atomically and durably. Return whether anything changed.

        Missing folders are made. Raises ``OSError``, for instance when the disk is full; the
        former content is then untouched.
        """
        ...

    def remove(self, path: str) -> bool:
        """Remove a file if it is there. Return whether it was."""
        ...

    def exists(self, path: str) -> bool:
        """Return whether a file or folder is there."""
        ...

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that match an absolute shell pattern, sorted."""
        ...

    def path(self, path: str) -> pathlib.Path:
        """Return where a path really lies, for reading large or binary files."""
        ...

    def free_bytes(self, path: str) -> int:
        """Return the bytes that an unprivileged write below this path may still take."""
        ...

    def free_inodes(self, path: str) -> int:
        """Return the files that may still be made below this path."""
        ...

    def now(self) -> float:
        """Return the machine's clock, in seconds since 1970 UTC."""
        ...


class LocalHost:
    """The machine this process runs on, or a tree of files that looks like one."""

    def __init__(self, root: str | pathlib.Path = "/"):
        self.root = pathlib.Path(root)

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and return what it printed. See :meth:`Host.run`."""
        return subprocess.run(
            list(command),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            env={**os.environ, **env} if env else None,
            timeout=timeout_s,
            check=check,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )

    def read(self, path: str) -> str:
        """Return a text file. A power cut leaves bytes that are no text: each becomes a sign."""
        return self.path(path).read_text(encoding="utf-8", errors="replace")

    def write(self, path: str, text: str, *, mode: int = 0o644) -> bool:
        """Make a file hold this text, atomically and durably. Return whether anything changed."""
        target = self.path(path)
        if self._holds(target, text):
            if target.stat().st_mode & 0o777 == mode:
                return False
            target.chmod(mode)
            return True
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), mode)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            pathlib.Path(temporary).replace(target)
        except BaseException:
            pathlib.Path(temporary).unlink(missing_ok=True)
            raise
        self._sync_folder(target.parent)
        return True

    def remove(self, path: str) -> bool:
        """Remove a file if it is there. Return whether it was."""
        try:
            self.path(path).unlink()
        except FileNotFoundError:
            return False
        return True

    def exists(self, path: str) -> bool:
        """Return whether a file or folder is there."""
        return self.path(path).exists()

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that match an absolute shell pattern, sorted."""
        found = self.root.glob(pattern.lstrip("/"))
        return sorted("/" + str(path.relative_to(self.root)) for path in found)

    def path(self, path: str) -> pathlib.Path:
        """Return where a path really lies."""
        return self.root / path.lstrip("/")

    def free_bytes(self, path: str) -> int:
        """Return the bytes that an unprivileged write below this path may still take."""
        usage = os.statvfs(self._nearest(path))
        return usage.f_bavail * usage.f_frsize

    def free_inodes(self, path: str) -> int:
        """Return the files that may still be made below this path."""
        usage = os.statvfs(self._nearest(path))
        # Some file systems (btrfs) make inodes as they go and report none at all.
        return usage.f_favail if usage.f_files else 2**31

    def now(self) -> float:
        """Return the machine's clock, in seconds since 1970 UTC."""
        return time.time()

    def _nearest(self, path: str) -> pathlib.Path:
        """Return the path itself, or its first parent that exists."""
        target = self.path(path)
        while not target.exists():
            target = target.parent
        return target

    @staticmethod
    def _holds(target: pathlib.Path, text: str) -> bool:
        try:
            return target.read_text(encoding="utf-8") == text
        except (FileNotFoundError, UnicodeDecodeError):
            return False

    @staticmethod
    def _sync_folder(folder: pathlib.Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


_this: Host = LocalHost()


def this() -> Host:
    """Return the machine this code runs on."""
    return _this


def use(host: Host) -> Host:
    """Put another machine in the place of this one; return the former."""
    global _this
    former, _this = _this, host
    return former
