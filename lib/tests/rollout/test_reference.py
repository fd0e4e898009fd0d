"""The reference page of the plan names every field with its default."""

import dataclasses
import json
import pathlib

import pytest

from edgecloud.rollout import plan, schema, terms, window

PAGE = pathlib.Path(__file__).parents[3] / "docs/reference/upgrade-plan.md"
SECTIONS = {
    "plan": plan.Plan,
    "targets": terms.Targets,
    "targets.kubernetes": terms.Kubernetes,
    "targets.lxd": terms.Release,
    "targets.os": terms.Os,
    "targets.firmware": terms.Firmware,
    "targets.snaps[]": terms.Snap,
    "select": terms.Select,
    "canary": terms.Canary,
    "waves[]": terms.Wave,
    "limits": terms.Limits,
    "floors": terms.Floors,
    "windows[]": window.Window,
    "blackouts[]": window.Blackout,
    "drain": terms.Drain,
    "gates[]": terms.Gate,
    "abort": terms.Abort,
    "rollback": terms.Rollback,
    "deadlines": terms.Deadlines,
    "offline": terms.Offline,
    "rehearsal": terms.Rehearsal,
    "signature": terms.Signature,
}


def rows(cls):
    for field in dataclasses.fields(cls):
        name = field.metadata["name"] or field.name.removesuffix("_s").replace("_", "-")
        if field.metadata["required"]:
            yield f"| `{name}` | required |"
        elif dataclasses.is_dataclass(field.default) or field.default in ((), None, ""):
            yield f"| `{name}` | – |"
        else:
            yield f"| `{name}` | `{json.dumps(schema.write(field.default))}` |"


@pytest.mark.parametrize("section", SECTIONS)
def test_given_the_page_when_a_section_is_read_then_every_field_and_default_is_there(section):
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## `{section}`\n")[2]

    listed = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("| `")]

    assert [line[: line.index("|", line.index("|", 1) + 1) + 1] for line in listed] == list(
        rows(SECTIONS[section])
    )
