"""What an application or a machine of a bundle asks of hardware."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from edgelab import names

ARCHITECTURES = ("amd64", "arm64", "ppc64el", "riscv64", "s390x")
_ALIASES = {"cpu-cores": "cores"}
_UNITS = {"M": 1, "G": 1024, "T": 1024**2, "P": 1024**3}


class ConstraintError(Exception):
    """Constraints that Juju does not understand."""


@dataclasses.dataclass(frozen=True)
class Constraints:
    """What hardware must offer. None: no matter."""

    arch: str | None = None
    cores: int | None = None
    cpu_power: int | None = None
    mem_mb: int | None = None
    root_disk_mb: int | None = None
    container: str | None = None
    tags: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()
    nested_virtualization: bool | None = None
    allocate_public_ip: bool | None = None
    instance_type: str | None = None
    instance_role: str | None = None
    virt_type: str | None = None
    root_disk_source: str | None = None
    image_id: str | None = None


def parse(text: str) -> Constraints:
    """Read constraints such as ``arch=arm64 cores=4 mem=4G``.

    Raises ConstraintError naming everything that is wrong.
    """
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for word in re.split(r"(?<!\\)\s+", text.strip()):
        name, equals, value = word.replace("\\ ", " ").partition("=")
        name = _ALIASES.get(name, name)
        if not word:
            continue
        if not equals or not name:
            wrong.append(f"{word!r} is not of the form name=value")
        elif name not in _PARSERS:
            wrong.append(f"unknown constraint {name!r}{names.hint(name, _PARSERS)}")
        elif _attribute(name) in values:
            wrong.append(f"constraint {name} is given twice")
        else:
            try:
                values[_attribute(name)] = _PARSERS[name](value) if value else None
            except ValueError as e:
                wrong.append(f"constraint {name}: {value!r} {e}")
    if wrong:
        raise ConstraintError("; ".join(wrong))
    return Constraints(**{name: value for name, value in values.items() if value is not None})


def _attribute(name: str) -> str:
    return {"mem": "mem_mb", "root-disk": "root_disk_mb"}.get(name, name.replace("-", "_"))


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("is not a whole number")
    return int(text)


def _size(text: str) -> int:
    """Return megabytes, rounded up."""
    unit = text[-1] if text[-1] in _UNITS else ""
    number = text.removesuffix(unit)
    if not re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", number):
        raise ValueError("is not a size such as 512M or 4G")
    return math.ceil(float(number) * _UNITS.get(unit, 1))


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return text == "true"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _one_of(*known: str) -> Callable[[str], str]:
    def parse_known(text: str) -> str:
        if text not in known:
            raise ValueError(f"is unknown{names.hint(text, known)}")
        return text

    return parse_known


_PARSERS: Mapping[str, Callable[[str], object]] = {
    "arch": _one_of(*ARCHITECTURES),
    "cores": _count,
    "cpu-power": _count,
    "mem": _size,
    "root-disk": _size,
    "container": _one_of("lxd", "none"),
    "tags": _words,
    "zones": _words,
    "spaces": _words,
    "nested-virtualization": _flag,
    "allocate-public-ip": _flag,
    "instance-type": str,
    "instance-role": str,
    "virt-type": str,
    "root-disk-source": str,
    "image-id": str,
}
