"""The agent as one file that Python runs, byte for byte the same from the same sources."""

from __future__ import annotations

import io
import pathlib
import zipfile

PACKAGES = ("agent", "host", "metrics", "rollout")
"""The parts of the shared package that the agent is made of."""

_SHEBANG = b"#!/usr/bin/python3\n"
_MAIN = """\
import sys

if sys.argv[1:] == ["metrics"]:
    # Every minute, so without the modules that carry out upgrades.
    from edgecloud.agent.gauges import writing as program
else:
    from edgecloud.agent import main as program

sys.exit(program.main())
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def sources(library: pathlib.Path) -> list[pathlib.Path]:
    """Return the modules that the agent is made of, in order.

    Args:
        library: the folder that holds the package ``edgecloud``.
    """
    package = library / "edgecloud"
    found = [package / "__init__.py"]
    for name in PACKAGES:
        found += (package / name).rglob("*.py")
    return sorted(found)


def build(library: pathlib.Path) -> bytes:
    """Return the content of the file."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", _MAIN.encode())
        for path in sources(library):
            _add(archive, path.relative_to(library).as_posix(), path.read_bytes())
    return _SHEBANG + memory.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)
