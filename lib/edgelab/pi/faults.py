"""What can go wrong with a command on a machine, and when."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence


class PowerCut(BaseException):
    """The machine lost its power; nothing on it runs on, not even an ``except Exception``."""


@dataclasses.dataclass(frozen=True)
class Effect:
    """What happens to a command. Made by the functions below."""

    kind: str
    exit_code: int = 1
    stderr: str = ""
    seconds: float = 0.0


def fail(exit_code: int = 1, stderr: str = "") -> Effect:
    """The command fails at once and does nothing."""
    return Effect("fail", exit_code=exit_code, stderr=stderr)


def fail_late(exit_code: int = 1, stderr: str = "") -> Effect:
    """The command does its work, and then fails all the same."""
    return Effect("fail-late", exit_code=exit_code, stderr=stderr)


def hang() -> Effect:
    """The command never ends, and does nothing."""
    return Effect("hang")


def slow(seconds: float) -> Effect:
    """The command takes this much longer before it begins its work."""
    return Effect("slow", seconds=seconds)


def cut_before() -> Effect:
    """Power goes just before the command begins."""
    return Effect("cut-before")


def cut_during() -> Effect:
    """Power goes the first time that the command lets time pass, or when it ends."""
    return Effect("cut-during")


def cut_after() -> Effect:
    """Power goes just after the command has done its work."""
    return Effect("cut-after")


def brown_out() -> Effect:
    """The voltage dips before the command begins: the machine reboots by itself."""
    return Effect("brown-out")


def silent_datastore() -> Effect:
    """A join says that it succeeded although the datastore never came up."""
    return Effect("silent-datastore")


@dataclasses.dataclass
class Fault:
    """An effect on the n-th call of a command, and on as many calls as ``times`` says.

    Attributes:
        command: the first words of the command line; the program also by its bare name.
        effect: what happens.
        nth: 1 for the next call that matches.
        times: how many calls in a row are hit; 0 for all that follow.
    """

    command: tuple[str, ...]
    effect: Effect
    nth: int = 1
    times: int = 1

    def __post_init__(self) -> None:
        self.command = tuple(self.command)


@dataclasses.dataclass
class Faults:
    """The faults that a machine has in store."""

    pending: list[Fault] = dataclasses.field(default_factory=list["Fault"])

    def add(self, fault: Fault) -> None:
        """Put a fault in store."""
        self.pending.append(fault)

    def clear(self) -> None:
        """Forget all faults."""
        self.pending.clear()

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.pending)

    def take(self, argv: Sequence[str]) -> Effect | None:
        """Count a call, and return what happens to it."""
        found: Effect | None = None
        for fault in tuple(self.pending):
            if not _matches(fault.command, argv):
                continue
            fault.nth -= 1
            if fault.nth <= 0 and found is None:
                found = fault.effect
                self._use_up(fault)
        return found

    def _use_up(self, fault: Fault) -> None:
        if fault.times == 1:
            self.pending.remove(fault)
        elif fault.times > 1:
            fault.times -= 1


def _matches(prefix: tuple[str, ...], argv: Sequence[str]) -> bool:
    if not prefix:
        return True
    program = argv[0] if prefix[0].startswith("/") else argv[0].rpartition("/")[2]
    return program == prefix[0] and tuple(argv[1 : len(prefix)]) == prefix[1:]
