"""Take archives of the datastore, read them back, and keep the newest ones.

Runs in the charm for the action, and from a timer without Juju: :mod:`backup` puts a copy of
this file on the machine, beside the few shared modules it imports. Standard library only.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
import sys
import zlib
from collections.abc import Sequence
from typing import Any

from edgecloud import host as hosts
from edgecloud.host import failures

MICROK8S = "/snap/bin/microk8s"
SETTINGS = "/etc/edge-microk8s/backup.json"
RESULT = "/var/lib/edge-microk8s/backup-result.json"

SUFFIX = ".tar.gz"
PREFIX = "backup-"
FREE_FLOOR = 512 * 1024 * 1024
"""Bytes that a backup leaves free: a full disk stops the datastore itself."""

BACKUP_TIMEOUT_S = 600
"""Without a leader of the datastore the command waits for ever."""

_CHUNK = 1024 * 1024


class ArchiveError(Exception):
    """An archive could not be taken, or is not what it should be."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where archives go, and how many stay."""

    folder: str
    keep: int = 7


@dataclasses.dataclass(frozen=True)
class Archive:
    """An archive, and what reading it back showed."""

    name: str
    size: int
    taken: float
    keys: int = 0
    problem: str = ""


def take(host: hosts.Host, settings: Settings) -> Archive:
    """Take an archive, read it back, remove the oldest, and note the result for the status.

    Raises:
        ArchiveError: there is no new archive; the former ones are all still there.
    """
    try:
        archive = _take(host, settings.folder)
    except ArchiveError as e:
        _note(host, {"at": host.now(), "error": str(e)})
        raise
    except OSError as e:
        _note(host, {"at": host.now(), "error": str(e)})
        raise ArchiveError(f"backup failed: {e}") from e
    rotate(host, settings, spare=archive.name)
    _note(host, {"at": host.now(), "error": "", **dataclasses.asdict(archive)})
    return archive


def inspect(host: hosts.Host, folder: str, name: str) -> Archive:
    """Return an archive with its number of keys, or with what is wrong with it."""
    file = host.path(f"{folder}/{name}")
    size, taken = file.stat().st_size, taken_at(name)
    try:
        keys = read_back(file)
        _compare_checksum(host, folder, name)
    except ArchiveError as e:
        return Archive(name, size, taken, problem=str(e))
    return Archive(name, size, taken, keys)


def find(host: hosts.Host, folder: str) -> list[str]:
    """Return the names of the archives in a folder, oldest first."""
    paths = host.glob(f"{folder}/*{SUFFIX}")
    names = [pathlib.PurePosixPath(path).name for path in paths]
    return sorted(names, key=lambda name: (taken_at(name), name))


def rotate(host: hosts.Host, settings: Settings, *, spare: str = "") -> list[str]:
    """Remove all but the newest archives that bear our names; return the names removed.

    The one to spare stays even if a wrong clock makes it look the oldest.
    """
    names = find(host, settings.folder)
    ours = [name for name in names if taken_at(name) and name != spare]
    old = ours[: max(0, len(ours) + bool(spare) - max(1, settings.keep))]
    for name in old:
        host.remove(f"{settings.folder}/{name}")
        host.remove(f"{settings.folder}/{name}.sha256")
    return old


def read_back(file: pathlib.Path) -> int:
    """Read an archive to its end and return how many keys it holds.

    Raises:
        ArchiveError: it is damaged, empty, or was renamed: its name and the folder in it must be
            the same, or restoring it restores nothing without saying so.
    """
    import gzip  # Imported here, as tarfile, because hooks import this module and seldom need it.
    import tarfile

    stem = file.name.removesuffix(SUFFIX)
    names: set[str] = set()
    try:
        with gzip.open(file) as plain:
            # Only at the very end does gzip compare its own checksum.
            while plain.read(_CHUNK):
                pass
        with tarfile.open(file, "r:gz") as archive:
            for member in archive:
                names.add(member.name)
    except (OSError, EOFError, tarfile.TarError, ValueError, zlib.error) as e:
        raise ArchiveError(f"{file.name} cannot be read: {e}") from e
    tops = {name.partition("/")[0] for name in names}
    if tops and tops != {stem}:
        former = ", ".join(sorted(tops))
        raise ArchiveError(f"{file.name} was renamed: call it {former}{SUFFIX} again")
    keys = _whole_entries(names, stem)
    if not keys:
        raise ArchiveError(f"{file.name} holds no keys")
    return keys


def _whole_entries(names: set[str], stem: str) -> int:
    """Return how many entries, numbered from 0 without a gap, have both their files."""
    count = 0
    while {f"{stem}/{count}.key", f"{stem}/{count}.data"} <= names:
        count += 1
    return count


def taken_at(name: str) -> float:
    """Return when an archive was taken, by its name; 0 for a name that is not ours."""
    try:
        moment = datetime.datetime.strptime(name, f"{PREFIX}%Y%m%dT%H%M%SZ{SUFFIX}")
    except ValueError:
        return 0.0
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()


def name_at(now: float) -> str:
    """Return the name of an archive taken now."""
    moment = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
    return f"{PREFIX}{moment:%Y%m%dT%H%M%SZ}{SUFFIX}"


def _take(host: hosts.Host, folder: str) -> Archive:
    name = name_at(host.now())
    target, partial = host.path(folder), host.path(f"{folder}/.partial")
    for made in (target, partial):
        made.mkdir(parents=True, exist_ok=True)
        made.chmod(0o700)
    for left in partial.iterdir():
        left.unlink()
    _need_space(host, folder)
    if (target / name).exists():
        raise ArchiveError(f"{name} was taken this very second")
    command = (MICROK8S, "dbctl", "backup", "-o", f"{folder}/.partial/{name}")
    try:
        host.run(command, timeout_s=BACKUP_TIMEOUT_S)
    except failures.FAILURES as e:
        raise ArchiveError(failures.explain(e, "microk8s dbctl backup")) from e
    file = partial / name
    if not file.exists():
        raise ArchiveError("microk8s dbctl backup was answered, but wrote no file")
    keys = read_back(file)
    digest = _secure(file)
    host.write(f"{folder}/{name}.sha256", f"{digest}  {name}\n", mode=0o600)
    file.replace(target / name)
    return Archive(name, (target / name).stat().st_size, taken_at(name), keys)


def _need_space(host: hosts.Host, folder: str) -> None:
    sizes = [host.path(f"{folder}/{name}").stat().st_size for name in find(host, folder)]
    # The command unpacks all keys before it packs them; they shrink to about a third.
    needed = FREE_FLOOR + 4 * max(sizes, default=0)
    free = host.free_bytes(folder)
    if free < needed:
        raise ArchiveError(
            f"too little space in {folder}: {free >> 20} MiB free, {needed >> 20} MiB needed;"
            " free some, or lower backup-keep"
        )


def _secure(file: pathlib.Path) -> str:
    """Let root alone read a file, put it on the disk for good, and return its checksum."""
    file.chmod(0o600)
    with file.open("rb") as raw:
        os.fsync(raw.fileno())
        return _digest(raw)


def _compare_checksum(host: hosts.Host, folder: str, name: str) -> None:
    try:
        expected = host.read(f"{folder}/{name}.sha256").partition(" ")[0]
    except FileNotFoundError as e:
        raise ArchiveError(f"{name}.sha256 is missing: put it beside the archive") from e
    with host.path(f"{folder}/{name}").open("rb") as raw:
        if _digest(raw) != expected:
            raise ArchiveError(f"{name} is damaged: its checksum is not that of {name}.sha256")


def _digest(raw: Any) -> str:
    digest = hashlib.sha256()
    while chunk := raw.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _note(host: hosts.Host, result: dict[str, Any]) -> None:
    # A full disk is among the reasons for a failure; then the former result grows old instead.
    with contextlib.suppress(OSError):
        host.write(RESULT, json.dumps(result, sort_keys=True) + "\n", mode=0o600)


def main(arguments: Sequence[str]) -> int:
    """Take one archive as the settings on this machine say."""
    import argparse

    parser = argparse.ArgumentParser(description="Back up the MicroK8s datastore.")
    parser.add_argument("--settings", default=SETTINGS)
    host = hosts.this()
    try:
        settings = Settings(**json.loads(host.read(parser.parse_args(arguments).settings)))
        archive = take(host, settings)
    except (ArchiveError, OSError, ValueError, TypeError) as e:
        print(e, file=sys.stderr)
        return 1
    print(f"{settings.folder}/{archive.name}: {archive.keys} keys, {archive.size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
