"""Programs that run beside everything else: each until it waits, and never two at once.

A hook runs to its end before anything else happens. What a timer starts may take minutes, during
which hooks run, other machines work and the plug may be pulled. So each such program is a thread
that hands control back whenever it lets time pass, and goes on when the clock has come that far.
"""

from __future__ import annotations

import contextlib
import threading
import typing
from collections.abc import Callable, Generator

from edgelab.pi import faults

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

SHORTEST_S = 1.0
"""What takes less is over before anybody else could do anything."""


class Abandoned(BaseException):
    """The world ends; so does every program in it."""


class Stage(typing.Protocol):
    """What a program changes of the interpreter for as long as it runs."""

    def enter(self) -> None:
        """Make the changes."""
        ...

    def leave(self) -> None:
        """Take them back."""
        ...


class Task:
    """One program on one machine, which dies when that loses its power."""

    def __init__(self, machine: machines.Machine, work: Callable[[], None]):
        self.machine = machine
        self.due = machine.world.clock.now()
        self.done = False
        self.lived_s = 0.0
        """How long it has worked and waited by its own account, whatever else held it up."""
        self._boots = machine.boots
        self._stages: list[Stage] = []
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._abandoned = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the machine still runs as it did when the program began."""
        return self.machine.powered and self.machine.boots == self._boots

    def go_on(self) -> None:
        """Let the program run until it waits or ends. Raises what it failed with."""
        global _running
        former, _running = _running, self
        try:
            self._turn.release()
            self._back.acquire()
        finally:
            _running = former
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """End the program where it is."""
        self._abandoned = True
        while not self.done:
            self.go_on()

    def wait(self, seconds: float) -> None:
        """Hand control back for a while. Raises PowerCut if the machine went off meanwhile."""
        self.due = self.machine.world.clock.now() + seconds
        for stage in reversed(self._stages):
            stage.leave()
        self._back.release()
        self._turn.acquire()
        for stage in self._stages:
            stage.enter()
        if self._abandoned:
            raise Abandoned
        if not self.alive:
            raise faults.PowerCut(self.machine.id)

    @contextlib.contextmanager
    def on(self, stage: Stage) -> Generator[None]:
        """Take a stage back whenever the program waits."""
        self._stages.append(stage)
        try:
            yield
        finally:
            self._stages.remove(stage)

    def _run(self, work: Callable[[], None]) -> None:
        self._turn.acquire()
        try:
            if not self._abandoned:
                work()
        except (Abandoned, faults.PowerCut):
            pass
        except BaseException as error:
            self._error = error
        finally:
            self.done = True
            self._back.release()


_running: Task | None = None


def current() -> Task | None:
    """Return the program that runs now; None while a hook or a test does."""
    return _running


@contextlib.contextmanager
def unmeasured() -> Generator[None]:
    """Have what passes in here not count as time of the program that runs now."""
    task = current()
    before_s = task.lived_s if task is not None else 0.0
    try:
        yield
    finally:
        if task is not None:
            task.lived_s = before_s


@contextlib.contextmanager
def staged(stage: Stage) -> Generator[None]:
    """Enter a stage, and leave it whenever the program that runs now waits."""
    task = current()
    stage.enter()
    try:
        with task.on(stage) if task is not None else contextlib.nullcontext():
            yield
    finally:
        stage.leave()
