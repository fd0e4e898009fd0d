"""Check what Juju and charmcraft leave open in charmcraft.yaml, and this repository does not."""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHARM_FILES = ("LICENSE", "CHANGELOG.md", "icon.svg", "dispatch", "requirements.txt")
PROGRAMS = ("dispatch",)
ARCHITECTURES = ("amd64", "arm64")
BASES = ("24.04", "26.04")


def problems(charmcraft: Mapping[str, Any], folder: str) -> Iterator[str]:
    """Yield what is wrong with a charm's charmcraft.yaml, read into a mapping."""
    if charmcraft["name"] != folder:
        yield f"name is {charmcraft['name']}, the folder {folder}"
    yield from _option_problems(charmcraft.get("config", {}).get("options", {}))
    yield from _action_problems(charmcraft.get("actions", {}))
    yield from _endpoint_problems(charmcraft)
    wanted = {f"ubuntu-{base}-{arch}" for base in BASES for arch in ARCHITECTURES}
    if set(charmcraft.get("platforms", {})) != wanted:
        yield f"platforms are not {', '.join(sorted(wanted))}"


def _option_problems(options: Mapping[str, Any]) -> Iterator[str]:
    for name, option in options.items():
        if not option.get("description"):
            yield f"option {name}: no description"
        if "_" in name:
            yield f"option {name}: underscore in the name"


def _action_problems(actions: Mapping[str, Any]) -> Iterator[str]:
    for name, action in actions.items():
        if "_" in name:
            yield f"action {name}: underscore in the name"
        if not action.get("description"):
            yield f"action {name}: no description"
        # Juju 3 takes true, Juju 4 false, where nothing is said.
        if action.get("additionalProperties") is not False:
            yield f"action {name}: no additionalProperties: false"
        for parameter, schema in action.get("params", {}).items():
            if not schema.get("description"):
                yield f"action {name}: parameter {parameter}: no description"


def _endpoint_problems(charmcraft: Mapping[str, Any]) -> Iterator[str]:
    for role in ("provides", "requires"):
        for name, endpoint in charmcraft.get(role, {}).items():
            if "optional" not in endpoint:
                yield f"endpoint {name}: optional not said"


def missing_files(charm: pathlib.Path) -> Iterator[str]:
    """Yield the files that every charm has and this one has not."""
    for name in CHARM_FILES:
        if not (charm / name).is_file():
            yield f"{name} missing"


def not_executable(charm: pathlib.Path) -> Iterator[str]:
    """Yield the programs of a charm that Juju or a linter would not start."""
    for name in PROGRAMS:
        if (charm / name).is_file() and not os.access(charm / name, os.X_OK):
            yield f"{name} is not executable"


def main() -> int:
    """Print every problem of every charm; return 1 if there is one."""
    found = 0
    for file in sorted(ROOT.glob("charms/*/charmcraft.yaml")):
        charmcraft = yaml.safe_load(file.read_text(encoding="utf-8"))
        charm = file.parent
        for problem in (
            *problems(charmcraft, charm.name),
            *missing_files(charm),
            *not_executable(charm),
        ):
            print(f"{file.relative_to(ROOT)}: {problem}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
