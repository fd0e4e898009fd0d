"""Read a saved inventory: the site as its controller knows it, and what else is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast

from edgecloud.rollout import inventory

MEMBER_FIELDS = {each.name for each in fields(inventory.Member)}


class SavedError(Exception):
    """A text that is no inventory; says every problem at once."""


@dataclass(frozen=True)
class Saved:
    """A site."""

    members: inventory.Inventory
    budgets: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """For each node the disruption budgets that would not let one of its pods go."""


def write(members: inventory.Inventory) -> str:
    """Return the text that :func:`read` reads."""
    return json.dumps({"members": inventory.write(members)}, indent=1)


def read(text: str) -> Saved:
    """Return the site that a text in JSON describes; raise :class:`SavedError` if none."""
    try:
        document = json.loads(text)
    except ValueError as e:
        raise SavedError(f"is not JSON: {e}") from e
    if not isinstance(document, dict):
        raise SavedError("must be an object with members, and perhaps budgets")
    site = cast("dict[str, Any]", document)
    problems = [f"{key}: unknown field" for key in site if key not in ("members", "budgets")]
    problems += _member_problems(site.get("members"))
    budgets = site.get("budgets", {})
    if not _is_lists_of_texts(budgets):
        problems.append("budgets: must be lists of names by the name of a node")
    if problems:
        raise SavedError("; ".join(problems))
    return Saved(
        inventory.read(site["members"]), {name: tuple(found) for name, found in budgets.items()}
    )


def _member_problems(members: Any) -> list[str]:
    if not isinstance(members, list) or not members:
        return ["members: must be a list of nodes, and not an empty one"]
    found = list[str]()
    for index, member in enumerate(cast("list[Any]", members)):
        fields_of = cast("dict[str, Any]", member) if isinstance(member, dict) else {}
        if not isinstance(fields_of.get("name"), str):
            found.append(f"members[{index}]: must be an object with a name")
        unknown = sorted(set(fields_of) - MEMBER_FIELDS)
        found += [f"members[{index}].{key}: unknown field" for key in unknown]
    return found


def _is_lists_of_texts(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    for each in cast("Mapping[str, Any]", value).values():
        entries = cast("list[Any]", each) if isinstance(each, list) else [None]
        if not all(isinstance(entry, str) for entry in entries):
            return False
    return True
