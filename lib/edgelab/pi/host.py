"""The machine as charm code sees it: :class:`edgecloud.host.Host` on a simulated Pi."""

from __future__ import annotations

import itertools
import pathlib
import socket
import subprocess
import typing
import urllib.parse
from collections.abc import Mapping, Sequence

from edgecloud import host
from edgecloud.host import web
from edgelab.pi import faults, files, monitoring
from edgelab.pi.lxd import wire

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

_REAL_S = 5.0
"""Seconds that a real server has for an answer."""


class PiHost:
    """Run commands on, and touch the files of, one simulated machine."""

    def __init__(self, machine: machines.Machine):
        self.machine = machine
        self.root = machine.root

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, in simulated time, and return what it printed."""
        result = self.machine.world.run(
            self.machine, command, timeout_s=timeout_s, stdin=stdin, env=env
        )
        if check:
            result.check_returncode()
        return result

    def fetch(self, url: str, headers: Mapping[str, str], authority: str) -> bytes:
        """Return what a machine of this world serves. Raises ``OSError`` if none does."""
        self._need_power()
        if urllib.parse.urlsplit(url).netloc in self.machine.world.outside:
            here = host.LocalHost()
            return web.fetch(here, url, headers=headers, authority=authority, timeout_s=_REAL_S)
        return monitoring.fetch(self.machine, url, headers, authority)

    def send(self, url: str, method: str, text: str) -> bytes:
        """Send a document to a service of this machine. Raises ``OSError`` if it takes none."""
        self._need_power()
        return monitoring.send(self.machine, url, method, text)

    def read(self, path: str) -> str:
        """Return a text file."""
        return files.text_of(self._at(path))

    def write(self, path: str, text: str, *, mode: int = 0o644) -> bool:
        """Make a file hold this text. Return whether anything changed."""
        target = self._at(path)
        try:
            same = files.text_of(target) == text
        except (FileNotFoundError, UnicodeDecodeError):
            same = False
        if same and files.mode_of(target) == mode:
            return False
        if not same and self.machine.free_bytes() < len(text):
            raise files.no_space(path)
        files.put(target, text, mode)
        self.machine.world.touch()
        return True

    def remove(self, path: str) -> bool:
        """Remove a file if it is there. Return whether it was."""
        if not files.drop(self._at(path)):
            return False
        self.machine.world.touch()
        return True

    def exists(self, path: str) -> bool:
        """Return whether a file or folder is there."""
        return files.is_there(self._at(path))

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that match an absolute shell pattern, sorted."""
        self._need_power()
        words = pattern.strip("/").split("/")
        plain = list(itertools.takewhile(lambda word: not set("*?[") & set(word), words[:-1]))
        # Only what is a pattern has to be looked for.
        found = self.root.joinpath(*plain).glob("/".join(words[len(plain) :]))
        return sorted(str(path).removeprefix(str(self.root)) for path in found)

    def path(self, path: str) -> pathlib.Path:
        """Return where a path really lies."""
        self._need_power()
        return self.root / path.lstrip("/")

    def dial(self, path: str, timeout_s: float) -> socket.socket:
        """Return a connection to a socket of the machine's."""
        self._need_power()
        return wire.dial(self.machine, path, timeout_s)

    def free_bytes(self, path: str) -> int:
        """Return the bytes that a write below this path may still take."""
        self._need_power()
        return self.machine.free_bytes()

    def free_inodes(self, path: str) -> int:
        """Return the files that may still be made below this path."""
        self._need_power()
        return 0 if self.machine.disk_filled else self.machine.disk_bytes // 16384

    def now(self) -> float:
        """Return the machine's clock, in seconds since 1970 UTC."""
        self._need_power()
        return self.machine.now()

    def _at(self, path: str) -> str:
        self._need_power()
        return self.machine.at(path)

    def _need_power(self) -> None:
        if not self.machine.powered:
            raise faults.PowerCut(self.machine.id)
