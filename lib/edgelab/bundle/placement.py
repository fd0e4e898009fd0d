"""Where units go: what ``to`` means, and on which machine each unit ends up."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping

from edgelab import names
from edgelab.bundle.declared import Application, Bundle, Placement
from edgelab.bundle.source import Place

NEW = "new"


class PlacementError(Exception):
    """A placement that Juju does not understand, or that leads nowhere."""


def parse(text: str, place: Place) -> Placement:
    """Read one item of ``to``. Raises PlacementError."""
    match = names.PLACEMENT.fullmatch(text)
    application = match["application"] or "" if match else ""
    if match is None or (application == NEW and match["unit"]):
        raise PlacementError(
            f"placement {text!r} is none of 0, lxd:0, app/0, lxd:app/0, app and new"
        )
    if match["container"] not in (None, "lxd"):
        raise PlacementError(f"placement {text!r}: the only containers are those of lxd")
    return Placement(
        text=text,
        place=place,
        container=match["container"] or "",
        machine=NEW if application == NEW else match["machine"] or "",
        application="" if application == NEW else application,
        unit=int(match["unit"]) if match["unit"] else None,
    )


def wanted(application: Application) -> Iterator[Placement]:
    """Yield a placement per unit, with unit numbers where only an application was named.

    The last placement counts for the units left over; without any, each gets a new machine.
    """
    place = application.at("to")
    given = application.to or (Placement(NEW, place, machine=NEW),)
    seen: collections.Counter[str] = collections.Counter()
    for number in range(application.num_units):
        each = given[min(number, len(given) - 1)]
        if not each.application:
            yield each
            continue
        unit = seen[each.application] if each.unit is None else each.unit
        seen[each.application] = unit + 1
        yield Placement(each.text, each.place, each.container, "", each.application, unit)


def assign(bundle: Bundle) -> Mapping[str, str]:
    """Return the machine of each unit, as ``juju status`` calls them.

    Machines that the bundle does not name get the numbers after those that it does. Raises
    PlacementError if units wait for each other.
    """
    return _Assignment(bundle).units


class _Assignment:
    """Follows placements from unit to unit until a machine is found."""

    def __init__(self, bundle: Bundle):
        self._wanted = {
            f"{application.name}/{number}": each
            for application in bundle.applications.values()
            for number, each in enumerate(wanted(application))
        }
        self._next = 1 + max((int(name) for name in bundle.machines), default=-1)
        self._containers: collections.Counter[str] = collections.Counter()
        self._on_the_way: list[str] = []
        self._found: dict[str, str] = {}
        for unit in self._wanted:
            self._machine(unit)
        self.units = {unit: self._found[unit] for unit in self._wanted}

    def _machine(self, unit: str) -> str:
        if unit in self._found:
            return self._found[unit]
        if unit in self._on_the_way:
            circle = " → ".join([*self._on_the_way[self._on_the_way.index(unit) :], unit])
            raise PlacementError(f"units wait for each other: {circle}")
        self._on_the_way.append(unit)
        self._found[unit] = self._place(self._wanted[unit])
        self._on_the_way.pop()
        return self._found[unit]

    def _place(self, each: Placement) -> str:
        if each.application:
            host = self._machine(f"{each.application}/{each.unit}")
        elif each.machine == NEW:
            host, self._next = str(self._next), self._next + 1
        else:
            host = each.machine
        if not each.container:
            return host
        number = self._containers[host]
        self._containers[host] += 1
        return f"{host}/{each.container}/{number}"
