"""When a certificate ends, read from its bytes: a process for each would cost a hundred times."""

from __future__ import annotations

import base64
import binascii
import datetime
import re

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
_BEFORE_VALIDITY = 3
"""Serial number, algorithm and issuer come before it."""


def ends(text: str) -> float | None:
    """Return when the first certificate of a PEM file ends; None if that cannot be read."""
    block = _PEM.search(text)
    if block is None:
        return None
    try:
        return _not_after(base64.b64decode(block[1]))
    except (binascii.Error, ValueError, IndexError):
        return None


def _not_after(der: bytes) -> float:
    """Walk to the second of the two times; the structure is that of RFC 5280, section 4.1."""
    body, _ = _inner(der, 0, _SEQUENCE)
    signed, _ = _inner(body, 0, _SEQUENCE)
    at = _skip(signed, 0) if signed[0] == _VERSION else 0
    for _ in range(_BEFORE_VALIDITY):
        at = _skip(signed, at)
    validity, _ = _inner(signed, at, _SEQUENCE)
    at = _skip(validity, 0)
    kind = validity[at]
    moment, _ = _inner(validity, at, kind)
    return _time(kind, moment.decode("ascii"))


def _inner(data: bytes, at: int, tag: int) -> tuple[bytes, int]:
    """Return what an element holds, and where the next one begins."""
    if data[at] != tag:
        raise ValueError(f"tag {data[at]:#x} where {tag:#x} was due")
    size, begin = data[at + 1], at + 2
    if size & 0x80:
        digits = size & 0x7F
        size, begin = int.from_bytes(data[begin : begin + digits], "big"), begin + digits
    if begin + size > len(data):
        raise ValueError("cut short")
    return data[begin : begin + size], begin + size


def _skip(data: bytes, at: int) -> int:
    return _inner(data, at, data[at])[1]


def _time(kind: int, text: str) -> float:
    if kind == _UTC_TIME:
        # Two digits of a year mean 1950 to 2049.
        text = ("19" if text >= "5" else "20") + text
    elif kind != _GENERALIZED_TIME:
        raise ValueError(f"{kind:#x} is no kind of time")
    moment = datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ")
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()
