"""Run a charm's program as ``python3`` would, but on a folder that looks like a machine.

The charm's own ``dispatch`` calls this in place of ``python3``: were it to reach the real machine,
dispatching a charm on a developer's computer would install its workload there.
"""

from __future__ import annotations

import os
import pathlib
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence


def swap_host(root: str) -> None:
    """Let the charm see a folder, and only the programs in it, as its machine."""
    from edgecloud import host  # The charm's own copy, from its PYTHONPATH.

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
            """Run a program of the folder."""
            program, *arguments = command
            inside = self.path(program)
            if not os.access(inside, os.X_OK):
                raise FileNotFoundError(2, "No such file or directory", program)
            return super().run(
                [str(inside), *arguments], timeout_s=timeout_s, stdin=stdin, env=env, check=check
            )

    host.use(FolderHost(root))


def main(program: str, arguments: Sequence[str]) -> None:
    """Run a Python program in this process, with its folder on the path as Python puts it."""
    sys.argv = [program, *arguments]
    sys.path[0] = str(pathlib.Path(program).resolve().parent)
    if root := os.environ.get("STANDIN_ROOT"):
        swap_host(root)
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
