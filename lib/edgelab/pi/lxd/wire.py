"""A socket to the daemon, as far as an HTTP client looks at one: all happens in one thread."""

from __future__ import annotations

import io
import socket
import subprocess
import typing

from edgelab.pi.lxd import daemon

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines


_HEADERS = ("content-type", "if-match", "x-lxd-mode")
"""What the daemon looks at, beside method, target and body."""


def dial(machine: machines.Machine, path: str, timeout_s: float) -> socket.socket:
    """Return what acts as a connection to a socket of the machine. Raises ``OSError``."""
    if path != daemon.SOCKET or not machine.path(path).exists():
        raise FileNotFoundError(2, "No such file or directory", path)
    return typing.cast("socket.socket", _Wire(machine, timeout_s))


class _Wire:
    """Takes a request in pieces; answers when it is asked for what it has to say."""

    def __init__(self, machine: machines.Machine, timeout_s: float):
        self._machine = machine
        self._timeout_s = timeout_s
        self._sent: list[bytes] = []

    def settimeout(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    def fileno(self) -> int:
        """Return a number, as an open connection does; nobody reads from it."""
        return 0

    def sendall(self, data: bytes) -> None:
        self._sent.append(bytes(data))

    def makefile(self, mode: str) -> io.BytesIO:
        """Have the request answered, in simulated time."""
        head, _, body = b"".join(self._sent).partition(b"\r\n\r\n")
        first, *headers = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        kept = {name.lower(): value for name, _, value in (h.partition(": ") for h in headers)}
        try:
            result = self._machine.world.run(
                self._machine,
                (daemon.API, method, target),
                timeout_s=self._timeout_s,
                stdin=body.decode("latin-1"),
                env={name: kept[name] for name in _HEADERS if name in kept},
            )
        except subprocess.TimeoutExpired as error:
            raise TimeoutError("timed out") from error
        if result.returncode:
            raise ConnectionResetError(104, "Connection reset by peer")
        return io.BytesIO(result.stdout.encode("latin-1"))

    def close(self) -> None:
        self._sent.clear()
