"""One HTTP exchange with a daemon, by its socket or by TLS, within a time limit."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import http.client
import os
import pathlib
import socket
import ssl
from collections.abc import Generator, Iterator, Mapping
from typing import BinaryIO, Protocol

from edgecloud.lxd import deadline, errors

_BLOCK = 1 << 16
_LONGEST_SOCKET_PATH = 100  # The kernel takes 107 bytes.


class Endpoint(Protocol):
    """Where a daemon listens."""

    def open(self, timeout_s: float) -> socket.socket:
        """Return a connection. Raises :class:`~edgecloud.lxd.errors.UnreachableError`."""
        ...


@dataclasses.dataclass(frozen=True)
class UnixSocket:
    """The daemon's own socket, which only root and LXD's group may use."""

    path: str | pathlib.Path

    def open(self, timeout_s: float) -> socket.socket:
        """Return a connection to the socket."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        try:
            with _short(pathlib.Path(self.path)) as path:
                connection.connect(path)
        except OSError as error:
            connection.close()
            raise errors.UnreachableError(f"Nobody listens at {self.path}: {error}") from error
        return connection


@dataclasses.dataclass(frozen=True)
class TlsAddress:
    """A daemon's address on the network. It is known by its certificate's fingerprint alone.

    LXD's certificates are self-signed and, in a cluster, name only the first member; so names and
    authorities prove nothing, and the fingerprint everything.
    """

    host: str
    port: int
    fingerprint: str
    """SHA-256 of the certificate, 64 hexadecimal digits."""
    certificate: str | pathlib.Path | None = None
    """File of the client's certificate."""
    key: str | pathlib.Path | None = None
    """File of the client's key."""

    def open(self, timeout_s: float) -> socket.socket:
        """Return a connection whose other end has proven to be the one expected."""
        try:
            plain = socket.create_connection((self.host, self.port), timeout_s)
        except OSError as error:
            raise errors.UnreachableError(f"{self.host}:{self.port}: {error}") from error
        try:
            connection = self._context().wrap_socket(plain)
        except (OSError, ValueError) as error:
            plain.close()
            raise errors.UnreachableError(f"{self.host}:{self.port}: {error}") from error
        try:
            self._check(connection)
        except errors.UnreachableError:
            connection.close()
            raise
        return connection

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # Pinned instead, by _check.
        if self.certificate and self.key:
            context.load_cert_chain(self.certificate, self.key)
        return context

    def _check(self, connection: ssl.SSLSocket) -> None:
        shown = hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
        if shown != self.fingerprint.lower().replace(":", ""):
            raise errors.UnreachableError(
                f"{self.host}:{self.port} shows the certificate {shown}, not {self.fingerprint}"
            )


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked of a daemon."""

    method: str
    target: str
    """Path and query, quoted."""
    body: bytes | BinaryIO | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])


@dataclasses.dataclass(frozen=True)
class Response:
    """What a daemon answered."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


def exchange(
    endpoint: Endpoint, request: Request, *, timeout_s: float, sink: BinaryIO | None = None
) -> Response:
    """Send a request and return the whole answer.

    Args:
        endpoint: where the daemon listens.
        request: what to ask.
        timeout_s: for connecting, sending and receiving together, where the peer dawdles.
        sink: takes the body of a good answer instead of the result.
    """
    limit = deadline.Deadline(timeout_s)
    with contextlib.closing(endpoint.open(timeout_s)) as connection:
        try:
            return _exchanged(connection, request, limit, sink)
        except TimeoutError as error:
            what = f"{request.method} {request.target.partition('?')[0]}"
            raise errors.TimedOutError(f"{what} took longer than {timeout_s:g} s") from error
        except http.client.IncompleteRead as error:
            raise errors.BadAnswerError(f"The answer was cut short: {error}") from error
        except http.client.RemoteDisconnected as error:
            raise errors.UnreachableError("The daemon hung up") from error
        except http.client.HTTPException as error:
            raise errors.BadAnswerError(f"This is not HTTP: {error!r}") from error
        except ConnectionError as error:
            raise errors.UnreachableError(f"The connection broke: {error}") from error


def _exchanged(
    connection: socket.socket, request: Request, limit: deadline.Deadline, sink: BinaryIO | None
) -> Response:
    http_connection = http.client.HTTPConnection("lxd", blocksize=_BLOCK)
    http_connection.sock = connection
    _give(connection, limit)
    # A daemon that refuses an upload answers and hangs up before it has read it all.
    with contextlib.suppress(BrokenPipeError):
        http_connection.request(
            request.method, request.target, request.body, dict(request.headers)
        )
    _give(connection, limit)
    answer = http_connection.getresponse()
    parts: list[bytes] = []
    for part in _parts(answer, connection, limit):
        if sink is None or answer.status >= http.HTTPStatus.BAD_REQUEST:
            parts.append(part)
        else:
            sink.write(part)
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Response(answer.status, headers, b"".join(parts))


def _parts(
    answer: http.client.HTTPResponse, connection: socket.socket, limit: deadline.Deadline
) -> Iterator[bytes]:
    while True:
        _give(connection, limit)
        part = answer.read1(_BLOCK)
        if not part:
            break
        yield part
    # read1 takes an early end for the end.
    if answer.length:
        raise http.client.IncompleteRead(b"", answer.length)


def _give(connection: socket.socket, limit: deadline.Deadline) -> None:
    """Let the next step on a connection take what is left."""
    left_s = limit.left_s()
    if left_s <= 0:
        raise TimeoutError
    if connection.fileno() >= 0:  # http.client closes its end once the answer says it is the last.
        connection.settimeout(left_s)


@contextlib.contextmanager
def _short(path: pathlib.Path) -> Generator[str]:
    """Yield a name of a socket that the kernel takes, however deep the socket lies."""
    if len(str(path).encode()) <= _LONGEST_SOCKET_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
