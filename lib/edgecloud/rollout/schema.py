"""How a strict document becomes a frozen data class and back: every error at once, none ignored.

The fields of a data class carry their own check as metadata (:func:`meta`). In a document their
names have hyphens, durations read ``24h`` or a number of seconds, and what is unknown is refused.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

Model = TypeVar("Model")
Check = Callable[[Any, str, list[str]], Any]
"""Returns the value as the data class holds it, or adds to the problems and returns None."""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")


def meta(
    check: Check, *, name: str = "", required: bool = False, later: bool = False
) -> dict[str, Any]:
    """Return the metadata of a field: its check, and its name in a document if not derived.

    A field that a later version added is not written at its default, so that a plan without it
    has the digest that it always had.
    """
    return {"check": check, "name": name, "required": required, "later": later}


def read(cls: type[Model], document: Any, path: str, problems: list[str]) -> Model | None:
    """Build a data class from a mapping; None if that added any problem."""
    if not isinstance(document, Mapping):
        problems.append(f"{path or 'plan'}: must be a mapping, not {_kind(document)}")
        return None
    given = {str(key): value for key, value in cast("Mapping[Any, Any]", document).items()}
    before, values = len(problems), dict[str, Any]()
    fields = {_name(field): field for field in _fields(cls)}
    problems += [f"{_join(path, key)}: unknown field" for key in given if key not in fields]
    for name, field in fields.items():
        if given.get(name) is not None:
            values[field.name] = field.metadata["check"](given[name], _join(path, name), problems)
        elif field.metadata["required"]:
            problems.append(f"{_join(path, name)}: is required")
    return cls(**values) if len(problems) == before else None


def write(value: Any) -> Any:
    """Return what :func:`read` would make this value of: JSON types only, nothing left implied."""
    if dataclasses.is_dataclass(value):
        pairs = ((field, getattr(value, field.name)) for field in _fields(type(value)))
        return {
            _name(field): write(item) for field, item in pairs if not _is_left_out(field, item)
        }
    if isinstance(value, Pairs):
        return {key: write(item) for key, item in value}
    if isinstance(value, tuple):
        return [write(item) for item in cast("tuple[Any, ...]", value)]
    return value


def _is_left_out(field: dataclasses.Field[Any], item: Any) -> bool:
    return item is None or (field.metadata["later"] and item == field.default)


class Pairs(tuple[tuple[str, Any], ...]):
    """A mapping that can be hashed: sorted pairs of key and value."""

    __slots__ = ()

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key."""
        return next((value for name, value in self if name == key), default)


def text(value: Any, path: str, problems: list[str]) -> str | None:
    """Check a text of at most 1,024 characters."""
    if isinstance(value, str) and len(value) <= 1024:
        return value
    problems.append(f"{path}: must be a text of at most 1024 characters, not {_kind(value)}")
    return None


def identifier(value: Any, path: str, problems: list[str]) -> str | None:
    """Check a name: letters, digits, and . _ / - between them."""
    if isinstance(value, str) and IDENTIFIER.fullmatch(value):
        return value
    problems.append(f"{path}: must be a name such as pi-1, not {_shown(value)}")
    return None


def flag(value: Any, path: str, problems: list[str]) -> bool | None:
    """Check a boolean."""
    if isinstance(value, bool):
        return value
    problems.append(f"{path}: must be true or false, not {_shown(value)}")
    return None


def matching(pattern: str, meaning: str) -> Check:
    """Check a text against a pattern."""
    compiled = re.compile(pattern)

    def check(value: Any, path: str, problems: list[str]) -> str | None:
        if isinstance(value, str) and compiled.fullmatch(value):
            return value
        problems.append(f"{path}: must be {meaning}, not {_shown(value)}")
        return None

    return check


def integer(low: int, high: int) -> Check:
    """Check a whole number between two bounds, both allowed."""

    def check(value: Any, path: str, problems: list[str]) -> int | None:
        if type(value) is int and low <= value <= high:
            return value
        problems.append(f"{path}: must be a number from {low} to {high}, not {_shown(value)}")
        return None

    return check


def choice(*options: str) -> Check:
    """Check that a text is one of a few."""

    def check(value: Any, path: str, problems: list[str]) -> str | None:
        if value in options:
            return value
        problems.append(f"{path}: must be one of {', '.join(options)}, not {_shown(value)}")
        return None

    return check


def duration(low: int, high: int) -> Check:
    """Check a length of time such as ``90s``, ``24h`` or seconds; return seconds."""

    def check(value: Any, path: str, problems: list[str]) -> int | None:
        seconds = value if type(value) is int else _seconds(value)
        if seconds is not None and low <= seconds <= high:
            return seconds
        problems.append(
            f"{path}: must be a duration such as 90s or 24h, from {low} to {high} seconds, "
            f"not {_shown(value)}"
        )
        return None

    return check


def share(value: Any, path: str, problems: list[str]) -> str | None:
    """Check a number of nodes or a percentage of them; return it as text."""
    shown = str(value) if type(value) is int else value
    if isinstance(shown, str) and re.fullmatch(r"[1-9]\d{0,4}|(100|[1-9]\d?)%", shown):
        return shown
    problems.append(f"{path}: must be a number such as 2 or a share such as 20%, not {value!r}")
    return None


def instant(value: Any, path: str, problems: list[str]) -> int | None:
    """Check a moment with its offset; return it in seconds since 1970."""
    try:
        moment = dt.datetime.fromisoformat(value.replace("Z", "+00:00"))
    except (AttributeError, ValueError, TypeError):
        moment = value  # YAML turns an unquoted moment into a datetime.
    if type(moment) is int and moment >= 0:
        return moment
    if isinstance(moment, dt.datetime) and moment.tzinfo:
        return int(moment.timestamp())
    problems.append(f"{path}: must be a moment such as 2030-01-31T02:00:00Z, not {_shown(value)}")
    return None


def items(check: Check, *, least: int = 0, most: int = 256) -> Check:
    """Check a list, each entry by the same check."""

    def check_all(value: Any, path: str, problems: list[str]) -> tuple[Any, ...] | None:
        if not isinstance(value, list | tuple):
            problems.append(f"{path}: must be a list, not {_kind(value)}")
            return None
        entries = cast("list[Any]", value)
        if not least <= len(entries) <= most:
            problems.append(f"{path}: must have from {least} to {most} entries")
            return None
        return tuple(check(entry, f"{path}[{i}]", problems) for i, entry in enumerate(entries))

    return check_all


def mapping(check: Check, keys: Check = identifier) -> Check:
    """Check a mapping from names, each value by the same check."""

    def check_all(value: Any, path: str, problems: list[str]) -> Pairs | None:
        if not isinstance(value, Mapping):
            problems.append(f"{path}: must be a mapping, not {_kind(value)}")
            return None
        pairs = cast("Mapping[Any, Any]", value).items()
        checked = (
            (keys(k, path, problems), check(v, _join(path, str(k)), problems)) for k, v in pairs
        )
        return Pairs(sorted(checked, key=lambda pair: str(pair[0])))

    return check_all


def nested(cls: type[Any]) -> Check:
    """Check a mapping that is a data class of its own."""

    def check(value: Any, path: str, problems: list[str]) -> Any:
        return read(cls, value, path, problems)

    return check


def _seconds(value: Any) -> int | None:
    found = re.fullmatch(r"(\d{1,9})([smhd])", value) if isinstance(value, str) else None
    return int(found[1]) * UNITS[found[2]] if found else None


def _fields(cls: type[Any]) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(cls) if "check" in field.metadata]


def _name(field: dataclasses.Field[Any]) -> str:
    return field.metadata["name"] or field.name.removesuffix("_s").replace("_", "-")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _kind(value: Any) -> str:
    return type(value).__name__


def _shown(value: Any) -> str:
    return repr(value)[:60]
