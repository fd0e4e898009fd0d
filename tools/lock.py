"""Write the locks of the charms, the tests and the tools, with hashes."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Iterator, Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPILE = (
    "uv",
    "pip",
    "compile",
    "--quiet",
    "--universal",
    "--python-version=3.10",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-header",
)


def commands(root: pathlib.Path, options: Sequence[str]) -> Iterator[list[str]]:
    """Yield the command that writes each lock, in the order in which they build on each other.

    The tests take the versions that the charms ship, and the linters those of the tests.
    """
    constraints: list[str] = []
    for project in sorted(root.glob("charms/*/pyproject.toml")):
        lock = project.with_name("requirements.txt")
        yield _compile(root, project, lock, constraints, options)
        constraints.append(f"--constraint={lock.relative_to(root)}")
    tests = root / "tests" / "requirements.txt"
    yield _compile(root, tests.with_suffix(".in"), tests, constraints, options)
    constraints = [f"--constraint={tests.relative_to(root)}"]
    yield _compile(root, root / "tools/lint.in", root / "tools/lint.txt", constraints, options)
    yield _compile(root, root / "tools/pack.in", root / "tools/pack.txt", [], options)


def _compile(
    root: pathlib.Path,
    source: pathlib.Path,
    lock: pathlib.Path,
    constraints: Sequence[str],
    options: Sequence[str],
) -> list[str]:
    """Return the command that writes one lock."""
    output = f"--output-file={lock.relative_to(root)}"
    return [*COMPILE, str(source.relative_to(root)), *constraints, output, *options]


def main(options: Sequence[str]) -> int:
    """Write every lock. Options, such as ``--upgrade``, are passed on."""
    for command in commands(ROOT, options):
        print(command[-1 - len(options)].removeprefix("--output-file="))
        subprocess.run(command, cwd=ROOT, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
