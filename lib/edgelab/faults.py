"""Faults as a person writes them on a command line: ``power-off:1@600`` and the like."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from edgelab import pi
from edgelab.model import Model

HELP = """\
  power-off:MACHINE@SECONDS       pull the plug
  power-on:MACHINE@SECONDS        plug it in again
  brown-out:MACHINE@SECONDS       the supply sags: the machine reboots
  weak-supply:MACHINE@SECONDS     the supply sags, and the machine just bears it
  good-supply:MACHINE@SECONDS     and is well again
  cut-controller:MACHINE@SECONDS  the machine loses the Juju controller (* for all)
  heal-controller:MACHINE@SECONDS and finds it again
  cut:MACHINE@SECONDS             the machine loses its peers
  heal:MACHINE@SECONDS            and finds them again
  full-disk:MACHINE@SECONDS       nothing more can be written
  free-disk:MACHINE@SECONDS       somebody made room
  stop-clock:MACHINE@SECONDS      its own clock stands still
  start-clock:MACHINE@SECONDS     and shows the right time again
  lose-leader:APPLICATION@SECONDS another unit becomes the leader
  fail:MACHINE:COMMAND@N          the N-th call of a command fails, such as fail:1:microk8s-join@1
  hang:MACHINE:COMMAND@N          the N-th call of a command never ends
  slow:MACHINE:COMMAND@N          the N-th call of a command takes ten minutes more
  bad-build:MACHINE:REVISION@0    this build of MicroK8s does not come up well here (* for all)
"""


class FaultError(Exception):
    """A fault that nobody can make sense of."""


@dataclasses.dataclass(frozen=True)
class FaultSpec:
    """A fault to come: what, to whom, and when."""

    kind: str
    target: str
    at: float
    command: tuple[str, ...] = ()


def parse(text: str) -> FaultSpec:
    """Return the fault that a text describes. Raises FaultError."""
    head, at, when = text.rpartition("@")
    kind, _, target = head.partition(":")
    target, _, command = target.partition(":")
    known = (*_KINDS, *_WITH_WORDS)
    number = int(when) if when.isascii() and when.isdigit() else None
    if not at or kind not in known or not target or number is None:
        raise FaultError(f"not a fault: {text!r}; write one of\n{HELP}")
    if (kind in _WITH_WORDS) != bool(command):
        raise FaultError(f"{kind} of {text!r} takes {_WITH_WORDS.get(kind, 'no command')}")
    if kind in _OF_COMMANDS and number == 0:
        raise FaultError(f"{kind} of {text!r}: the first call is number 1")
    words = tuple(command.split("-", 1)) if command else ()
    return FaultSpec(kind, target, float(number), words)


def arm(juju: Model, fault: FaultSpec) -> None:
    """Let a fault happen in its time. Raises FaultError if there is no such machine."""
    places: Mapping[str, object] = (
        juju.applications if fault.kind == "lose-leader" else juju.world.machines
    )
    for_all = fault.target == "*" and fault.kind in _FOR_ALL
    if fault.target not in places and not for_all and not _may_come(juju, fault):
        raise FaultError(f"{fault.kind}: there is no {fault.target!r}, only {', '.join(places)}")
    if fault.kind == "bad-build":
        (revision,) = fault.command
        for name in _machines(fault.target) or juju.world.machines:
            juju.world.bad_revisions[f"{name}/{revision}"] = "sick"
        return
    if fault.kind in _OF_COMMANDS:
        command = pi.Fault(fault.command, nth=int(fault.at), effect=_OF_COMMANDS[fault.kind])
        juju.world.machines[fault.target].faults.add(command)
        return
    juju.schedule(juju.clock.now() + fault.at, lambda: _happen(juju, fault))


def _may_come(juju: Model, fault: FaultSpec) -> bool:
    """Return whether a target is an instance of a machine's LXD, which may be there in time."""
    host, slash, _ = fault.target.partition("/")
    of_machines = fault.kind in _KINDS and fault.kind != "lose-leader"
    return of_machines and bool(slash) and host in juju.world.machines


def _happen(juju: Model, fault: FaultSpec) -> None:
    if "/" in fault.target and fault.target not in juju.world.machines:
        raise FaultError(f"{fault.kind}: there is no {fault.target!r} after {fault.at:.0f} s")
    _KINDS[fault.kind](juju, fault.target)


def _machines(target: str) -> tuple[str, ...]:
    return () if target == "*" else (target,)


def _lose_leader(juju: Model, target: str) -> None:
    leader = juju.applications[target].leader
    others = [unit.name for unit in juju.units.values() if unit.app == target]
    if len(others) > 1:
        juju.move_leader(target, min(name for name in others if name != leader))


_FOR_ALL = ("cut-controller", "heal-controller", "bad-build")
_OF_COMMANDS: Mapping[str, pi.Effect] = {
    "fail": pi.fail(1, "made to fail"),
    "hang": pi.hang(),
    "slow": pi.slow(600),
}
_WITH_WORDS: Mapping[str, str] = {
    "fail": "a command",
    "hang": "a command",
    "slow": "a command",
    "bad-build": "a revision",
}

_KINDS: Mapping[str, Callable[[Model, str], None]] = {
    "power-off": lambda juju, target: juju.power_off(target),
    "power-on": lambda juju, target: juju.power_on(target),
    "brown-out": lambda juju, target: juju.reboot(target),
    "weak-supply": lambda juju, target: juju.weaken_supply(target),
    "good-supply": lambda juju, target: juju.mend_supply(target),
    "cut-controller": lambda juju, target: juju.cut_controller(*_machines(target)),
    "heal-controller": lambda juju, target: juju.heal_controller(*_machines(target)),
    "cut": lambda juju, target: juju.cut_peers(target),
    "heal": lambda juju, target: juju.heal_peers(target),
    "full-disk": lambda juju, target: juju.fill_disk(target),
    "free-disk": lambda juju, target: juju.free_disk(target),
    "stop-clock": lambda juju, target: juju.stop_clock(target),
    "start-clock": lambda juju, target: juju.start_clock(target),
    "lose-leader": _lose_leader,
}
