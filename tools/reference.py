"""Write the reference page of each charm from its charmcraft.yaml, or check that it is current."""

from __future__ import annotations

import argparse
import difflib
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOTICE = "<!-- Written by `tox run -e format` from charmcraft.yaml. Edit that file instead. -->"


def page(charmcraft: Mapping[str, Any]) -> str:
    """Return the reference page of a charm."""
    blocks = (
        NOTICE,
        f"# {charmcraft['name']}",
        _text(charmcraft["summary"]),
        _text(charmcraft.get("description")),
        _platforms(charmcraft.get("platforms", {})),
        *_options(charmcraft.get("config", {}).get("options", {})),
        *_actions(charmcraft.get("actions", {})),
        *_endpoints(charmcraft),
        *_resources(charmcraft.get("resources", {})),
    )
    return "\n\n".join(block for block in blocks if block) + "\n"


def _platforms(platforms: Mapping[str, Any]) -> str:
    names = ", ".join(f"`{name}`" for name in platforms)
    return f"Platforms: {names}." if names else ""


def _options(options: Mapping[str, Any]) -> Iterator[str]:
    if options:
        yield "## Options"
    for name, option in sorted(options.items()):
        yield f"### `{name}`"
        default = f"`{_shown(option['default'])}`" if "default" in option else "none"
        yield f"Type: {option['type']}. Default: {default}."
        yield _text(option.get("description"))


def _actions(actions: Mapping[str, Any]) -> Iterator[str]:
    if actions:
        yield "## Actions"
    for name, action in sorted(actions.items()):
        yield f"### `{name}`"
        yield _text(action.get("description"))
        parameters = action.get("params", {})
        if parameters:
            yield _table(
                ("Parameter", "Type", "Default", "Meaning"),
                (
                    _parameter(parameter, schema, parameter in action.get("required", ()))
                    for parameter, schema in sorted(parameters.items())
                ),
            )


def _parameter(name: str, schema: Mapping[str, Any], required: bool) -> tuple[str, ...]:
    """Return the row of one parameter of an action."""
    kind = schema.get("type", "")
    if "enum" in schema:
        kind = " or ".join(f"`{_shown(value)}`" for value in schema["enum"])
    default = f"`{_shown(schema['default'])}`" if "default" in schema else ""
    return f"`{name}`", kind, "required" if required else default, _line(schema.get("description"))


def _endpoints(charmcraft: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (
            f"`{name}`",
            role,
            f"`{endpoint['interface']}`",
            "yes" if endpoint.get("optional", True) else "no",
            endpoint.get("scope", "global"),
            str(endpoint.get("limit", "")),
            _line(endpoint.get("description")),
        )
        for role in ("provides", "requires", "peers")
        for name, endpoint in sorted(charmcraft.get(role, {}).items())
    ]
    if rows:
        yield "## Endpoints"
        yield _table(
            ("Endpoint", "Role", "Interface", "Optional", "Scope", "Limit", "Meaning"), rows
        )


def _resources(resources: Mapping[str, Any]) -> Iterator[str]:
    if resources:
        yield "## Resources"
        yield _table(
            ("Resource", "Type", "File", "Meaning"),
            (
                (
                    f"`{name}`",
                    resource["type"],
                    f"`{resource['filename']}`" if "filename" in resource else "",
                    _line(resource.get("description")),
                )
                for name, resource in sorted(resources.items())
            ),
        )


def _table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "|".join(("", *(f" {cell} ".replace("  ", " ") for cell in line), "")) for line in lines
    )


def _text(value: Any) -> str:
    """Return a description as paragraphs."""
    return str(value or "").strip()


def _line(value: Any) -> str:
    """Return a description as one line that a table's cell can hold."""
    return " ".join(str(value or "").split()).replace("|", "\\|")


def _shown(value: Any) -> str:
    """Return a value as YAML spells it, on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(str(value).split()) if str(value).strip() else '""'


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with ``--check`` print how they drifted and return 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail on a drift")
    check = parser.parse_args(arguments).check
    drifted = False
    for file in sorted(ROOT.glob("charms/*/charmcraft.yaml")):
        target = ROOT / "docs" / "reference" / f"{file.parent.name}.md"
        wanted = page(yaml.safe_load(file.read_text(encoding="utf-8")))
        present = target.read_text(encoding="utf-8") if target.exists() else ""
        if wanted == present:
            continue
        drifted = True
        if check:
            print(f"{target.relative_to(ROOT)} drifted; run `tox run -e format`")
            difference = difflib.unified_diff(present.splitlines(), wanted.splitlines(), n=1)
            print("\n".join(list(difference)[2:22]))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(wanted, encoding="utf-8")
            print(f"wrote {target.relative_to(ROOT)}")
    return 1 if drifted and check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
