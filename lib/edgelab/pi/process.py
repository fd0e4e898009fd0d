"""A command while it runs: its arguments, what it prints, and the time it takes."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping

from edgelab.pi import durations, faults

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds


_FOR_EVER = 1e7
"""Seconds after which a command that nobody limits has waited in vain."""


class Exit(Exception):  # noqa: N818 - it ends a command, and need not be an error
    """Ends a command from anywhere inside it."""

    def __init__(self, code: int):
        super().__init__(code)
        self.code = code


class Killed(Exception):  # noqa: N818 - the caller turns it into TimeoutExpired
    """The command ran longer than its caller would wait."""


class Endless(Exception):  # noqa: N818 - the caller waits for ever, too
    """The command never ends, and its caller would wait for ever."""


@dataclasses.dataclass
class Process:
    """One run of a command."""

    machine: machines.Machine
    argv: list[str]
    stdin: str | None
    timeout_s: float
    env: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    effect: faults.Effect | None = None
    seconds: float = 0.0
    detached: bool = False
    _out: list[str] = dataclasses.field(default_factory=list[str])
    _err: list[str] = dataclasses.field(default_factory=list[str])

    @classmethod
    def of_daemon(cls, machine: machines.Machine, name: str) -> Process:
        """Return a run that nobody waits for, inside a daemon. It takes no time of its own."""
        return cls(machine, [name], None, math.inf, detached=True)

    @property
    def world(self) -> worlds.World:
        """The world of the machine."""
        return self.machine.world

    def say(self, text: str = "") -> None:
        """Print a line."""
        self._out.append(text + "\n")

    def put(self, text: str) -> None:
        """Print text as it is."""
        self._out.append(text)

    def complain(self, text: str) -> None:
        """Print a line on standard error."""
        self._err.append(text + "\n")

    def fail(self, text: str, code: int = 1) -> typing.NoReturn:
        """Print a line on standard error and end the command."""
        self.complain(text)
        raise Exit(code)

    def quit(self, text: str, code: int = 1) -> typing.NoReturn:
        """Print a line on standard output and end the command."""
        self.say(text)
        raise Exit(code)

    @property
    def stdout(self) -> str:
        """What was printed so far."""
        return "".join(self._out)

    @property
    def stderr(self) -> str:
        """What was printed on standard error so far."""
        return "".join(self._err)

    def take(self, step: str) -> None:
        """Let the time pass that a step of the table takes."""
        self.spend(durations.SECONDS[step])

    def spend(self, seconds: float) -> None:
        """Let time pass. The command dies here if its caller would not wait that long.

        What the command did before stays done, and what it would have done next is not: the
        same holds for a process that is killed.
        """
        if self.detached:
            return
        if self.effect is not None and self.effect.kind == "cut-during":
            self.machine.power_off()
            raise faults.PowerCut(self.machine.id)
        if math.isinf(self.timeout_s) and self.seconds + seconds > _FOR_EVER:
            raise Endless
        scaled = seconds if math.isinf(seconds) else seconds * self.world.speed
        left = self.timeout_s - self.seconds
        if scaled >= left:
            self._pass(max(left, 0.0))
            raise Killed
        self._pass(scaled)

    def hang(self) -> typing.NoReturn:
        """Never end."""
        self.spend(math.inf)
        raise AssertionError("an endless command ended")

    def has_effect(self, kind: str) -> bool:
        """Return whether this run has a fault of this kind."""
        return self.effect is not None and self.effect.kind == kind

    def _pass(self, seconds: float) -> None:
        self.seconds += seconds
        self.world.let_pass(seconds)
