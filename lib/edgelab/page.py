"""One self-contained page of a run: status, topology and timeline, without JavaScript."""

from __future__ import annotations

import dataclasses
import datetime
import math
import pathlib

import jinja2

from edgelab import hosted, pi, timeline, upgrades
from edgelab.model import engine, status

WIDTH = 1080
LANE = 26
LEFT = 190


@dataclasses.dataclass(frozen=True)
class Card:
    """A machine in the picture of the site."""

    x: float
    y: float
    place: str
    """Which machine it is, or in which one it is."""
    title: str
    state: str
    lines: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Cord:
    """A connection of two machines in the picture."""

    x1: float
    y1: float
    x2: float
    y2: float
    kind: str


def render(juju: engine.Engine, *, title: str) -> str:
    """Return the page of a model and of the run that led to it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    lanes = timeline.build(juju.record)
    upgraded = upgrades.lanes(juju, lanes)
    lanes = dataclasses.replace(lanes, lanes=(*lanes.lanes, *hosted.lanes(juju, lanes), *upgraded))
    told = sorted([*timeline.milestones(juju.record), *hosted.milestones(juju)])
    cards = _cards(juju)
    start = datetime.datetime.fromtimestamp(lanes.start, datetime.timezone.utc)
    return environment.get_template("page.html.j2").render(
        title=title,
        start=f"{start:%Y-%m-%d %H:%M} UTC",
        length=timeline.offset(lanes.end - lanes.start),
        headline=_headline(juju),
        healthy=_healthy(juju),
        tables={
            "Applications": status.applications(juju),
            "Units": status.units(juju),
            "Machines": status.machines(juju),
            "Relations": status.relations(juju),
        },
        cards=cards,
        cords=_cords(juju, cards),
        timeline=lanes,
        milestones=[(timeline.offset(at - lanes.start), who, what) for at, who, what in told],
        kinds=upgrades.KINDS,
        upgraded=bool(upgraded),
        width=WIDTH,
        lane=LANE,
        left=LEFT,
    )


def _headline(juju: engine.Engine) -> str:
    return "; ".join(
        f"{name}: {status.app_status(juju, app).message or status.app_status(juju, app).name}"
        for name, app in sorted(juju.applications.items())
    )


def _healthy(juju: engine.Engine) -> bool:
    return all(status.unit_status(juju, unit)[0] == "active" for unit in juju.units.values())


def _cards(juju: engine.Engine) -> list[Card]:
    """Place the machines on an arc, so that every pair has a line of its own."""
    names = sorted(juju.world.machines, key=lambda name: (len(name), name))
    count = len(names)
    cards: list[Card] = []
    for number, name in enumerate(names):
        angle = math.pi * (number + 0.5) / max(count, 1)
        machine = juju.world.machines[name]
        mine = [unit for unit in juju.units.values() if unit.machine == name]
        cards.append(
            Card(
                x=WIDTH / 2 - math.cos(angle) * (WIDTH / 2 - 130),
                y=240 - math.sin(angle) * 170,
                place=_place(machine),
                title=machine.hostname,
                state="up" if juju.online(name) else "down",
                lines=(
                    f"{machine.address} · {machine.mem_kb / 1048576:.0f} GiB",
                    *(unit.name for unit in mine),
                    *_roles(juju, machine.address, machine.hostname),
                ),
            )
        )
    return cards


def _place(machine: pi.Machine) -> str:
    """Return which machine it is; of what LXD hosts, in which one it is."""
    return f"in machine {machine.container_of}" if machine.instance else f"machine {machine.id}"


def _roles(juju: engine.Engine, address: str, hostname: str) -> list[str]:
    """Return what a machine is in the Kubernetes cluster."""
    for cluster in juju.world.clusters.values():
        if hostname not in cluster.nodes:
            continue
        for member in cluster.members:
            if member.ip == address:
                return [f"control plane, {member.role}"]
        return ["worker"]
    return []


def _cords(juju: engine.Engine, cards: list[Card]) -> list[Cord]:
    """Connect the machines that share a cluster."""
    by_title = {card.title: card for card in cards}
    cords: list[Cord] = []
    for cluster in juju.world.clusters.values():
        members = [by_title[name] for name in sorted(cluster.nodes) if name in by_title]
        for number, one in enumerate(members):
            for other in members[number + 1 :]:
                kind = "up" if one.state == other.state == "up" else "down"
                cords.append(Cord(one.x, one.y, other.x, other.y, kind))
    return cords
