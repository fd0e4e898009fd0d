"""The little of RFC 6455 that a client needs to listen: handshake, frames, ping and close."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import socket
import struct
from collections.abc import Iterator

from edgecloud.lxd import deadline, errors

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

_CONTINUATION = 0
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LONGEST = 16 << 20
_HEAD_LONGEST = 64 << 10


@dataclasses.dataclass(frozen=True)
class Frame:
    """One frame."""

    opcode: int
    payload: bytes
    final: bool = True


def encode(frame: Frame, mask: bytes) -> bytes:
    """Return a frame as a client sends it: always masked, by four random bytes."""
    length = len(frame.payload)
    head = bytes([frame.opcode | (0x80 if frame.final else 0)])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 1 << 16:
        head += struct.pack("!BH", 0x80 | 126, length)
    else:
        head += struct.pack("!BQ", 0x80 | 127, length)
    return head + mask + _masked(frame.payload, mask)


class Decoder:
    """Puts frames together from whatever pieces arrive."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete with this piece."""
        self._buffer += data
        while (found := self._first()) is not None:
            frame, length = found
            self._buffer = self._buffer[length:]
            yield frame

    def _first(self) -> tuple[Frame, int] | None:
        data = self._buffer
        if len(data) < 2:
            return None
        length, start = data[1] & 0x7F, 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(data) < start:
                return None
            length = int.from_bytes(data[2:start], "big")
        if length > _LONGEST:
            raise errors.BadAnswerError(f"A frame of {length} bytes is too long to be an event")
        mask = b""
        if data[1] & 0x80:
            mask, start = data[start : start + 4], start + 4
        if len(data) < start + length:
            return None
        payload = _masked(data[start : start + length], mask)
        return Frame(data[0] & 0x0F, payload, bool(data[0] & 0x80)), start + length


class Listener:
    """A connection that receives messages."""

    def __init__(self, connection: socket.socket, already_received: bytes = b""):
        self._connection = connection
        self._decoder = Decoder()
        self._frames = list(self._decoder.feed(already_received))
        self._message = b""
        self._open = True

    def receive(self, timeout_s: float) -> bytes | None:
        """Return the next message; None if none comes in time.

        Raises:
            errors.UnreachableError: the other end has hung up.
        """
        limit = deadline.Deadline(timeout_s)
        while True:
            while self._frames:
                message = self._took(self._frames.pop(0))
                if message is not None:
                    return message
            if limit.passed():
                return None
            self._read(limit.left_s())

    def close(self) -> None:
        """Say goodbye and hang up."""
        if self._open:
            self._open = False
            try:
                self._connection.settimeout(1.0)
                self._send(Frame(CLOSE, struct.pack("!H", 1000)))
            except OSError:
                pass
        self._connection.close()

    def _took(self, frame: Frame) -> bytes | None:
        """Return the message that a frame completes, if it does."""
        if frame.opcode == PING:
            self._send(Frame(PONG, frame.payload))
        elif frame.opcode == CLOSE:
            raise errors.UnreachableError("LXD has closed the stream of events")
        elif frame.opcode in (TEXT, BINARY, _CONTINUATION):
            self._message += frame.payload
            if frame.final:
                message, self._message = self._message, b""
                return message
        return None

    def _read(self, timeout_s: float) -> None:
        # Zero would mean not to wait at all, which raises another exception.
        self._connection.settimeout(max(timeout_s, 0.001))
        try:
            data = self._connection.recv(1 << 16)
        except TimeoutError:
            return
        except OSError as error:
            raise errors.UnreachableError(f"The stream of events broke: {error}") from error
        if not data:
            raise errors.UnreachableError("LXD has hung up")
        self._frames += self._decoder.feed(data)

    def _send(self, frame: Frame) -> None:
        self._connection.sendall(encode(frame, os.urandom(4)))


def upgrade(connection: socket.socket, target: str) -> Listener:
    """Ask for a websocket on a fresh connection, which the listener then owns."""
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        (
            f"GET {target} HTTP/1.1\r\nHost: lxd\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
    )
    head, rest = _head(connection)
    status_line, *lines = head.decode("latin-1").split("\r\n")
    status = int(status_line.split()[1]) if len(status_line.split()) > 1 else 0
    if status != 101:
        raise errors.of(status, f"LXD does not stream events: {status_line} {rest[:200].decode()}")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    if headers.get("sec-websocket-accept") != accept(key):
        raise errors.BadAnswerError("What answered does not know websockets")
    return Listener(connection, rest)


def accept(key: str) -> str:
    """Return what a server must answer to a client's key."""
    return base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()


def _head(connection: socket.socket) -> tuple[bytes, bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(1 << 12)
        if not data or len(received) > _HEAD_LONGEST:
            raise errors.BadAnswerError("LXD hung up instead of streaming events")
        received += data
    head, _, rest = received.partition(b"\r\n\r\n")
    return head, rest


def _masked(payload: bytes, mask: bytes) -> bytes:
    if not mask:
        return payload
    length = len(payload)
    repeated = (mask * (length // 4 + 1))[:length]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return mixed.to_bytes(length, "big")
