"""Send several files as one body without holding them in memory."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import BinaryIO, cast

from edgecloud.lxd import client as lxd

_BOUNDARY = "edgecloud-8f2f0c4e6b5d4f7a"


class Chain(io.RawIOBase):
    """Several streams, one after the other."""

    def __init__(self, *streams: BinaryIO):
        super().__init__()
        self._streams = list(streams)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, at most that many; empty at the end of the last stream."""
        parts: list[bytes] = []
        while self._streams and size != 0:
            part = self._streams[0].read(size)
            if not part:
                self._streams.pop(0)
                continue
            parts.append(part)
            size = max(-1, size - len(part)) if size > 0 else size
        return b"".join(parts)


def form(files: Mapping[str, BinaryIO]) -> lxd.File:
    """Return the files, by the name of their field, as the body of a form."""
    streams: list[BinaryIO] = []
    length = 0
    for field, content in files.items():
        head = (
            f"--{_BOUNDARY}\r\n"
            f'Content-Disposition: form-data; name="{field}"; filename="{field}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        streams += [io.BytesIO(head), content, io.BytesIO(b"\r\n")]
        length += len(head) + size(content) + 2
    tail = f"--{_BOUNDARY}--\r\n".encode()
    chain = cast("BinaryIO", Chain(*streams, io.BytesIO(tail)))
    headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    return lxd.File(chain, headers, length + len(tail))


def size(content: BinaryIO) -> int:
    """Return the bytes from here to the end of a stream that can seek."""
    here = content.tell()
    end = content.seek(0, os.SEEK_END)
    content.seek(here)
    return end - here
