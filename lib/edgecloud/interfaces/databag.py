"""Read and write frozen data classes in databags, forgiving what a newer or older side wrote.

Every field is one key, its value JSON. Collections are tuples of data classes, sorted by whoever
writes them, so that equal content wakes nobody. On reading, an unknown key is ignored and a value
of a wrong shape counts as absent (the rules of Canonical's design guide for relation interfaces).
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Mapping, MutableMapping
from typing import Any, TypeVar, cast

Model = TypeVar("Model")

_UNFIT = object()


def load(cls: type[Model], data: Mapping[str, str]) -> Model:
    """Return the data class that a databag holds; absent and unfit fields keep their defaults."""
    fields = _fields(cls)
    return cast("Model", _load(cls, tuple((name, data[name]) for name in data if name in fields)))


def save(value: Any, bag: MutableMapping[str, str]) -> bool:
    """Write a data class to a databag, one key per field. Return whether anything changed.

    A field that holds None, an empty text or an empty collection is absent on the wire.
    """
    wanted = {
        field.name: json.dumps(_plain(getattr(value, field.name)), sort_keys=True)
        if getattr(value, field.name) not in (None, "", ())
        else ""
        for field in dataclasses.fields(value)
    }
    changes = {name: text for name, text in wanted.items() if bag.get(name, "") != text}
    if changes:
        bag.update(changes)
    return bool(changes)


@functools.lru_cache(maxsize=256)
def _load(cls: type[object], known: tuple[tuple[str, str], ...]) -> object:
    """Decode what is known of a data class; a hook looks at the same databag many times."""
    decoded = {name: _decode(text) for name, text in known}
    return _build(cls, {name: value for name, value in decoded.items() if value is not _UNFIT})


def _decode(text: str) -> Any:
    """Return what a text says, or _UNFIT if its writer does not speak this interface."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _UNFIT


@functools.cache
def _fields(cls: type) -> dict[str, Any]:
    """Return the fields of a data class with their resolved types."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _build(cls: type[Model], decoded: Mapping[str, Any]) -> Model:
    values: dict[str, Any] = {}
    for name, hint in _fields(cls).items():
        if name in decoded:
            fit, value = _convert(hint, decoded[name])
            if fit and value != "":  # Which is how an absent text is written.
                values[name] = value
    return cls(**values)


def _convert(hint: Any, value: Any) -> tuple[bool, Any]:
    """Return whether a decoded value fits a type, and the value as that type."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return True, None
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        return _convert(options[0], value)
    if origin is tuple:
        if not isinstance(value, list):
            return False, None
        item = typing.get_args(hint)[0]
        converted = [_convert(item, entry) for entry in cast("list[Any]", value)]
        return True, tuple(entry for fit, entry in converted if fit)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            return False, None
        return True, _build(cast("type[Any]", hint), cast("dict[str, Any]", value))
    if hint is float:
        return _number(value)
    return type(value) is hint, value


def _number(value: Any) -> tuple[bool, float]:
    """Return whether a decoded value is a number that can be reckoned with, and that number."""
    if type(value) not in (int, float):
        return False, 0.0
    try:
        number = float(value)
    except OverflowError:
        return False, 0.0
    return math.isfinite(number), number


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it; absent fields of nested objects are left out."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if getattr(value, field.name) not in (None, "", ())
        }
    if isinstance(value, tuple):
        return [_plain(entry) for entry in cast("tuple[Any, ...]", value)]
    return value
