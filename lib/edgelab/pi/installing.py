"""The stand-ins as executables: they load the world from disk, do as in process, and save it."""

from __future__ import annotations

import pathlib
import sys

from edgelab.pi import commands, files, world

_SCRIPT = """\
#!{python}
import sys

sys.path.insert(0, {library!r})

from edgelab.pi import executable

sys.exit(executable.main({world!r}, {machine!r}, {program!r}, sys.argv[1:]))
"""
_REAL = ("openssl", "python3", "sha256sum", "sudo", "tar", "true")
_LINKED = ("/snap", "/var/snap", "/var/lib/kubelet")


def install(
    directory: pathlib.Path,
    world_dir: pathlib.Path,
    machine: str = "0",
    programs: tuple[str, ...] = (),
    link_into: pathlib.Path | None = None,
) -> list[pathlib.Path]:
    """Write executables for one machine of a saved world, and return them.

    Args:
        directory: where they go, to be put at the front of ``PATH``.
        world_dir: where :meth:`edgelab.pi.World.save` wrote the world.
        machine: which machine the executables are on.
        programs: bare names of those wanted; if none is named, all that are not the real
            programs anyway. Leave out what the machine shall do by itself, say ``systemctl``.
        link_into: a real root folder, in which ``/snap`` and ``/var/snap`` become links to the
            simulated machine's, so that absolute paths mean the same for everybody.
    """
    directory.mkdir(parents=True, exist_ok=True)
    root = world_dir.resolve() / "machines" / machine
    written: list[pathlib.Path] = []
    for path in (*commands.SYSTEM, "/snap/bin/microk8s"):
        name = path.rpartition("/")[2]
        if name in programs or (not programs and name not in _REAL):
            target = directory / name
            files.replace(target, script(world_dir, machine, path), 0o755)
            written.append(target)
    loaded = world.World.load(world_dir)
    loaded.executable = str(world_dir.resolve())
    refresh(loaded)
    loaded.save()
    for path in _LINKED if link_into is not None else ():
        (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        _link(link_into, path, root)
    return written


def refresh(loaded: world.World) -> None:
    """Make the programs inside the machines' snaps executable, as far as there are any."""
    for found in loaded.machines.values():
        for path in commands.MICROK8S:
            if files.exists(found, path):
                text = script(pathlib.Path(loaded.executable), found.id, path)
                if files.read(found, path) != text:
                    files.write(found, path, text, 0o755)


def script(world_dir: pathlib.Path, machine: str, program: str) -> str:
    """Return the text of one executable."""
    library = pathlib.Path(__file__).resolve().parents[2]
    return _SCRIPT.format(
        python=sys.executable,
        library=str(library),
        world=str(world_dir.resolve()),
        machine=machine,
        program=program,
    )


def _link(into: pathlib.Path | None, path: str, root: pathlib.Path) -> None:
    assert into is not None
    link = into / path.lstrip("/")
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    link.symlink_to(root / path.lstrip("/"))
