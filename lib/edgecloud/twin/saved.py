"""Read a saved inventory: the site as its controller knows it, and what else is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

from edgecloud.rollout import inventory

MEMBER_FIELDS = {each.name for each in fields(inventory.Member)}


class SavedError(Exception):
    """A text that is no inventory; says every problem at once."""


@dataclass(frozen=True)
class Saved:
    """A site."""

    members: inventory.Inventory
    budgets: dict[str, tuple[str, ...]] | None = None
    """For each node the disruption budgets that would not let one of its pods go; None if nobody
    looked."""


def write(members: inventory.Inventory, budgets: dict[str, tuple[str, ...]] | None = None) -> str:
    """Return the text that :func:`read` reads."""
    site: dict[str, Any] = {"members": inventory.write(members)}
    return json.dumps(site if budgets is None else {**site, "budgets": budgets}, indent=1)


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
    budgets = site.get("budgets")
    if budgets is not None and not _is_lists_of_texts(budgets):
        problems.append("budgets: must be lists of names by the name of a node")
    if problems:
        raise SavedError("; ".join(problems))
    looked = None if budgets is None else {name: tuple(held) for name, held in budgets.items()}
    return Saved(inventory.read(site["members"]), looked)


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
