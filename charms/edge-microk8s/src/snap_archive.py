"""The resource with snaps and images, from which a machine without internet is installed."""

from __future__ import annotations

import hashlib
import lzma
import pathlib
import posixpath
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping

import microk8s
from edgecloud import host
from edgecloud.host import failures, files

SNAPS = f"{microk8s.STATE}/snaps"
IMAGES = f"{microk8s.COMMON}/sideload"
"""From here the snap takes images, if they lie here before it is installed."""

LATER_IMAGES = f"{microk8s.COMMON}/etc/sideload"
"""From here a running node takes images, within seconds."""

TAKEN = f"{microk8s.STATE}/archive.json"
"""Which archive's images this node was given last."""

ARCHITECTURES = ("arm64", "amd64")
_DONE = f"{SNAPS}/unpacked.json"


class ArchiveError(failures.WorkloadError):
    """The resource is no archive, or lacks what it is for."""


def unpack(host: host.Host, archive: pathlib.Path, *, arch: str) -> list[str]:
    """Put the archive's files where they are needed. Return the snaps' paths on the machine.

    Does nothing if this very archive was unpacked before.

    Args:
        host: the machine.
        archive: the resource as this process sees it.
        arch: the machine's architecture. Files in a folder of another one are left out.

    Returns:
        Nothing if the archive is empty: then the store is to be used.

    Raises:
        ArchiveError: it is no tar archive, or has no MicroK8s for this architecture.
    """
    if archive.stat().st_size == 0:
        return []
    mark = _mark(archive)
    if files.read_state(host, _DONE).get("archive") != mark:
        clear(host)
        _extract(host, archive, arch, {".tar": IMAGES, ".snap": SNAPS, ".assert": SNAPS})
        files.write_state(host, _DONE, {"archive": mark})
        files.write_state(host, TAKEN, {"archive": mark})
    found = host.glob(f"{SNAPS}/*.snap")
    if not any(posixpath.basename(path).startswith("microk8s_") for path in found):
        raise ArchiveError(
            f"the resource snap-installation has no microk8s_*.snap for {arch}: attach one that"
            " has, or an empty file to install from the store"
        )
    return found


def bring_images(host: host.Host, archive: pathlib.Path, *, arch: str) -> bool:
    """Give a node that runs the images of an archive that it has not had. Return if it got any.

    Its snaps stay where they are: the charm does not upgrade nodes that run.

    Raises ArchiveError: it is no whole tar archive.
    """
    if archive.stat().st_size == 0:
        return False
    mark = _mark(archive)
    if files.read_state(host, TAKEN).get("archive") == mark:
        return False
    count = _extract(host, archive, arch, {".tar": LATER_IMAGES})
    files.write_state(host, TAKEN, {"archive": mark})
    return count > 0


def clear(host: host.Host) -> None:
    """Remove the unpacked snaps, once they are installed."""
    for path in host.glob(f"{SNAPS}/*"):
        host.remove(path)


def _extract(host: host.Host, archive: pathlib.Path, arch: str, folders: Mapping[str, str]) -> int:
    """Copy the files of these kinds into their folders. Return how many there were."""
    count = 0
    try:
        with tarfile.open(archive) as tar:
            for member, kind in _members(tar, arch):
                if kind in folders:
                    name = posixpath.basename(member.name)
                    _copy(tar, member, host.path(f"{folders[kind]}/{name}"))
                    count += 1
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ArchiveError(
            f"the resource snap-installation is no whole tar archive, attach it again: {error}"
        ) from error
    return count


def _members(tar: tarfile.TarFile, arch: str) -> Iterator[tuple[tarfile.TarInfo, str]]:
    others = {name for name in ARCHITECTURES if name != arch}
    for member in tar:
        path = pathlib.PurePosixPath(member.name)
        known = path.suffix in (".snap", ".assert", ".tar")
        if member.isfile() and known and not others & set(path.parts[:-1]):
            yield member, path.suffix


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, target: pathlib.Path) -> None:
    """Copy one file, under its final name only once it is whole: images are taken as they come."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    source = tar.extractfile(member)
    if source is None:
        return
    try:
        with source, partial.open("wb") as copy:
            shutil.copyfileobj(source, copy)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _mark(archive: pathlib.Path) -> str:
    """Return what tells this archive from another one, without reading all of it."""
    facts = archive.stat()
    with archive.open("rb") as file:
        beginning = hashlib.sha256(file.read(65536)).hexdigest()
    return f"{facts.st_size}-{beginning}"
