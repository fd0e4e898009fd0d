"""Storage: how worn flash is, what was written to file systems, and what went wrong there."""

from __future__ import annotations

from collections.abc import Iterator

from edgecloud import host
from edgecloud.agent.gauges.source import Settings, number, text
from edgecloud.metrics import node
from edgecloud.metrics.exposition import Sample

LIFE, END = "life_time", "pre_eol_info"
WRITTEN, ERRORS = "lifetime_write_kbytes", "errors_count"
BLOCK, EXT4 = "/sys/block/*/device", "/sys/fs/ext4/*"

_AREAS = ("a", "b")


def flash(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield the wear of eMMC; cards have no such files. A code of 0 means "not defined"."""
    for path in machine.glob(f"{BLOCK}/{LIFE}"):
        for area, code in zip(_AREAS, _codes(machine, path), strict=False):
            if code:
                yield node.FLASH_LIFE.at(code / 10, device=path.split("/")[3], area=area)
    for path in machine.glob(f"{BLOCK}/{END}"):
        for code in _codes(machine, path)[:1]:
            if code:
                yield node.FLASH_END.at(code, device=path.split("/")[3])


def ext4(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield what file systems have counted in their whole lives."""
    for path in machine.glob(f"{EXT4}/{WRITTEN}"):
        kilobytes = number(machine, path)
        if kilobytes is not None:
            yield node.WRITTEN.at(kilobytes * 1024, device=path.split("/")[4])
    for path in machine.glob(f"{EXT4}/{ERRORS}"):
        errors = number(machine, path)
        if errors is not None:
            yield node.EXT4_ERRORS.at(errors, device=path.split("/")[4])


def _codes(machine: host.Host, path: str) -> list[int]:
    """Return the hexadecimal numbers of a file; none if it holds anything else."""
    try:
        return [int(word, 16) for word in text(machine, path).split()]
    except ValueError:
        return []
