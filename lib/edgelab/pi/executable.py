"""One command of an installed stand-in: lock the world, load it, run, save it, answer."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import pathlib
import signal
import sys
from collections.abc import Generator

from edgelab.pi import faults, installing, process, world

_POWER_CUT = 137


def main(world_dir: str, machine: str, program: str, words: list[str]) -> int:
    """Run a program on a machine of the world that lies in a folder."""
    folder = pathlib.Path(world_dir)
    argv = [program, *words]
    stdin = sys.stdin.read() if _wants_stdin(argv) and not sys.stdin.isatty() else None
    try:
        with _locked(folder), _opened(folder) as loaded:
            where = loaded.machines[machine]
            result = loaded.run(
                where, argv, timeout_s=math.inf, stdin=stdin, env=_environment(where.root)
            )
    except process.Endless:
        signal.pause()
        return _POWER_CUT
    except faults.PowerCut:
        return _POWER_CUT
    except FileNotFoundError:
        sys.stderr.write(f"{program}: No such file or directory\n")
        return 127
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    return result.returncode


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> Generator[None]:
    with (folder / "lock").open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _opened(folder: pathlib.Path) -> Generator[world.World]:
    """Load the world, and save it whatever happens, because what was done stays done."""
    loaded = world.World.load(folder)
    try:
        yield loaded
    finally:
        installing.refresh(loaded)
        loaded.save()


def _wants_stdin(argv: list[str]) -> bool:
    """Return whether a command reads its input. Others must not wait for it."""
    if any(word == "-" or word.endswith(" -") for word in argv):
        return True
    if argv[0].endswith("/microk8s"):
        return argv[1:2] in (["enable"], ["disable"])
    return argv[0].endswith(("/openssl", "/sha256sum")) and not any("/" in w for w in argv[1:])


def _environment(root: pathlib.Path) -> dict[str, str]:
    here = os.getcwd()  # noqa: PTH109 - the name of the folder, links and all
    inside = here.removeprefix(str(root)) if here.startswith(str(root)) else here
    return {"PWD": inside or "/"}
