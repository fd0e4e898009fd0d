"""A YAML file as it was written: every value with its file and line."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, cast

import yaml

Scalar: TypeAlias = str | int | float | bool | None

_YAML: Any = yaml  # what PyYAML composes and constructs has no types
_MERGE = "tag:yaml.org,2002:merge"
_PLAIN = "tag:yaml.org,2002:"


@dataclasses.dataclass(frozen=True, order=True)
class Place:
    """A line of a file."""

    file: pathlib.Path
    line: int

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line}"


NOWHERE = Place(pathlib.Path("-"), 0)
"""The place of what no file says."""


@dataclasses.dataclass(frozen=True, order=True)
class Problem:
    """Why a bundle is refused, and where to look."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class BundleError(Exception):
    """A bundle is refused; every reason is in ``problems``."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclasses.dataclass(frozen=True)
class Node:
    """A value of a YAML document, and where it stands.

    What a mapping holds stands where its key does: that is the line one looks for.
    """

    place: Place
    value: Scalar | tuple[Node, ...] | Mapping[str, Node]
    text: str = ""
    """A scalar as it was written, which is what Juju takes for a string."""

    @property
    def entries(self) -> Mapping[str, Node]:
        """What a mapping holds; nothing if it is none."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def items(self) -> tuple[Node, ...]:
        """What a list holds; nothing if it is none."""
        return self.value if isinstance(self.value, tuple) else ()


def shown(path: pathlib.Path) -> str:
    """Return a path as short as it can be said from the working directory."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(f"..{os.sep}..") else relative


def documents(file: pathlib.Path, problems: list[Problem]) -> list[Node]:
    """Return the documents of a file, empty ones left out; note what is wrong with them.

    Raises BundleError if the file cannot be read as YAML at all.
    """
    try:
        text = file.read_text(encoding="utf-8")
        composed: list[yaml.Node] = list(_YAML.compose_all(text, yaml.SafeLoader))
    except OSError as e:
        raise BundleError([Problem(Place(file, 1), f"cannot be read: {e.strerror}")]) from e
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else 1
        words = " ".join(part for part in (e.problem, e.context) if part)
        raise BundleError([Problem(Place(file, line), f"no valid YAML: {words}")]) from e
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise BundleError([Problem(Place(file, 1), f"no valid YAML: {e}")]) from e
    except RecursionError as e:
        text = "lists and mappings are nested too deep to be a bundle"
        raise BundleError([Problem(Place(file, 1), text)]) from e
    reader = _Reader(file, problems)
    nodes = [reader.node(each, reader.place(each)) for each in composed]
    return [node for node in nodes if node.value is not None]


class _Reader:
    """Turns what PyYAML composes into nodes."""

    def __init__(self, file: pathlib.Path, problems: list[Problem]):
        self._file = file
        self._problems = problems
        self._open: list[yaml.Node] = []

    def place(self, node: yaml.Node) -> Place:
        return Place(self._file, node.start_mark.line + 1)

    def node(self, node: yaml.Node, place: Place) -> Node:
        if node in self._open:
            self._problems.append(Problem(place, "an anchor contains itself"))
            return Node(place, None)
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return Node(place, self._mapping(node))
            if isinstance(node, yaml.SequenceNode):
                items = cast("list[yaml.Node]", node.value)
                return Node(place, tuple(self.node(item, self.place(item)) for item in items))
            return Node(place, self._scalar(node), str(cast("object", node.value)))
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            place = self.place(key)
            if key.tag == _MERGE:
                merged = {**self._merged(value, place), **merged}
                continue
            if not isinstance(key, yaml.ScalarNode):
                self._problems.append(Problem(place, "a key is a plain word"))
                continue
            name = str(cast("object", key.value))
            if name in entries:
                first = entries[name].place.line
                text = f"key {name!r} appears twice; the first one is on line {first}"
                self._problems.append(Problem(place, text))
            entries[name] = self.node(value, place)
        return {**merged, **entries}

    def _merged(self, value: yaml.Node, place: Place) -> Mapping[str, Node]:
        """Return what ``<<: *anchor`` adds."""
        node = self.node(value, place)
        merged: dict[str, Node] = {}
        for each in node.items or (node,):
            merged = {**each.entries, **merged}
        return merged

    def _scalar(self, node: yaml.Node) -> Scalar:
        text = str(cast("object", node.value))
        kind = str(node.tag).removeprefix(_PLAIN)
        # Juju's YAML knows neither times as numbers to the base 60 nor dates.
        if kind == "timestamp" or (kind in ("int", "float") and ":" in text):
            return text
        try:
            return cast("Scalar", _YAML.constructor.SafeConstructor().construct_object(node))
        except (yaml.YAMLError, ValueError):
            self._problems.append(Problem(self.place(node), f"{text!r} is no {kind}"))
            return None
