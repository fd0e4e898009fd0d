"""Import a module when it is first used."""

from __future__ import annotations

import importlib.util
import sys
import types


def load(name: str) -> types.ModuleType:
    """Return a module whose code runs at the first access to one of its names.

    Raises ModuleNotFoundError if there is no such module.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"no module named {name!r}", name=name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
