"""An append-only file of checksummed lines: what the agent was about to do, and how that ended.

Every line is on disk before anything follows from it. A line that a power cut tore is left out and
cut off; nothing after a line that does not check is believed.
"""

from __future__ import annotations

import errno
import json
import os
import pathlib
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from edgecloud import host
from edgecloud.agent import ballast, paths
from edgecloud.host import failures
from edgecloud.rollout import audit, chronicle, state

LARGEST = 512 * 1024


@dataclass(frozen=True)
class Entry:
    """One line: the node as it is from here on, and the link of the audit chain if it moved."""

    at: int
    node: state.Node
    what: str = ""
    """The event or effect, in a word or two."""
    link: audit.Record | None = None
    counts: chronicle.Chronicle | None = None
    """What was ever counted, up to here; only where that changed, and where a file begins."""


class JournalError(failures.WorkloadError):
    """The journal cannot be read or written, so nothing may be done."""


class Journal:
    """The journal of one machine, and the last that it says."""

    def __init__(self, machine: host.Host):
        self._machine = machine
        self._file = machine.path(paths.JOURNAL)
        self._former = machine.path(paths.FORMER)
        self.synced_s: list[float] = []
        """How long the disk took for each line that was appended."""
        self.entries, self._whole = _load(self._file)
        before = [] if self.entries else _load(self._former)[0]
        self.last = next(iter([*before, *self.entries][-1:]), None)
        links = [entry.link for entry in [*before, *self.entries] if entry.link]
        self.link = links[-1] if links else self._last_former_link()
        counts = [entry.counts for entry in [*before, *self.entries] if entry.counts]
        self.counts = counts[-1] if counts else chronicle.Chronicle()

    @property
    def node(self) -> state.Node | None:
        """What the node remembered last; None if it never wrote anything."""
        return self.last.node if self.last else None

    @property
    def head(self) -> str:
        """The last hash of the audit chain."""
        return self.link.hash if self.link else ""

    def append(
        self, at: int, node: state.Node, what: str, event: state.Event | None = None
    ) -> Entry:
        """Put a line on disk, with a link of the chain if the node's state changed.

        Args:
            at: seconds since 1970 UTC.
            node: as it is from here on.
            what: the event or effect, in a word or two.
            event: what moved the node; without it, nothing is counted.
        """
        before = self.node or state.Node(node.name)
        moved = audit.node_transition(before, node)
        link = audit.extend(self.link, {"at": at, "cause": what, **moved}) if moved else None
        counts = chronicle.follow(self.counts, before, event, node) if event else self.counts
        entry = Entry(at, node, what, link, counts)
        line = _encode(entry)
        try:
            self._rotate(len(line))
            if self.entries and counts is self.counts:
                entry = replace(entry, counts=None)
                line = _encode(entry)
            self._put(line)
        except OSError as e:
            raise JournalError(f"the journal cannot be written: {e}") from e
        self._whole += len(line)
        self.entries.append(entry)
        self.last, self.link, self.counts = entry, link or self.link, counts
        return entry

    def _put(self, line: bytes) -> None:
        try:
            self.synced_s.append(_append(self._file, self._whole, line))
        except OSError as e:
            if e.errno != errno.ENOSPC or not ballast.drop(self._machine):
                raise
            self.synced_s.append(_append(self._file, self._whole, line))

    def _rotate(self, more: int) -> None:
        if self._whole and self._whole + more > LARGEST:
            self._file.replace(self._former)
            self._whole, self.entries = 0, []

    def _last_former_link(self) -> audit.Record | None:
        links = [entry.link for entry in _load(self._former)[0] if entry.link]
        return links[-1] if links else None


def chain(machine: host.Host) -> list[audit.Record]:
    """Return the links of the audit chain that are still on this machine."""
    return [entry.link for entry in history(machine) if entry.link]


def history(machine: host.Host) -> list[Entry]:
    """Return the lines that are still on this machine, the oldest first."""
    files = (machine.path(path) for path in (paths.FORMER, paths.JOURNAL))
    return [entry for file in files for entry in _load(file)[0]]


def _load(file: pathlib.Path) -> tuple[list[Entry], int]:
    """Return the lines up to the first that does not check, and how many bytes they take."""
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as e:
        raise JournalError(f"the journal cannot be read: {e}") from e
    found, whole = list[Entry](), 0
    for line in _lines(raw):
        entry = _decode(line)
        if entry is None:
            break
        found.append(entry)
        whole += len(line)
    return found, whole


def _lines(raw: bytes) -> Iterator[bytes]:
    for line in raw.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            return
        yield line


def _append(file: pathlib.Path, whole: int, line: bytes) -> float:
    """Put a line behind the whole ones; return how many seconds the disk took for it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_new = not file.exists()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.ftruncate(descriptor, whole)
        os.lseek(descriptor, whole, os.SEEK_SET)
        _write_all(descriptor, line)
        began = time.monotonic()
        os.fsync(descriptor)
        took = time.monotonic() - began
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(file.parent)
    return took


def _write_all(descriptor: int, line: bytes) -> None:
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_folder(folder: pathlib.Path) -> None:
    """Put the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encode(entry: Entry) -> bytes:
    document: dict[str, Any] = {"at": entry.at, "what": entry.what}
    document["node"] = state.write(entry.node)
    if entry.link:
        document["link"] = asdict(entry.link)
    if entry.counts:
        document["counts"] = chronicle.write(entry.counts)
    text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _decode(line: bytes) -> Entry | None:
    """Return what a line says; None if it does not check, or says nothing this agent knows."""
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    try:
        document = json.loads(text)
        link = audit.Record(**document["link"]) if "link" in document else None
        node = state.read(document["node"])
        return Entry(document["at"], node, document["what"], link, _counts(document))
    except (ValueError, KeyError, TypeError):
        return None


def _counts(document: dict[str, Any]) -> chronicle.Chronicle | None:
    """Return the counts of a line; None if it has none that this agent knows, which is no flaw."""
    try:
        return chronicle.read(document["counts"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
