"""Read the fields of an answer, whatever another release of LXD leaves out or makes null."""

from __future__ import annotations

from typing import Any, cast

Json = dict[str, Any]


def text(source: Json, key: str) -> str:
    """Return a field as text; empty if it is missing."""
    value = source.get(key)
    return "" if value is None else str(value)


def number(source: Json, key: str) -> int:
    """Return a whole number; 0 if it is missing."""
    value = source.get(key)
    return int(value) if isinstance(value, int | float) else 0


def flag(source: Json, key: str) -> bool:
    """Return whether a field is true."""
    return source.get(key) is True


def texts(source: Json, key: str) -> tuple[str, ...]:
    """Return a list of texts."""
    return tuple(map(str, _list(source.get(key))))


def mapping(source: Json, key: str) -> dict[str, str]:
    """Return an object of texts, such as ``config``."""
    return {name: str(value) for name, value in inner(source, key).items() if value is not None}


def inner(source: Json, key: str) -> Json:
    """Return an object within the object."""
    return as_object(source.get(key))


def inners(source: Json, key: str) -> list[Json]:
    """Return a list of objects."""
    return as_objects(source.get(key))


def devices(source: Json, key: str = "devices") -> dict[str, dict[str, str]]:
    """Return an object of objects of texts, such as ``devices``."""
    found = inner(source, key)
    return {name: mapping(found, name) for name in found}


def as_object(value: Any) -> Json:
    """Return a value if it is an object; otherwise an empty one."""
    return cast("Json", value) if isinstance(value, dict) else {}


def as_objects(value: Any) -> list[Json]:
    """Return the objects of a value that should be a list of them."""
    return [cast("Json", part) for part in _list(value) if isinstance(part, dict)]


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
