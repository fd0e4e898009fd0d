"""The simulated world: machines, the network between them, clusters, and time."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
import pathlib
import subprocess
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from edgelab.pi import (
    background,
    cluster,
    cluster_agent,
    codec,
    commands,
    datastore,
    faults,
    files,
    hardware,
    machine,
    process,
    store,
    tasks,
    timers,
    watches,
)
from edgelab.pi.clock import Clock, RealClock
from edgelab.pi.lxd import state as lxd_state


@dataclasses.dataclass(frozen=True)
class Call:
    """One command that ran. Never the content of its input, which may be secret."""

    machine: str
    argv: tuple[str, ...]
    stdin_size: int
    exit_code: int | None
    time: float
    seconds: float


_ENDLESS = 100_000


class Dispatch(typing.NamedTuple):
    """A hook that a timer on a machine asks Juju's agent to run."""

    machine: machine.Machine
    unit: str
    hook: str


class World:
    """Some machines, and everything about them that outlives a command."""

    def __init__(self, root: pathlib.Path, clock: Clock | None = None, seed: int = 0):
        self.root = root
        self.clock = clock or Clock()
        self.seed = seed
        self.speed = 1.0
        self.machines: dict[str, machine.Machine] = {}
        self.clusters: dict[str, cluster.Cluster] = {}
        self.lxd_sites: dict[str, lxd_state.Site] = {}
        self.store = store.Store.with_kubernetes()
        self.bad_revisions: dict[str, str] = {}
        self.cuts: set[tuple[str, str]] = set()
        self.outside: set[str] = set()
        """Addresses, as ``host:port``, of real servers that answer in place of this world."""
        self.calls: list[Call] = []
        self.drawn = 0
        self.executable = ""
        self.concurrent = False
        """Whether what timers start runs beside everything else, as somebody drives the world who
        asks what is due; otherwise it is over before :meth:`fire_due` returns."""
        self._tasks: list[tasks.Task] = []
        self._call_effects: dict[int, faults.Effect] = {}
        self._changed_at: float | None = self.clock.now()
        self._ticked = self.clock.now()
        self._next = math.inf
        self._busy = False

    # Machines and the network between them.

    def add_machine(self, identifier: str, **facts: Any) -> machine.Machine:
        """Flash a machine and plug it in; see :class:`machine.Machine` for what it may be."""
        facts.setdefault("hostname", f"pi-{identifier}")
        facts.setdefault("address", f"10.20.0.{11 + len(self.machines)}")
        added = machine.Machine(self, id=identifier, booted_at=self.clock.now(), **facts)
        self.machines[identifier] = added
        hardware.make_tree(added)
        commands.make_programs(added)
        self.touch()
        return added

    def remove_machine(self, identifier: str) -> None:
        """Take a machine away for good, as it is. Its files stay for whoever wants to look."""
        for inside in [one for one in self.machines.values() if one.container_of == identifier]:
            self.remove_machine(inside.id)
        gone = self.machines.pop(identifier)
        gone.power_off()
        if gone.node is not None:
            datastore.forget_lone(self, gone.node.cluster)
        self.touch()

    def machine_at(self, address: str) -> machine.Machine | None:
        """Return the machine that answers at an address: a running one, if there are two."""
        found = [item for item in self.machines.values() if address in item.addresses()]
        return max(found, key=lambda item: item.powered, default=None)

    def cut(self, one: str, other: str | None = None) -> None:
        """Cut the network between two machines, or between one and all that are not in it."""
        others = [other] if other is not None else self._outside(one)
        self.catch_up()
        self.cuts.update(_pair(one, item) for item in others)
        self._settle()

    def heal(self, one: str | None = None, other: str | None = None) -> None:
        """Undo cuts: between two machines, of one machine, or all of them."""
        gone = {pair for pair in self.cuts if _concerns(pair, one, other)}
        self.catch_up()
        self.cuts -= gone
        self._settle()

    def _settle(self) -> None:
        self.touch()
        self.catch_up()

    def reaches(self, one: machine.Machine, other: machine.Machine) -> bool:
        """Return whether packets go both ways between two machines."""
        if not (one.powered and other.powered):
            return False
        if (one.is_apart and one.container_of == other.id) or (
            other.is_apart and other.container_of == one.id
        ):
            return False
        return one is other or not self.cuts or not self._is_cut(one, other)

    def _is_cut(self, one: machine.Machine, other: machine.Machine) -> bool:
        """Return whether one of the two links between machines is cut; one in another has its."""
        mine, theirs = one.container_of or one.id, other.container_of or other.id
        if mine == theirs:
            return _pair(one.id, other.id) in self.cuts
        pairs = ((a, b) for a in {one.id, mine} for b in {other.id, theirs})
        return any(_pair(a, b) in self.cuts for a, b in pairs)

    def _outside(self, identifier: str) -> list[str]:
        """Return the machines that are neither a machine itself nor in it."""
        return [
            item.id
            for item in self.machines.values()
            if identifier not in (item.id, item.container_of)
        ]

    def tokens(self) -> list[tuple[str, str]]:
        """Return the join tokens that would still be accepted, with the machine that would."""
        return [
            (item.id, line.partition("|")[0])
            for item in self.machines.values()
            for line in cluster_agent.tokens(item)
            if not line.partition("|")[2] or float(line.partition("|")[2]) > item.now()
        ]

    # Commands.

    def run(
        self,
        where: machine.Machine,
        command: Sequence[str],
        *,
        timeout_s: float,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a machine. It takes simulated time, and faults may hit it."""
        if not where.powered:
            raise faults.PowerCut(where.id)
        self.catch_up()
        argv = [str(word) for word in command]
        effect = self._effect(where, argv)
        running = process.Process(where, argv, stdin, timeout_s, env or {}, effect)
        began = self.clock.now()
        code: int | None = None
        try:
            code = commands.execute(running)
            return subprocess.CompletedProcess(argv, code, running.stdout, running.stderr)
        except process.Killed:
            raise subprocess.TimeoutExpired(
                argv, timeout_s, running.stdout.encode(), running.stderr.encode()
            ) from None
        finally:
            size = len(stdin or "")
            self.calls.append(Call(where.id, tuple(argv), size, code, began, running.seconds))
            if commands.changes_anything(argv):
                self.touch()

    def fail_call(self, index: int, effect: faults.Effect) -> None:
        """Let this happen to the command of this index, counted from 0 over the whole run."""
        self._call_effects[index] = effect

    def _effect(self, where: machine.Machine, argv: Sequence[str]) -> faults.Effect | None:
        own = where.faults.take(argv) if where.faults.pending else None
        return self._call_effects.pop(len(self.calls), None) or own

    # Time.

    def let_pass(self, seconds: float) -> None:
        """Let time pass while a command runs; the rest of the world goes on meanwhile."""
        task = tasks.current()
        if task is not None:
            task.lived_s += seconds
        if task is not None and task.alive and seconds >= tasks.SHORTEST_S:
            task.wait(seconds)
        else:
            self.clock.advance(seconds)
        self.catch_up()

    def monotonic(self) -> float:
        """Return the time as the program that runs now may measure it.

        A hook of another machine runs to its end while a program waits here; on real machines
        neither would hold up the other.
        """
        task = tasks.current()
        return self.clock.now() if task is None else task.lived_s

    def touch(self) -> None:
        """Note that something changed, so that the background looks again."""
        if self._changed_at is None:
            self._changed_at = self.clock.now()

    def catch_up(self) -> None:
        """Do what the background has to do by now, if it has anything to do."""
        if not self._busy and self._due() <= self.clock.now():
            self.tick()

    def tick(self) -> None:
        """Let everything happen, in order, that happens by itself up to the present."""
        if self._busy:
            return
        self._busy = True
        try:
            for _ in range(_ENDLESS):
                if self._due() > self.clock.now():
                    return
                self._ticked = max(self._due(), self._ticked)
                self._changed_at = None
                with self.clock.at(self._ticked):
                    self._next = background.run(self)
        finally:
            self._busy = False
        raise RuntimeError("the background never comes to rest")

    def _due(self) -> float:
        """Return when the background has to look next."""
        return self._next if self._changed_at is None else min(self._changed_at, self._next)

    def next_due(self, *, routine: bool = True) -> float | None:
        """Return when something would next change by itself or a timer would fire, if ever.

        Args:
            routine: count timers that fire again and again, whatever goes on.
        """
        self.catch_up()
        running = [item for item in self.machines.values() if item.powered]
        moments = [self._next, *(task.due for task in self._tasks)]
        for item in running:
            moments += [moment for moment, _ in timers.armed(item, routine=routine)]
        if any(watches.has_fired(item) for item in running):
            moments.append(self.clock.now())
        due = min(moments)
        return None if math.isinf(due) else due

    def timers(self, where: machine.Machine | str) -> list[tuple[float, list[str]]]:
        """Return the armed timers of a machine, as due times and commands, in order."""
        found = self.machines[where] if isinstance(where, str) else where
        return timers.armed(found)

    def fire_due(self) -> list[Dispatch]:
        """Run what timers are due for, in order; return the hooks among it, not yet run."""
        asked: list[Dispatch] = []
        self.catch_up()
        for found, command in (*timers.take_due(self), *watches.take_due(self)):
            dispatch = timers.hook_of(command)
            if dispatch is not None:
                asked.append(Dispatch(found, *dispatch))
            elif found.powered:
                self._start(found, command)
        self._go_on()
        return asked

    def _start(self, where: machine.Machine, command: list[str]) -> None:
        if self.concurrent:
            work = functools.partial(timers.run_command, where, command)
            self._tasks.append(tasks.Task(where, work))
        else:
            timers.run_command(where, command)

    def _go_on(self) -> None:
        """Let every program that waited for long enough run until it waits again."""
        while due := [task for task in self._tasks if self._is_due(task)]:
            task = min(due, key=lambda each: each.due)
            task.go_on()
            self._tasks = [each for each in self._tasks if not each.done]

    def _is_due(self, task: tasks.Task) -> bool:
        return task.due <= self.clock.now() or not task.alive

    def close(self) -> None:
        """End every program that still waits."""
        for task in self._tasks:
            task.abandon()
        self._tasks.clear()

    # Chance, and what lies on disk.

    def random_hex(self, purpose: str, digits: int) -> str:
        """Return digits that are the same in every run with the same seed."""
        self.drawn += 1
        return hashlib.sha512(f"{self.seed}:{self.drawn}:{purpose}".encode()).hexdigest()[:digits]

    def save(self) -> None:
        """Write everything but the machines' own files to ``world.json``."""
        self.root.mkdir(parents=True, exist_ok=True)
        files.replace(self.root / "world.json", codec.dumps(self._document()), 0o600)

    @classmethod
    def load(cls, root: pathlib.Path, clock: Clock | None = None) -> World:
        """Return the world that :meth:`save` wrote there."""
        document = codec.loads((root / "world.json").read_text(encoding="utf-8"))
        kept = RealClock() if document["real_time"] else Clock(document["now"])
        world = cls(root, clock or kept, document["seed"])
        for name in ("speed", "drawn", "bad_revisions", "executable"):
            setattr(world, name, document[name])
        world.cuts = {(one, other) for one, other in document["cuts"]}
        world.store = codec.decode(store.Store, document["store"])
        world.calls = codec.decode(list[Call], document["calls"])
        world.clusters = codec.decode(dict[str, cluster.Cluster], document["clusters"])
        world.lxd_sites = codec.decode(dict[str, lxd_state.Site], document["lxd_sites"])
        world.machines = {
            item["id"]: codec.decode_into(machine.Machine, item, {"world": world})
            for item in document["machines"]
        }
        return world

    def _document(self) -> dict[str, Any]:
        plain = {"now": self.clock.now(), "cuts": sorted(self.cuts)}
        plain["real_time"] = isinstance(self.clock, RealClock)
        names = ("seed", "speed", "drawn", "bad_revisions", "executable")
        for name in (*names, "store", "calls", "clusters", "lxd_sites"):
            plain[name] = codec.encode(getattr(self, name))
        plain["machines"] = [codec.encode(item) for item in self.machines.values()]
        return plain


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def _concerns(pair: tuple[str, str], one: str | None, other: str | None) -> bool:
    return all(item is None or item in pair for item in (one, other))
