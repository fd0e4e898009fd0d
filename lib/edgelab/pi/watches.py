"""Path units of systemd: a file that changes starts a service."""

from __future__ import annotations

import typing

from edgelab.pi import timers

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds


def arm(machine: machines.Machine, name: str) -> None:
    """Watch the files of a path unit from now on."""
    machine.watches[name] = _signature(machine, name)


def has_fired(machine: machines.Machine) -> bool:
    """Return whether a watched file changed, and what it starts does not run already."""
    return any(_is_due(machine, name) for name in _active(machine))


def take_due(world: worlds.World) -> list[tuple[machines.Machine, list[str]]]:
    """Return what changed files start. A change while the service runs goes by unseen."""
    found: list[tuple[machines.Machine, list[str]]] = []
    for machine in world.machines.values():
        for name in _active(machine) if machine.powered else ():
            if _is_due(machine, name):
                service = timers.started_by(machine, name)
                found.append((machine, ["/usr/bin/systemctl", "start", service]))
            arm(machine, name)
    return found


def _active(machine: machines.Machine) -> list[str]:
    return [name for name, u in machine.units.items() if u.active and name.endswith(".path")]


def _is_due(machine: machines.Machine, name: str) -> bool:
    service = machine.units.get(timers.started_by(machine, name))
    if service is not None and service.running:
        return False
    if name not in machine.watches:
        arm(machine, name)
    return machine.watches[name] != _signature(machine, name)


def _signature(machine: machines.Machine, name: str) -> str:
    """Return a text that differs when a watched file was written or put in place."""
    return " ".join(_seen(machine, path) for path in timers.watched_by(machine, name))


def _seen(machine: machines.Machine, path: str) -> str:
    try:
        status = machine.path(path).stat()
    except FileNotFoundError:
        return "-"
    return f"{status.st_ino}/{status.st_mtime_ns}/{status.st_size}"
