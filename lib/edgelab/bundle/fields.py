"""The fields of one entry of a bundle, each of the type that Juju reads it as."""

from __future__ import annotations

from collections.abc import Mapping

from edgelab.bundle.source import Node, Place, Problem


class Fields:
    """Reads one entry of a bundle, and notes values of a wrong type."""

    def __init__(self, node: Node, name: str, problems: list[Problem]):
        self._node = node
        self._name = name
        self._problems = problems
        if node.value is not None and not isinstance(node.value, Mapping):
            self._note(node.place, f"{name} is a mapping of keys to values")

    def at(self, key: str, inner: str = "") -> Place:
        """Return where a value stands, or its entry if it was left out."""
        node = self._node.entries.get(key, self._node)
        return node.entries.get(inner, node).place

    def refuse(self, key: str, text: str) -> None:
        """Note that a value cannot be meant."""
        self._note(self.at(key), text)

    def text(self, key: str) -> str:
        """Return a text; numbers are taken as they were written."""
        node = self._given(key)
        if node is None:
            return ""
        if node.items or node.entries:
            self.refuse(key, f"{key} of {self._name} is one value, not a list or mapping")
        return node.text

    def number(self, key: str) -> int | None:
        """Return a whole number that is not negative."""
        node = self._given(key)
        if node is None:
            return None
        if not isinstance(node.value, int) or isinstance(node.value, bool) or node.value < 0:
            text = f"{key} of {self._name} is a whole number, zero or more, not {_written(node)}"
            self.refuse(key, text)
            return None
        return node.value

    def flag(self, key: str) -> bool:
        """Return whether something is switched on."""
        node = self._given(key)
        if node is not None and not isinstance(node.value, bool):
            self.refuse(key, f"{key} of {self._name} is true or false, not {_written(node)}")
            return False
        return node is not None and node.value is True

    def mapping(self, key: str) -> Mapping[str, Node]:
        """Return what a mapping holds."""
        node = self._given(key)
        if node is not None and not isinstance(node.value, Mapping):
            self.refuse(key, f"{key} of {self._name} is a mapping of keys to values")
        return node.entries if node else {}

    def items(self, key: str) -> tuple[Node, ...]:
        """Return what a list holds."""
        node = self._given(key)
        if node is not None and not isinstance(node.value, tuple):
            self.refuse(key, f"{key} of {self._name} is a list: [{node.text}]")
        return node.items if node else ()

    def texts(self, key: str) -> dict[str, str]:
        """Return a mapping of names to texts."""
        found: dict[str, str] = {}
        for name, node in self.mapping(key).items():
            if node.items or node.entries:
                self._note(node.place, f"{name} in {key} is one value, not a list or mapping")
            found[name] = node.text if node.value is not None else ""
        return found

    def words(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(node.text for node in self.items(key))

    def _given(self, key: str) -> Node | None:
        node = self._node.entries.get(key)
        return node if node is not None and node.value is not None else None

    def _note(self, place: Place, text: str) -> None:
        self._problems.append(Problem(place, text))


def _written(node: Node) -> str:
    if node.items:
        return "a list"
    return "a mapping" if node.entries else repr(node.text)
