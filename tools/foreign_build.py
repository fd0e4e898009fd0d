"""Run charmcraft where it does not expect to be run: not on Ubuntu, without snapd or LXD.

Charmcraft builds a charm "destructively", on the machine itself, only if that machine is the
charm's base and has Python bindings for apt. The charms here need nothing from apt, so it is given
an empty ``apt`` module; and the base check reads the os-release file that ``UNIXCONFDIR`` points
at. Both hold for the one process only, nothing on the machine changes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NO_APT = '''
"""An apt of which nothing is ever asked: only its names are looked up."""

class _Settings:
    def __getattr__(self, name):
        return lambda *_: None

config = _Settings()

def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})
'''
APT_MODULES = (
    "apt/__init__.py",
    "apt/cache.py",
    "apt/package.py",
    "apt/progress/__init__.py",
    "apt/progress/base.py",
    "apt_pkg.py",
)
# What charmcraft leaves in a charm's folder, and what no build needs.
LEFTOVERS = ("parts", "stage", "prime", "overlay", "tests", "__pycache__", "*.charm", ".*")


class BuildError(Exception):
    """Charmcraft refused to pack or to analyse a charm."""


@dataclasses.dataclass(frozen=True, order=True)
class Platform:
    """One of the builds that a charmcraft.yaml asks for."""

    name: str
    base: str
    architecture: str


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one of charmcraft's linters says of a charm."""

    linter: str
    result: str
    text: str


def platforms(charmcraft: Mapping[str, Any]) -> tuple[Platform, ...]:
    """Return the builds that a charmcraft.yaml, read into a mapping, asks for."""
    found: list[Platform] = []
    for name, platform in charmcraft["platforms"].items():
        (target,) = platform["build-for"]
        base, _, architecture = target.removeprefix("ubuntu@").partition(":")
        found.append(Platform(name, base, architecture))
    return tuple(sorted(found))


class Charmcraft:
    """Charmcraft on this machine, with a scratch folder for what deceives it."""

    def __init__(self, scratch: pathlib.Path, program: str | None = None):
        self._scratch = scratch
        self._program = program or str(pathlib.Path(sys.executable).with_name("charmcraft"))
        for module in APT_MODULES:
            _write(scratch / "modules" / module, NO_APT)
        (scratch / "run").mkdir(mode=0o700, exist_ok=True)

    def pack(
        self, root: pathlib.Path, charm: str, shared: Iterable[str], platform: Platform
    ) -> pathlib.Path:
        """Pack a charm of a repository for one platform, from a copy; return the packed file.

        The copy has the charm and the shared packages in the same places as the repository, so
        that builds do not meet in the folders that charmcraft makes beside charmcraft.yaml.
        """
        copy = self._scratch / "builds" / f"{charm}_{platform.name}"
        for folder in (f"charms/{charm}", *(f"lib/{package}" for package in shared)):
            ignored = shutil.ignore_patterns(*LEFTOVERS)
            shutil.copytree(root / folder, copy / folder, ignore=ignored)
        where = copy / "charms" / charm
        self._run(
            ["pack", "--destructive-mode", f"--platform={platform.name}", "--verbose"],
            where,
            platform.base,
        )
        (packed,) = where.glob("*.charm")
        return packed

    def analyse(self, packed: pathlib.Path, platform: Platform) -> tuple[Finding, ...]:
        """Return what charmcraft's linters say of a packed charm."""
        command = ["analyse", str(packed), "--format=json"]
        answer = self._run(command, packed.parent, platform.base, succeeds=(0, 2, 3))
        try:
            findings = json.loads(answer)
        except ValueError as e:
            raise BuildError(f"charmcraft analyse said: {answer}") from e
        return tuple(Finding(f["name"], f["result"], f["text"]) for f in findings)

    def _run(
        self,
        arguments: Sequence[str],
        where: pathlib.Path,
        base: str,
        *,
        succeeds: Sequence[int] = (0,),
    ) -> str:
        """Run charmcraft as on a base; return what it printed to standard output."""
        result = subprocess.run(
            [self._program, *arguments],
            cwd=where,
            env=self._environment(base),
            capture_output=True,
            text=True,
            timeout=600,
        )
        if result.returncode not in succeeds:
            said = f"{result.stdout}\n{result.stderr}".strip()
            raise BuildError(f"charmcraft {arguments[0]} failed: {said}")
        return result.stdout

    def _environment(self, base: str) -> dict[str, str]:
        """Return the environment in which this machine looks like a base."""
        etc = self._scratch / f"ubuntu-{base}"
        _write(etc / "os-release", f'NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="{base}"\n')
        programs = pathlib.Path(self._program).parent
        return {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(self._scratch / "modules"),
            "UNIXCONFDIR": str(etc),
            "XDG_RUNTIME_DIR": str(self._scratch / "run"),
            "XDG_STATE_HOME": str(self._scratch / "state"),
            "XDG_CACHE_HOME": os.environ.get(
                "XDG_CACHE_HOME", str(pathlib.Path.home() / ".cache")
            ),
        }


def _write(file: pathlib.Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
