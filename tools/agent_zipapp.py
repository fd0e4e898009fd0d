"""Build the node's agent as one file that Python runs, byte for byte the same from the same tree.

Usage: ``python tools/agent_zipapp.py [TARGET]``
"""

from __future__ import annotations

import ast
import io
import pathlib
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "lib"
TARGET = ROOT / "dist" / "edge-agent.pyz"
PACKAGES = ("agent", "host", "metrics", "rollout")
SHEBANG = b"#!/usr/bin/python3\n"
MAIN = """\
import sys

from edgecloud.agent import main

sys.exit(main.main())
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def sources() -> list[pathlib.Path]:
    """Return the modules that the agent is made of, in order."""
    package = LIBRARY / "edgecloud"
    found = [package / "__init__.py"]
    for name in PACKAGES:
        found += (package / name).rglob("*.py")
    return sorted(found)


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
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", MAIN.encode())
        for path in sources():
            foreign = foreign_imports(path)
            if foreign:
                sys.exit(f"{path.relative_to(ROOT)} imports {', '.join(sorted(foreign))}")
            _add(archive, path.relative_to(LIBRARY).as_posix(), path.read_bytes())
    return SHEBANG + memory.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)


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
