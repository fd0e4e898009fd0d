"""One thing that can be asked for metrics: how, how often, and what makes its answer old."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edgecloud import host
from edgecloud.agent import settings as machine_settings
from edgecloud.metrics.exposition import Sample

Settings = machine_settings.Settings

QUERY_S = 5
"""How long a program may take that is asked for metrics."""


@dataclass(frozen=True)
class Source:
    """Something that is asked on its own, so that its failure costs nothing else."""

    name: str
    read: Callable[[host.Host, Settings], Iterable[Sample]]
    """Leaves out what cannot be told. May raise anything."""
    every_s: float = 0
    """How long an answer is good for; 0 if it is cheap enough to ask in every run."""
    files: Callable[[host.Host, Settings], Iterable[str]] | None = None
    """Files that make an answer old when one of them changes."""


def stamp(machine: host.Host, paths: Iterable[str]) -> str:
    """Return what changes when one of these files does."""
    return " ".join(_mark(machine, path) for path in paths)


def _mark(machine: host.Host, path: str) -> str:
    try:
        found = machine.path(path).stat()
    except OSError:
        return "-"
    return f"{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"


def text(machine: host.Host, path: str) -> str:
    """Return what a file of the kernel says; empty if it says nothing that can be read."""
    try:
        found = machine.read(path).strip("\0 \t\n")
    except OSError:
        return ""
    return "" if "\N{REPLACEMENT CHARACTER}" in found else found


def number(machine: host.Host, path: str) -> int | None:
    """Return the number that a file of the kernel holds; None if it holds none."""
    try:
        return int(text(machine, path))
    except ValueError:
        return None
