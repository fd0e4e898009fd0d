"""What the agent counts of its own work for the metrics: bytes that it fetched, and slow disks.

In memory, so that counting wears nothing out: the counts begin anew with each boot, as counters
may. What cannot be counted stops nothing.
"""

from __future__ import annotations

import json
from typing import Any

from edgecloud import host
from edgecloud.agent import hardware
from edgecloud.host import files

PATH = "/run/edge-agent/tally.json"

SNAPS, SYSTEMS, PACKAGES = "snaps", "systems", "packages"
"""Kinds of what is fetched: snaps, images of systems and kernels, packages of Debian."""

_BOOT = "boot"
_FETCHED, _SYNCS, _SYNCED_S, _LONGEST_S = "fetched", "syncs", "synced-seconds", "longest-seconds"


def read(machine: host.Host, path: str = PATH) -> dict[str, Any]:
    """Return the counts since the machine booted, also where the folder outlives a boot."""
    known = files.read_state(machine, path)
    return known if known.get(_BOOT) == _boot(machine) else {}


def write(machine: host.Host, known: dict[str, Any], path: str = PATH) -> None:
    """Keep counts until the next boot; what cannot be kept stops nothing."""
    document = {**known, _BOOT: _boot(machine)}
    try:
        machine.write(path, json.dumps(document, sort_keys=True) + "\n", mode=0o600)
    except OSError:
        return


def _boot(machine: host.Host) -> str:
    return files.read(machine, hardware.BOOT_ID).strip()


def fetched(machine: host.Host, what: str, size: int) -> None:
    """Count bytes that came over the network."""
    known = read(machine)
    sums = {**known.get(_FETCHED, {})}
    sums[what] = sums.get(what, 0) + size
    write(machine, {**known, _FETCHED: sums})


def synced(machine: host.Host, times_s: list[float]) -> None:
    """Count how long the disk took to make each line of the journal durable."""
    if not times_s:
        return
    known = read(machine)
    known[_SYNCS] = known.get(_SYNCS, 0) + len(times_s)
    known[_SYNCED_S] = known.get(_SYNCED_S, 0.0) + sum(times_s)
    known[_LONGEST_S] = max(known.get(_LONGEST_S, 0.0), *times_s)
    write(machine, known)


def fetches(known: dict[str, Any]) -> dict[str, int]:
    """Return the bytes of counts, by kind."""
    return known.get(_FETCHED, {})


def syncs(known: dict[str, Any]) -> tuple[int, float, float] | None:
    """Return how many lines counts have, how long all took, and the longest; None if no line."""
    if _SYNCS not in known:
        return None
    return known[_SYNCS], known[_SYNCED_S], known[_LONGEST_S]
