"""Run the tests of folders, several side by side; say so where there are none yet."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Mapping, Sequence

IN_MEMORY = "--in-memory"
MEMORY = pathlib.Path("/dev/shm")
ENOUGH_BYTES = 2 << 30

NOTHING_CHOSEN = 5
"""How pytest ends when an expression chose none of a folder's tests."""


def main(arguments: Sequence[str]) -> int:
    """Run pytest on each folder that is named, with the options that follow the folders.

    Several folders run at once, in a process each; every line then says whose it is. Tests that
    are in none of them would be forgotten, so each folder's parent may have no others.

    With ``--in-memory`` as the first argument, what tests write lies in memory where there is
    room: simulated machines are thousands of small files each. It is gone when the tests are over.
    """
    if arguments[:1] == [IN_MEMORY]:
        with _in_memory() as environment:
            return _run(arguments[1:], environment)
    return _run(arguments, os.environ)


@contextlib.contextmanager
def _in_memory() -> Generator[Mapping[str, str]]:
    """Yield an environment whose temporary files lie in memory, if there is enough."""
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ENOUGH_BYTES:
        yield os.environ
        return
    with tempfile.TemporaryDirectory(prefix="tests-", dir=MEMORY) as folder:
        yield {**os.environ, "TMPDIR": folder}


def _run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    count = next((at for at, one in enumerate(arguments) if one.startswith("-")), len(arguments))
    folders, options = [*map(pathlib.Path, arguments[:count])], arguments[count:]
    tested = [folder for folder in folders if any(folder.rglob("test_*.py"))]
    for folder in folders:
        if folder not in tested:
            print(f"{folder}: no tests yet")
    if len(folders) < 2:
        if not tested:
            return 0
        return subprocess.run(_command(tested[0], options), env=environment).returncode
    if forgotten := _forgotten(folders):
        print("in no folder that is run:", *forgotten, file=sys.stderr)
        return 1
    return _side_by_side(tested, options, environment)


def _side_by_side(
    folders: Sequence[pathlib.Path], options: Sequence[str], environment: Mapping[str, str]
) -> int:
    results: dict[pathlib.Path, int] = {}

    def run(folder: pathlib.Path) -> None:
        with subprocess.Popen(
            _command(folder, options),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
        ) as running:
            for line in running.stdout or ():
                print(f"{folder.name:<{width}} | {line}", end="", flush=True)
        results[folder] = running.returncode

    width = max(len(folder.name) for folder in folders)
    threads = [threading.Thread(target=run, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chosen = {folder: code for folder, code in results.items() if code != NOTHING_CHOSEN}
    for folder in folders:
        print(f"{folder}: {_word(results[folder])}")
    return max(chosen.values(), default=NOTHING_CHOSEN)


def _word(code: int) -> str:
    return {0: "passed", NOTHING_CHOSEN: "none chosen"}.get(code, "FAILED")


def _command(folder: pathlib.Path, options: Sequence[str]) -> tuple[str, ...]:
    return (sys.executable, "-m", "pytest", str(folder), *options)


def _forgotten(folders: Sequence[pathlib.Path]) -> list[str]:
    """Return the tests beside the folders that none of them holds."""
    beside = {path for folder in folders for path in folder.parent.rglob("test_*.py")}
    held = {path for folder in folders for path in folder.rglob("test_*.py")}
    return sorted(map(str, beside - held))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
