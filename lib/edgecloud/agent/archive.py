"""The agent as one file that Python runs, byte for byte the same from the same sources.

Beside each module lies what the Python that builds the file makes of it, because a file of this
kind is compiled anew at every start otherwise. Another Python passes that by.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import marshal
import pathlib
import zipfile

PACKAGES = ("agent", "host", "lxd", "lxd_member", "metrics", "rollout")
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
_UNCHECKED = (1).to_bytes(4, "little")
_WITHOUT_REFERENCES = 2
"""A form in which the same code is always the same bytes."""
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
    modules = sources(library)
    return _packed(tuple((m.relative_to(library).as_posix(), m.read_bytes()) for m in modules))


@functools.lru_cache(maxsize=1)
def _packed(modules: tuple[tuple[str, bytes], ...]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", _MAIN.encode())
        for name, source in modules:
            _add(archive, name, source)
            _add(archive, f"{name}c", _compiled(name, source))
    return _SHEBANG + memory.getvalue()


def _compiled(name: str, source: bytes) -> bytes:
    """Return a module as Python keeps it, told never to compare it with its source."""
    code = compile(source, name, "exec", dont_inherit=True)
    header = importlib.util.MAGIC_NUMBER + _UNCHECKED + importlib.util.source_hash(source)
    return header + marshal.dumps(code, _WITHOUT_REFERENCES)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)
