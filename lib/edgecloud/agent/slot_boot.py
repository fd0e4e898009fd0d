"""Which of two systems boots: a folder of boot files for each, and a few lines of ``config.txt``.

The folder of the running system is never written. The default is changed by replacing one small
file in one step; until then, every boot that is no trial is the old system.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import tarfile

from edgecloud import host
from edgecloud.agent import journal
from edgecloud.host import files

SLOTS = ("a", "b")
CMDLINE = "/proc/cmdline"
BEGIN, END = "# edge-agent: begin", "# edge-agent: end"

_BLOCK = re.compile(rf"{BEGIN}\n.*?{END}\n", re.DOTALL)
_DEFAULT = re.compile(rf"{BEGIN}\nos_prefix=([ab])/\n")


def other(slot: str) -> str:
    """Return the other of the two."""
    return "b" if slot == "a" else "a"


def running(machine: host.Host) -> str:
    """Return the slot that this boot runs from; empty where there are no slots."""
    found = re.search(r"(?:^|\s)ab\.slot=([ab])(?:\s|$)", files.read(machine, CMDLINE))
    return found[1] if found else ""


def default(machine: host.Host, boot: str) -> str:
    """Return the slot that the next plain boot runs."""
    found = _DEFAULT.search(files.read(machine, f"{boot}/config.txt"))
    return found[1] if found else ""


def set_default(machine: host.Host, boot: str, slot: str) -> None:
    """Make a slot the default, in one step, and the other the one to be tried."""
    text = files.read(machine, f"{boot}/config.txt")
    block = f"{BEGIN}\nos_prefix={slot}/\n[tryboot]\nos_prefix={other(slot)}/\n[all]\n{END}\n"
    rest = _BLOCK.sub("", text)
    machine.write(f"{boot}/config.txt", block + rest)


def artefact(machine: host.Host, boot: str, slot: str) -> str:
    """Return what a slot's boot files belong to; empty if they are not whole."""
    return files.read(machine, f"{boot}/{slot}/artefact").strip()


def install(
    machine: host.Host, boot: str, slot: str, archive: pathlib.Path, *, artefact: str, root: str
) -> None:
    """Put boot files in the folder of a slot that does not run; what they belong to comes last."""
    folder = machine.path(f"{boot}/{slot}")
    disown(machine, boot, slot)
    shutil.rmtree(folder, ignore_errors=True)
    extract(archive, folder)
    line = (folder / "cmdline.txt").read_text(encoding="utf-8").split()
    kept = [word for word in line if not word.startswith(("root=", "ab.slot="))]
    machine.write(
        f"{boot}/{slot}/cmdline.txt", " ".join([*kept, f"root={root}", f"ab.slot={slot}"])
    )
    sync_tree(folder)
    machine.write(f"{boot}/{slot}/artefact", artefact + "\n")


def disown(machine: host.Host, boot: str, slot: str) -> None:
    """Note, before anything of a slot is written, that it holds nothing whole any more."""
    if machine.remove(f"{boot}/{slot}/artefact"):
        journal.sync_folder(machine.path(f"{boot}/{slot}"))


def extract(archive: pathlib.Path, folder: pathlib.Path) -> None:
    """Write the files and folders of an archive below a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as source:
        for member in source:
            _extract(source, member, folder)


def top_folders(archive: pathlib.Path) -> list[str]:
    """Return the first part of every name in an archive."""
    with tarfile.open(archive) as source:
        names = {pathlib.PurePosixPath(name).parts for name in source.getnames()}
    return sorted({parts[0] for parts in names if parts and parts[0] not in (".", "..", "/")})


def _extract(source: tarfile.TarFile, member: tarfile.TarInfo, folder: pathlib.Path) -> None:
    """Write one plain file or folder; boot partitions know nothing else."""
    target = (folder / member.name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise tarfile.TarError(f"{member.name} leads out of the archive")
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    content = source.extractfile(member) if member.isfile() else None
    if content is None:
        raise tarfile.TarError(f"{member.name} is neither a file nor a folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(content, file)


def sync_tree(folder: pathlib.Path) -> None:
    """Put everything below a folder on disk."""
    for path in sorted(folder.rglob("*")):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    journal.sync_folder(folder)
    journal.sync_folder(folder.parent)
