"""Build the node's agent as one file that Python runs, and refuse what it may not import.

Usage: ``python tools/agent_zipapp.py [TARGET]``
"""

from __future__ import annotations

import ast
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "lib"
TARGET = ROOT / "dist" / "edge-agent.pyz"

sys.path.insert(0, str(LIBRARY))

from edgecloud.agent import archive  # noqa: E402


def foreign_imports(path: pathlib.Path) -> set[str]:
    """Return what a module imports that is neither its own package nor Python's library."""
    names = set[str]()
    for item in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(item, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in item.names}
        elif isinstance(item, ast.ImportFrom) and item.module:
            names.add(item.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"edgecloud"}


def build() -> bytes:
    """Return the content of the file."""
    for path in archive.sources(LIBRARY):
        foreign = foreign_imports(path)
        if foreign:
            sys.exit(f"{path.relative_to(ROOT)} imports {', '.join(sorted(foreign))}")
    return archive.build(LIBRARY)


def main(arguments: list[str]) -> int:
    """Write the file."""
    target = pathlib.Path(arguments[0]) if arguments else TARGET
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(build())
    target.chmod(0o755)
    sys.stdout.write(f"{target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
