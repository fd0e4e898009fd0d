"""Keep the modules of one charm apart from those of every other charm and of the lab.

Every charm has a top-level ``charm`` and a ``lib`` of its own. While a namespace is active, the
interpreter sees that charm's modules under their plain names, as it would in a packed charm.
"""

from __future__ import annotations

import contextlib
import importlib
import pathlib
import sys
import types
from collections.abc import Generator, Iterator

import ops


class Namespace:
    """The modules below a staged charm's ``lib`` and ``src``."""

    def __init__(self, root: pathlib.Path):
        self._paths = [str(root / "lib"), str(root / "src")]
        self._names = frozenset(_top_level_names(root / "lib", root / "src"))
        self._modules: dict[str, types.ModuleType] = {}
        self._foreign: set[str] = set()

    @contextlib.contextmanager
    def active(self) -> Generator[None, None, None]:
        """Make this charm's modules the importable ones, for as long as the context lasts."""
        hidden = self._take()
        sys.modules.update(self._modules)
        sys.path[:0] = self._paths
        # Staged charms lie where nobody will read what was compiled from them again.
        compiled, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            yield
        finally:
            sys.dont_write_bytecode = compiled
            del sys.path[: len(self._paths)]
            self._modules = self._take()
            sys.modules.update(hidden)

    def module(self, name: str) -> types.ModuleType:
        """Import one of the charm's modules. The namespace must be active."""
        return importlib.import_module(name)

    def charm_type(self) -> type[ops.CharmBase]:
        """Return the charm class that ``src/charm.py`` defines. The namespace must be active."""
        module = self.module("charm")
        found = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, ops.CharmBase)
            and value.__module__ == module.__name__
        ]
        if len(found) != 1:
            raise ImportError(f"{module.__file__} defines {len(found)} charm classes, not one")
        return found[0]

    def _take(self) -> dict[str, types.ModuleType]:
        """Remove the modules of these names from the interpreter, and return them."""
        # Twice in each hook: whoever was looked at once need not be looked at again.
        unknown = sys.modules.keys() - self._foreign
        names = [name for name in unknown if name.partition(".")[0] in self._names]
        self._foreign |= unknown.difference(names)
        return {name: sys.modules.pop(name) for name in names}


def _top_level_names(*folders: pathlib.Path) -> Iterator[str]:
    for folder in folders:
        if folder.is_dir():
            for path in folder.iterdir():
                if path.suffix == ".py" or path.is_dir():
                    yield path.stem
