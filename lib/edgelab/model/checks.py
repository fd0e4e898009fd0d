"""Refuse what Juju refuses when an operator configures, relates or runs something."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import jsonschema

from edgelab.model import entities, staging
from edgelab.model.entities import ConfigValue, Life

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int,),
    "float": (float, int),
    "boolean": (bool,),
    "secret": (str,),
}


class CheckError(Exception):
    """Juju would refuse this; the message says why, and what it could have meant."""


def config(
    charm: staging.StagedCharm, given: Mapping[str, ConfigValue], *, defaults: bool = True
) -> dict[str, ConfigValue]:
    """Return the options of a charm: those given, checked, over their defaults.

    Raises CheckError naming every unknown option and every value of a wrong type.
    """
    options = cast("dict[str, dict[str, Any]]", charm.config.get("options") or {})
    problems = list(_config_problems(charm.name, options, given))
    if problems:
        raise CheckError("; ".join(problems))
    values = {
        name: option["default"]
        for name, option in options.items()
        if defaults and option.get("default") is not None
    }
    return {**values, **given}


def endpoints(
    applications: Mapping[str, entities.Application],
    relations: Iterable[entities.Relation],
    left: str,
    right: str,
) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the two ends (application, endpoint) that a relation of these would connect.

    Raises CheckError if there is no such pair, more than one, if these two are related already,
    or if one of them takes no more relations.
    """
    pairs = [
        (one, other)
        for one in _ends(applications, left)
        for other in _ends(applications, right)
        if one[0] != other[0] and _fit(applications, one, other)
    ]
    if len(pairs) != 1:
        found = ", ".join(f"{a}:{x} {b}:{y}" for (a, x), (b, y) in pairs) or "none fits"
        raise CheckError(f"cannot relate {left} to {right}: {found}")
    made = [set(each.endpoints.items()) for each in relations if each.life is Life.ALIVE]
    if set(pairs[0]) in made:
        raise CheckError(f"cannot relate {left} to {right}: they are related already")
    for app, name in pairs[0]:
        limit = applications[app].endpoint(name).get("limit")
        if limit is not None and sum((app, name) in ends for ends in made) >= limit:
            text = f"{app}:{name} takes at most {limit} relation{'s' if limit > 1 else ''}"
            raise CheckError(f"cannot relate {left} to {right}: {text}")
    return pairs[0]


def related(
    relations: Iterable[entities.Relation], left: str, right: str
) -> list[entities.Relation]:
    """Return the relation of two ends, each ``app`` or ``app:endpoint``.

    Between two applications without endpoints that is every one. Raises CheckError if there is
    none.
    """
    found = [
        each
        for each in relations
        if not each.peer and each.life is Life.ALIVE and _joins(each, left) and _joins(each, right)
    ]
    if not found or left.partition(":")[0] == right.partition(":")[0]:
        raise CheckError(f"there is no relation of {left} and {right}")
    return found


def _joins(relation: entities.Relation, text: str) -> bool:
    name, _, endpoint = text.partition(":")
    return name in relation.endpoints and endpoint in ("", relation.endpoints[name])


def parameters(
    charm: staging.StagedCharm, action: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return an action's parameters with defaults filled in.

    Raises CheckError if the charm has no such action or the parameters do not fit its schema.
    """
    actions = cast("dict[str, dict[str, Any]]", charm.actions)
    if action not in actions:
        raise CheckError(f"charm {charm.name} has no action {action!r}{_hint(action, actions)}")
    declared = actions[action]
    properties = cast("dict[str, dict[str, Any]]", declared.get("params") or {})
    schema = {
        "type": "object",
        "properties": properties,
        "required": declared.get("required", []),
        "additionalProperties": declared.get("additionalProperties", False),
    }
    try:
        jsonschema.validate(dict(given), schema)
    except jsonschema.ValidationError as e:
        raise CheckError(f"action {action}: {e.message}") from e
    filled = {name: p["default"] for name, p in properties.items() if "default" in p}
    return {**filled, **given}


def _config_problems(
    charm: str, options: Mapping[str, Mapping[str, Any]], given: Mapping[str, ConfigValue]
) -> Iterator[str]:
    for name, value in given.items():
        if name not in options:
            yield f"charm {charm} has no option {name!r}{_hint(name, options)}"
            continue
        kind = str(options[name]["type"])
        wrong = not isinstance(value, _TYPES[kind])
        if wrong or (isinstance(value, bool) and kind != "boolean"):
            yield f"option {name} of {charm} is a {kind}, not {value!r}"
        elif kind == "secret" and value and not str(value).startswith("secret:"):
            yield f"option {name} of {charm} takes the id of a secret, such as secret:…"


def _hint(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _ends(
    applications: Mapping[str, entities.Application], text: str
) -> Iterator[tuple[str, str]]:
    name, _, endpoint = text.partition(":")
    if name not in applications:
        raise CheckError(f"no application {name!r}{_hint(name, applications)}")
    metadata = applications[name].charm.metadata
    for role in ("provides", "requires"):
        for candidate in cast("dict[str, Any]", metadata.get(role) or {}):
            if endpoint in ("", candidate):
                yield name, candidate


def _fit(
    applications: Mapping[str, entities.Application], one: tuple[str, str], other: tuple[str, str]
) -> bool:
    left = applications[one[0]].endpoint(one[1])
    right = applications[other[0]].endpoint(other[1])
    provides = [
        end[1] in (applications[end[0]].charm.metadata.get("provides") or {})
        for end in (one, other)
    ]
    return left["interface"] == right["interface"] and provides[0] != provides[1]
