"""Certificates as bytes: written and read without any help, valid in all but their signature."""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
import re

_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_SHA256_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")
_COMMON_NAME = bytes.fromhex("0603550403")
_ALTERNATIVE_NAMES = bytes.fromhex("0603551d11")
_TIME = re.compile(rb"\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z")


def make(
    subject: str, issuer: str, begin: float, end: float, names: list[str], seed: str
) -> bytes:
    """Return the DER of a certificate. Its key is random and its signature is noise."""
    key = _tlv(0x30, _number(_noise(seed, 256) | 1 << 2047 | 1) + _number(65537))
    fields = (
        _tlv(0xA0, _number(2))
        + _number(_noise(seed + "serial", 8) >> 1)
        + _SHA256_RSA
        + _name(issuer)
        + _tlv(0x30, _time(begin) + _time(end))
        + _name(subject)
        + _tlv(0x30, _RSA + _tlv(0x03, b"\0" + key))
        + (_tlv(0xA3, _tlv(0x30, _alternatives(names))) if names else b"")
    )
    signature = _noise(seed + "signature", 256).to_bytes(256, "big")
    return _tlv(0x30, _tlv(0x30, fields) + _SHA256_RSA + _tlv(0x03, b"\0" + signature))


def pem(der: bytes, label: str = "CERTIFICATE") -> str:
    """Return bytes as a PEM block."""
    text = base64.encodebytes(der).decode().replace("\n", "")
    lines = "".join(text[at : at + 64] + "\n" for at in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}-----END {label}-----\n"


def der(text: str) -> bytes:
    """Return the bytes of the first PEM block. Raises ``ValueError`` if there is none."""
    match = re.search(r"-----BEGIN [A-Z ]+-----\s(.*?)-----END", text, re.DOTALL)
    if match is None:
        raise ValueError("no PEM block")
    return base64.b64decode(match.group(1))


def fingerprint(text: str) -> str:
    """Return the SHA-256 of a PEM certificate, in hexadecimal digits."""
    return hashlib.sha256(der(text)).hexdigest()


def not_after(text: str) -> float:
    """Return when a PEM certificate expires."""
    found = [short or long for short, long in _TIME.findall(der(text))]
    digits = found[1].decode()
    shape = "%y%m%d%H%M%S" if len(digits) == 12 else "%Y%m%d%H%M%S"
    moment = datetime.datetime.strptime(digits, shape)
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()


def alternative_names(text: str) -> list[str]:
    """Return the names and addresses that a PEM certificate is for."""
    body = der(text)
    at = body.find(_ALTERNATIVE_NAMES)
    if at < 0:
        return []
    _, inner = _read(body, at + len(_ALTERNATIVE_NAMES))
    _, rest = _read(inner, 0)
    names: list[str] = []
    while rest:
        tag, value = _read(rest, 0)
        names.append(value.decode() if tag == 0x82 else str(ipaddress.ip_address(value)))
        rest = rest[rest.index(value, 2) + len(value) :]
    return names


def _tlv(tag: int, value: bytes) -> bytes:
    size = len(value)
    if size < 0x80:
        return bytes((tag, size)) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + value


def _read(data: bytes, at: int) -> tuple[int, bytes]:
    tag, size, begin = data[at], data[at + 1], at + 2
    if size & 0x80:
        begin += size & 0x7F
        size = int.from_bytes(data[at + 2 : begin], "big")
    return tag, data[begin : begin + size]


def _number(value: int) -> bytes:
    return _tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _name(text: str) -> bytes:
    return _tlv(0x30, _tlv(0x31, _tlv(0x30, _COMMON_NAME + _tlv(0x0C, text.encode()))))


def _time(moment: float) -> bytes:
    when = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)
    if when.year < 2050:
        return _tlv(0x17, when.strftime("%y%m%d%H%M%SZ").encode())
    return _tlv(0x18, when.strftime("%Y%m%d%H%M%SZ").encode())


def _alternatives(names: list[str]) -> bytes:
    content = b"".join(_alternative(name) for name in names)
    return _tlv(0x30, _ALTERNATIVE_NAMES + _tlv(0x04, _tlv(0x30, content)))


def _alternative(name: str) -> bytes:
    try:
        return _tlv(0x87, ipaddress.ip_address(name).packed)
    except ValueError:
        return _tlv(0x82, name.encode())


def _noise(seed: str, size: int) -> int:
    return int.from_bytes(hashlib.shake_256(seed.encode()).digest(size), "big")
