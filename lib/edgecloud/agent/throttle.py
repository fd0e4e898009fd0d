"""Let programs that know no limit of their own fetch no faster than a plan allows.

They are told of a proxy on this machine, which passes on at that rate what it cannot read: it only
opens tunnels. It lasts as long as the program that it was opened for.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Generator

_BLOCK = 16 * 1024
_CONNECT_S = 30
_LONGEST_HEAD = 16 * 1024


class Bucket:
    """Says when so many bytes may be passed on; shared by all tunnels of a proxy."""

    def __init__(self, rate_kib: int):
        self._rate, self._free_at = rate_kib * 1024, 0.0
        self._lock = threading.Lock()

    def wait(self, size: int) -> None:
        """Wait until it is these bytes' turn."""
        with self._lock:
            at = max(time.monotonic(), self._free_at)
            self._free_at = at + size / self._rate
        time.sleep(max(0.0, self._free_at - time.monotonic()))


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, bucket: Bucket):
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.bucket = bucket

    def handle_error(self, request: object, client_address: object) -> None:
        """Let the program that was cut off say what went wrong."""


class _Tunnel(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """Open one tunnel, and pass on what goes through it."""
        client: socket.socket = self.request
        verb, _, rest = _head(client).partition(" ")
        host, _, port = rest.partition(" ")[0].rpartition(":")
        if verb != "CONNECT" or not port.isdigit():
            client.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S) as server:
            server.settimeout(None)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            up = threading.Thread(target=_pass_on, args=(client, server, None), daemon=True)
            up.start()
            assert isinstance(self.server, _Proxy)
            _pass_on(server, client, self.server.bucket)


def _head(client: socket.socket) -> str:
    found = b""
    while b"\r\n\r\n" not in found and len(found) < _LONGEST_HEAD:
        more = client.recv(1)
        if not more:
            break
        found += more
    return found.decode("latin-1")


def _pass_on(source: socket.socket, target: socket.socket, bucket: Bucket | None) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(_BLOCK):
            if bucket:
                bucket.wait(len(block))
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def limited(rate_kib: int) -> Generator[dict[str, str]]:
    """Return the environment of a program that may fetch so much a second; 0 is no limit."""
    if not rate_kib:
        yield {}
        return
    with _Proxy(Bucket(rate_kib)) as proxy:
        serving = threading.Thread(target=proxy.serve_forever, args=(0.1,), daemon=True)
        serving.start()
        address = f"http://127.0.0.1:{proxy.server_address[1]}"
        try:
            yield {"HTTPS_PROXY": address, "https_proxy": address}
        finally:
            proxy.shutdown()
