"""What there is to tell of the nodes that LXD hosts, which have no unit that would tell it."""

from __future__ import annotations

from collections.abc import Iterator

from edgelab import pi
from edgelab.model import engine
from edgelab.timeline import Lane, Span, Timeline, offset

_SHELL = "/bin/sh"
_WORTH_S = 1.0
"""What takes less is no more than a look."""
_DAEMON = "lxd.daemon: "


def lanes(juju: engine.Engine, run: Timeline) -> tuple[Lane, ...]:
    """Return a lane for each instance in which anything was done, beside those of the units."""
    hosted = [machine for machine in juju.world.machines.values() if machine.instance]
    found = (
        Lane(machine.hostname, machine.id, tuple(_spans(juju.world, machine.id, run)))
        for machine in sorted(hosted, key=lambda machine: machine.id)
    )
    return tuple(lane for lane in found if lane.spans)


def milestones(juju: engine.Engine) -> list[tuple[float, str, str]]:
    """Return when LXD started and stopped what it hosts: (time, who, what)."""
    found: list[tuple[float, str, str]] = []
    for machine in juju.world.machines.values():
        for line in machine.journal:
            at, _, said = line.partition(" ")
            if said.startswith(_DAEMON):
                found.append((float(at), f"LXD of {machine.id}", said.removeprefix(_DAEMON)))
    return found


def _spans(world: pi.World, machine: str, run: Timeline) -> Iterator[Span]:
    length = run.end - run.start
    for call in world.calls:
        # A shell only hands over to the program that is meant.
        if call.machine != machine or call.seconds < _WORTH_S or call.argv[0] == _SHELL:
            continue
        began = call.time - run.start
        yield Span(
            start=began / length,
            width=call.seconds / length,
            kind="failed" if call.exit_code else "ok",
            title=f"{_name(call.argv)} at {offset(began)}, {call.seconds:.0f} s",
        )


def _name(argv: tuple[str, ...]) -> str:
    """Return what a command is called: its program and its first word."""
    return " ".join((argv[0].rpartition("/")[2], *argv[1:2]))
