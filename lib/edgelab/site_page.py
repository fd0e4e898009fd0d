"""The page that a site's monitor serves, made by the monitor's own code of what it knows now."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from edgelab.model import Model
from edgelab.model.entities import Unit
from edgelab.model.namespace import Namespace
from edgelab.pi import machine as machines

ACTION = "site-page"
_STORE, _RULES = "http://127.0.0.1:18428", "http://127.0.0.1:18880"


def render(juju: Model) -> str:
    """Return the page; empty if no application of the model has one."""
    found = [unit for unit in juju.units.values() if _shows_page(juju, unit)]
    return _render(juju, found[0]) if found else ""


def _shows_page(juju: Model, unit: Unit) -> bool:
    return ACTION in juju.applications[unit.app].charm.actions


def _render(juju: Model, unit: Unit) -> str:
    machine = juju.world.machines[unit.machine]
    store, rules = _asker(machine, _STORE), _asker(machine, _RULES)
    charm = Namespace(juju.applications[unit.app].charm.root)
    with charm.active():
        source, page = charm.module("site_source"), charm.module("site_page")
        return page.render(source.look(store, rules, name="site", now=machine.now()))


def _asker(machine: machines.Machine, base: str) -> Callable[[str], Any]:
    return lambda path: json.loads(machine.host().fetch(f"{base}{path}", {}, ""))
