"""Timers of systemd, transient and from files: when they are due and what they run."""

from __future__ import annotations

import math
import re
import shlex
import subprocess
import typing

from edgelab.pi import calendars, faults, files, process, state

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds

UNITS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system")
_HOUR = 3600.0
_SPANS = {
    "us": 1e-6, "ms": 1e-3, "s": 1, "sec": 1, "second": 1, "seconds": 1, "m": 60, "min": 60,
    "minute": 60, "minutes": 60, "h": _HOUR, "hr": _HOUR, "hour": _HOUR, "hours": _HOUR,
    "d": 86400, "day": 86400, "days": 86400, "w": 604800, "week": 604800, "weeks": 604800, "": 1,
}  # fmt: skip


def span(text: str) -> float:
    """Return the seconds of a time span such as ``30``, ``5min`` or ``1h 30m``."""
    parts = re.findall(r"([0-9.]+)\s*([a-z]*)", text)
    if not parts or re.sub(r"[0-9.]+\s*[a-z]*\s*", "", text).strip():
        raise ValueError(text)
    return sum(float(number) * _SPANS[unit] for number, unit in parts)


def armed(machine: machines.Machine, *, routine: bool = True) -> list[tuple[float, list[str]]]:
    """Return when the machine's timers are due, and for what, in order.

    Args:
        machine: whose timers.
        routine: list those, too, that fire again and again, whatever goes on.
    """
    if not machine.timers:
        return []
    wanted = [t for t in machine.timers.values() if routine or not _is_routine(machine, t)]
    found = [(timer.due, _command(machine, timer)) for timer in wanted]
    return sorted(entry for entry in found if not math.isinf(entry[0]))


def arm_file(machine: machines.Machine, name: str, *, at_boot: bool = False) -> None:
    """Arm a timer that a unit file describes."""
    known = machine.timers.get(name)
    last = known.last if known else _stamp(machine, name)
    due = _next(machine, _section(machine, name, "Timer"), last, at_boot=at_boot)
    machine.timers[name] = state.Timer(name, due, transient=False, last=last)


def disarm(machine: machines.Machine, name: str) -> bool:
    """Stop a timer. Return whether it was armed."""
    return machine.timers.pop(name, None) is not None


def rearm_at_boot(machine: machines.Machine) -> None:
    """Arm the enabled timers when the machine comes up."""
    for name, unit in machine.units.items():
        if unit.enabled and name.endswith(".timer"):
            unit.active = True
            arm_file(machine, name, at_boot=True)
        elif unit.enabled and name.endswith(".path"):
            unit.active = True


def forget_transient(machine: machines.Machine) -> None:
    """Lose what only lived in memory: armed timers, and what ran."""
    machine.timers.clear()
    machine.watches.clear()
    machine.units_read.clear()
    for unit in machine.units.values():
        unit.active = unit.running = False


def take_due(world: worlds.World) -> list[tuple[machines.Machine, list[str]]]:
    """Take all due timers of running machines, re-arming those that recur, oldest first."""
    now = world.clock.now()
    due: list[tuple[float, str, machines.Machine, list[str]]] = []
    for machine in world.machines.values():
        if machine.powered:
            for timer in [item for item in machine.timers.values() if item.due <= now]:
                due.append((timer.due, machine.id, machine, _command(machine, timer)))
                _after_firing(machine, timer, now)
    return [
        (machine, command) for _, _, machine, command in sorted(due, key=lambda item: item[:2])
    ]


def hook_of(command: list[str]) -> tuple[str, str] | None:
    """Return unit and hook if a command asks Juju's agent to run a hook."""
    if not command or not command[0].endswith("juju-exec"):
        return None
    words = command[1:]
    unit = words[words.index("-u") + 1] if "-u" in words else words[0]
    name = re.search(r"JUJU_DISPATCH_PATH=hooks/([a-z-]+)", " ".join(words))
    return unit, name.group(1) if name else "update-status"


def run_command(machine: machines.Machine, command: list[str]) -> None:
    """Run what a timer is for. What goes wrong is in the journal, and nobody waits for it."""
    try:
        result = machine.world.run(machine, command, timeout_s=_start_s(machine, command))
    except (
        FileNotFoundError,
        subprocess.TimeoutExpired,
        faults.PowerCut,
        process.Endless,
    ) as error:
        machine.log("systemd", f"{command[0]}: {error}")
        return
    if result.returncode:
        machine.log("systemd", f"{command[0]}: exited with {result.returncode}")


def _start_s(machine: machines.Machine, command: list[str]) -> float:
    """Return how long systemd waits for what it starts."""
    settings = _section(machine, command[-1], "Service") if command[1:2] == ["start"] else {}
    text = settings.get("TimeoutStartSec", [f"{_HOUR:.0f}"])[-1]
    return math.inf if text == "infinity" else span(text)


def unit_text(machine: machines.Machine, name: str) -> str:
    """Return a unit file's text; empty if there is no such unit."""
    return next(
        (text for text in (files.read(machine, f"{at}/{name}") for at in UNITS) if text), ""
    )


def service_command(machine: machines.Machine, name: str) -> list[str]:
    """Return what a service's ``ExecStart`` runs."""
    line = next(iter(_section(machine, name, "Service").get("ExecStart", [])), "")
    return shlex.split(line.lstrip("-@:+!"))


def _command(machine: machines.Machine, timer: state.Timer) -> list[str]:
    if timer.command:
        return timer.command
    return ["/usr/bin/systemctl", "start", started_by(machine, timer.name)]


def started_by(machine: machines.Machine, name: str) -> str:
    """Return the service that a timer or a path unit starts."""
    stem, _, kind = name.rpartition(".")
    settings = _section(machine, name, kind.capitalize())
    return settings.get("Unit", [f"{stem}.service"])[-1]


def watched_by(machine: machines.Machine, name: str) -> list[str]:
    """Return the files whose change makes a path unit start its service."""
    return _section(machine, name, "Path").get("PathChanged", [])


def rearm_after(machine: machines.Machine, service: str) -> None:
    """Let the timers count that start a service so long after it ended."""
    now = machine.world.clock.now()
    for timer in machine.timers.values():
        spans = _spans(machine, timer)
        if spans and started_by(machine, timer.name) == service:
            timer.due = now + min(map(span, spans))


def _is_routine(machine: machines.Machine, timer: state.Timer) -> bool:
    """Return whether a timer fires again and again, so that it says nothing of unfinished work."""
    if timer.transient:
        return False
    settings = _section(machine, timer.name, "Timer")
    return bool({"OnUnitActiveSec", "OnUnitInactiveSec"} & set(settings))


def _spans(machine: machines.Machine, timer: state.Timer) -> list[str]:
    """Return how long after the end of its service a timer starts it again."""
    if timer.transient:
        return []
    return _section(machine, timer.name, "Timer").get("OnUnitInactiveSec", [])


def _after_firing(machine: machines.Machine, timer: state.Timer, now: float) -> None:
    if timer.transient:
        del machine.timers[timer.name]
        return
    timer.last = now
    files.write(machine, f"/var/lib/systemd/timers/stamp-{timer.name}", f"{now}\n")
    timer.due = _next(machine, _section(machine, timer.name, "Timer"), now)


def _stamp(machine: machines.Machine, name: str) -> float:
    """Return when a persistent timer last fired, as systemd notes it on disk."""
    return float(files.read(machine, f"/var/lib/systemd/timers/stamp-{name}") or 0)


def _next(
    machine: machines.Machine,
    settings: dict[str, list[str]],
    last: float,
    *,
    at_boot: bool = False,
) -> float:
    """Return when a timer is due next."""
    now = machine.world.clock.now()
    due = [calendars.following(text, now) for text in settings.get("OnCalendar", [])]
    if due and last and settings.get("Persistent", ["false"])[-1] in ("true", "yes", "1"):
        missed = min(calendars.following(text, last) for text in settings["OnCalendar"])
        due.append(max(missed, now))
    if not last or at_boot:
        due += [max(machine.booted_at + span(text), now) for text in settings.get("OnBootSec", [])]
        due += [now + span(text) for text in settings.get("OnActiveSec", [])]
    again = (*settings.get("OnUnitActiveSec", []), *settings.get("OnUnitInactiveSec", []))
    due += [max(last, now) + span(text) for text in again if last]
    return min(due, default=math.inf)


def _section(machine: machines.Machine, name: str, wanted: str) -> dict[str, list[str]]:
    """Return a section of a unit file, as systemd read it when it first needed the unit."""
    known = machine.units_read.get(name)
    if known is None:
        text = unit_text(machine, name)
        known = _sections(text)
        if text:
            machine.units_read[name] = known
    return known.get(wanted, {})


def _sections(text: str) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    section = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            found.setdefault(section, {}).setdefault(key.strip(), []).append(value.strip())
    return found
