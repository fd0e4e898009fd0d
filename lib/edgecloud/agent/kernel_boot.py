"""The boot partition as Ubuntu lays it out from 25.10 on: ``current``, ``new`` and ``old``.

Each folder holds a kernel with all it needs, and a file ``state``. What is put into ``new`` with
the state ``unknown`` is tried by Ubuntu's ``piboot-try`` once; only that program renames folders.
"""

from __future__ import annotations

import hashlib
import pathlib
import re
import shutil

from edgecloud import host
from edgecloud.agent import journal, slot_boot
from edgecloud.host import files

BOOT = "/boot/firmware"
CURRENT, NEW, OLD = (f"{BOOT}/{name}" for name in ("current", "new", "old"))
GOOD, UNKNOWN, TRYING, BAD = "good", "unknown", "trying", "bad"
MODULES = "/lib/modules"

_MARK = "edge.os="
_ARTEFACT = "edge-artefact"
_PREFIX = re.compile(r"^os_prefix=(.*)$")


def artefact(machine: host.Host, folder: str) -> str:
    """Return what a folder holds: one of ours by its name, any other by its kernel."""
    named = files.read(machine, f"{folder}/{_ARTEFACT}").strip()
    kernel = machine.path(f"{folder}/vmlinuz")
    if named or not kernel.exists():
        return named
    return f"os:kernel:{hashlib.sha256(kernel.read_bytes()).hexdigest()[:16]}"


def running(machine: host.Host, *, on_trial: bool) -> str:
    """Return what was booted, by the mark on the kernel's command line."""
    mark = _marked(files.read(machine, slot_boot.CMDLINE))
    folders = (NEW, CURRENT, OLD) if on_trial else (CURRENT, OLD, NEW)
    for folder in folders:
        line = files.read(machine, f"{folder}/cmdline.txt")
        if line and _marked(line) == mark:
            return artefact(machine, folder)
    return ""


def _marked(line: str) -> str:
    return next((word for word in line.split() if word.startswith(_MARK)), "")


def state(machine: host.Host, folder: str) -> str:
    """Return what ``piboot-try`` thinks of a folder."""
    return files.read(machine, f"{folder}/state").strip()


def condemn(machine: host.Host) -> None:
    """Let what lies in ``new`` never be tried again."""
    if machine.exists(NEW):
        machine.write(f"{NEW}/state", BAD + "\n")


def prefixes(machine: host.Host) -> tuple[str, str]:
    """Return the folders that ``config.txt`` names for a plain boot and for a trial."""
    found, section = {"all": "", "tryboot": ""}, "all"
    for line in files.read(machine, f"{BOOT}/config.txt").splitlines():
        if line.startswith("["):
            section = line.strip().strip("[]")
        elif section in found and (hit := _PREFIX.match(line.strip())):
            found[section] = hit[1]
    return found["all"], found["tryboot"]


def clear(machine: host.Host) -> None:
    """Remove ``new`` and ``old``, as flash-kernel does; what is half gone is never tried."""
    if machine.remove(f"{NEW}/state"):
        journal.sync_folder(machine.path(NEW))
    for path in (OLD, NEW):
        shutil.rmtree(machine.path(path), ignore_errors=True)
    journal.sync_folder(machine.path(BOOT))


def install(machine: host.Host, archive: pathlib.Path, name: str) -> None:
    """Put boot files in ``new``; the state that has them tried comes last."""
    folder = machine.path(NEW)
    clear(machine)
    slot_boot.extract(archive, folder)
    line = [
        word
        for word in files.read(machine, f"{CURRENT}/cmdline.txt").split()
        if not word.startswith(_MARK)
    ]
    mark = _MARK + name.rpartition(":")[2][:16]
    machine.write(f"{NEW}/cmdline.txt", " ".join([*line, mark]) + "\n")
    machine.write(f"{NEW}/{_ARTEFACT}", name + "\n")
    slot_boot.sync_tree(folder)
    machine.write(f"{NEW}/state", UNKNOWN + "\n")


def install_modules(machine: host.Host, archive: pathlib.Path, name: str) -> None:
    """Put the modules of a kernel beside those of the others; raise ``OSError`` if in the way."""
    target = machine.path(MODULES)
    releases = slot_boot.top_folders(archive)
    for release in releases:
        mine = files.read(machine, f"{MODULES}/{release}/{_ARTEFACT}").strip() == name
        if machine.exists(f"{MODULES}/{release}") and not mine:
            raise FileExistsError(f"modules of {release} are there already")
    for release in releases:
        folder = target / release
        folder.mkdir(parents=True, exist_ok=True)
        machine.write(f"{MODULES}/{release}/{_ARTEFACT}", name + "\n")
    slot_boot.extract(archive, target)
    for release in releases:
        slot_boot.sync_tree(target / release)


def remove_modules(machine: host.Host, name: str) -> None:
    """Remove the modules of a kernel that came with it."""
    for path in machine.glob(f"{MODULES}/*/{_ARTEFACT}"):
        if files.read(machine, path).strip() == name:
            shutil.rmtree(machine.path(path).parent)
