"""Run a charm's program as ``python3`` would, but on a folder that looks like a machine.

The charm's own ``dispatch`` calls this in place of ``python3``: were it to reach the real machine,
dispatching a charm on a developer's computer would install its workload there.
"""

from __future__ import annotations

import json
import os
import pathlib
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence

# Prints a recorded answer: a real process, as the real program is, which costs next to nothing.
REPLAY = 'cat "$1"; cat "$2" >&2; exit "$3"'


def swap_host(root: str, recording: str, now: str) -> None:
    """Let the charm see a folder as its machine.

    Args:
        root: the machine's file system.
        recording: a file of :func:`standins.recording.write`, with the answers of the machine's
            programs. Without one, the machine has the programs that lie in its folder.
        now: what the machine's clock shows; this machine's clock if empty.
    """
    from edgecloud import host  # The charm's own copy, from its PYTHONPATH.

    answers: Mapping[str, list[str]] = {}
    if recording:
        answers = json.loads(pathlib.Path(recording).read_text(encoding="utf-8"))

    class FolderHost(host.LocalHost):
        """A folder that looks like a machine."""

        def run(
            self,
            command: Sequence[str],
            *,
            timeout_s: float,
            stdin: str | None = None,
            env: Mapping[str, str] | None = None,
            check: bool = True,
        ) -> subprocess.CompletedProcess[str]:
            """Run a program of the folder, or let it answer as recorded."""
            actual = self._replayed(command) if recording else self._inside(command)
            return super().run(actual, timeout_s=timeout_s, stdin=stdin, env=env, check=check)

        def now(self) -> float:
            """Return what the machine's clock shows."""
            return float(now) if now else super().now()

        def _inside(self, command: Sequence[str]) -> list[str]:
            program, *arguments = command
            inside = self.path(program)
            if not os.access(inside, os.X_OK):
                raise FileNotFoundError(2, "No such file or directory", program)
            return [str(inside), *arguments]

        def _replayed(self, command: Sequence[str]) -> list[str]:
            answer = answers.get(json.dumps(list(command)))
            if answer is None:
                raise RuntimeError(f"no answer was recorded to {command}")
            return ["/bin/sh", "-c", REPLAY, "replay", *answer]

    host.use(FolderHost(root))


def main(program: str, arguments: Sequence[str]) -> None:
    """Run a Python program in this process, with its folder on the path as Python puts it."""
    sys.argv = [program, *arguments]
    sys.path[0] = str(pathlib.Path(program).resolve().parent)
    environ = os.environ
    if root := environ.get("STANDIN_ROOT"):
        swap_host(root, environ.get("STANDIN_RECORDING", ""), environ.get("STANDIN_NOW", ""))
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
