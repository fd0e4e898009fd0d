"""Turn the world's data classes into JSON values and back."""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
import types
import typing
from typing import Any, cast


def encode(value: object) -> Any:
    """Return a JSON value for a data class, a container of them, or a plain value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: encode(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not field.metadata.get("transient")
        }
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return {str(key): encode(item) for key, item in items}
    if isinstance(value, (set, frozenset)):
        return sorted(encode(item) for item in cast("set[object]", value))
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in cast("list[object]", value)]
    return value


def decode(kind: Any, value: Any) -> Any:
    """Return the value that :func:`encode` was given, of this type."""
    if value is None:
        return None
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return decode(next(part for part in arguments if part is not type(None)), value)
    if dataclasses.is_dataclass(kind):
        return decode_into(kind, value, {})
    if origin is dict:
        return {arguments[0](key): decode(arguments[1], item) for key, item in value.items()}
    if origin is list:
        return [decode(arguments[0], item) for item in value]
    if origin is tuple:
        return tuple(decode(arguments[0], item) for item in value)
    return value


def decode_into(kind: Any, value: dict[str, Any], extra: dict[str, Any]) -> Any:
    """Return a data class from its JSON value; ``extra`` gives what is not stored."""
    hints = _hints(kind)
    known = {name: decode(hints[name], item) for name, item in value.items() if name in hints}
    return kind(**known, **extra)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    """Return the types of the fields that are stored; the others may not even be importable."""
    names = vars(sys.modules[kind.__module__])
    stored = {
        field.name: field.type
        for field in dataclasses.fields(kind)
        if not field.metadata.get("transient")
    }
    return typing.get_type_hints(types.SimpleNamespace(__annotations__=stored), names)


def dumps(value: object) -> str:
    """Return the JSON text of a value."""
    return json.dumps(encode(value), separators=(",", ":"))


def loads(text: str) -> Any:
    """Return the value of a JSON text."""
    return json.loads(text)
