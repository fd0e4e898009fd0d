"""What the tests of the tools share."""

import pathlib
import textwrap

import pytest


@pytest.fixture
def charm(tmp_path):
    """Return a function that makes an unpacked charm whose program is the given source."""

    def make(source: str) -> pathlib.Path:
        folder = tmp_path / "charm"
        (folder / "src").mkdir(parents=True)
        (folder / "src" / "charm.py").write_text(textwrap.dedent(source), encoding="utf-8")
        dispatch = folder / "dispatch"
        dispatch.write_text(
            "#!/bin/sh\nPYTHONPATH=lib:src:venv exec python3 src/charm.py\n", encoding="utf-8"
        )
        dispatch.chmod(0o755)
        return folder

    return make
