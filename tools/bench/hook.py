"""Measure a no-op ``update-status`` of a packed charm against a bare charm, in the same run.

Run it with ``tox run -e bench``. Both go the real way: ``dispatch``, a new Python, ops, hook
commands as processes. The charm under test finds a settled site: its relations come from the lab,
and the programs of its machine answer as they did there, by a process that costs next to nothing.
So what is compared is the charm. The ratio is one of processor time, which other programs on the
machine disturb little; the time on the clock is printed beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import pathlib
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence

import packed
from bench import settled
from standins import recording, unit

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EVENT = "update-status"
MAX_RATIO = 1.25
MAX_COMMANDS = 20
BARE = """
import ops


class BareCharm(ops.CharmBase):
    def __init__(self, framework):
        super().__init__(framework)
        framework.observe(self.on.update_status, self._on_update_status)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _on_update_status(self, event):
        pass

    def _on_collect_unit_status(self, event):
        event.add_status(ops.ActiveStatus())


if __name__ == "__main__":
    ops.main(BareCharm)
"""


@dataclasses.dataclass
class Subject:
    """A unit that is measured, and its hook commands and times in seconds."""

    name: str
    unit: unit.Unit
    environment: dict[str, str]
    calls: list[Sequence[str]] = dataclasses.field(default_factory=list[Sequence[str]])
    times: list[float] = dataclasses.field(default_factory=list[float])
    waits: list[float] = dataclasses.field(default_factory=list[float])

    def dispatch(self) -> None:
        """Run the hook once and note how long it took."""
        started, used = time.perf_counter(), _processor_s()
        result = self.unit.dispatch(EVENT, environment=self.environment)
        self.times.append(_processor_s() - used)
        self.waits.append(time.perf_counter() - started)
        if result.returncode:
            said = f"{result.stdout}{result.stderr}{self.unit.log()}"
            raise SystemExit(f"{self.name} failed:\n{said}")

    @property
    def median_s(self) -> float:
        """The median of the processor time it used, with all the processes it started."""
        return statistics.median(self.times)

    @property
    def median_wait_s(self) -> float:
        """The median of the time it took on the clock."""
        return statistics.median(self.waits)

    def forget(self) -> None:
        """Forget the times so far."""
        self.times.clear()
        self.waits.clear()


def _processor_s() -> float:
    """Return the processor time of all processes that this one started and that ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def bare_subject(charm: pathlib.Path, scratch: pathlib.Path, python: str) -> Subject:
    """Return a bare charm with the dispatch and the ops of an unpacked charm."""
    folder = scratch / "bare"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "charm.py").write_text(BARE, encoding="utf-8")
    (folder / "metadata.yaml").write_text("name: bare\n", encoding="utf-8")
    shutil.copy2(charm / "dispatch", folder / "dispatch")
    shutil.copytree(charm / "venv", folder / "venv")
    surroundings = scratch / "surroundings-bare"
    return Subject("bare", unit.Unit(folder, surroundings, python=python, name="bare/0"), {})


def subject(
    scene: settled.Scene, role: str, charm: pathlib.Path, scratch: pathlib.Path, python: str
) -> Subject:
    """Return an unpacked charm in a settled site."""
    answers = recording.write(scene.answers, scratch / f"answers-{role}")
    surroundings = scratch / f"surroundings-{role}"
    placed = unit.Unit(charm, surroundings, python=python, name=scene.unit, machine=scene.machine)
    placed.set_model(scene.model)
    environment = {"STANDIN_RECORDING": str(answers), "STANDIN_NOW": repr(scene.now)}
    return Subject(f"{charm.name}, {role}", placed, environment)


def measure(subjects: Sequence[Subject], runs: int) -> None:
    """Dispatch all subjects in turn, many times.

    In the turns before, Python compiles what it imports, and the hook commands are asked for the
    answers that they then give at once: it is the charm that is measured, not the stand-ins.
    """
    for each in subjects:
        each.dispatch()
        each.dispatch()
        each.calls = each.unit.calls()
        each.unit.freeze()
        each.forget()
    for _ in range(runs):
        for each in subjects:
            each.dispatch()


def report(bare: Subject, subjects: Sequence[Subject]) -> bool:
    """Print what was measured; return whether every target is met."""
    met = True
    row = "{:32}{:>10}{:>8}{:>9}{:>10}  {}"
    print(row.format("", "processor", "ratio", "clock", "commands", "").rstrip())
    for each in (bare, *subjects):
        ratio = each.median_s / bare.median_s
        good = ratio <= MAX_RATIO and len(each.calls) <= MAX_COMMANDS
        processor, clock = f"{each.median_s * 1000:.0f} ms", f"{each.median_wait_s * 1000:.0f} ms"
        note = "" if good else "MISSED"
        line = row.format(each.name, processor, f"{ratio:.2f}", clock, len(each.calls), note)
        print(line.rstrip())
        met = met and good
    print(f"targets: ratio at most {MAX_RATIO}, at most {MAX_COMMANDS} hook commands")
    return met


def bench(name: str, runs: int, *, verbose: bool) -> bool:
    """Measure one charm; return whether it meets the targets."""
    file = ROOT / "dist" / f"{name}_ubuntu-24.04-arm64.charm"
    if not file.exists():
        raise SystemExit(f"{file.relative_to(ROOT)} is not there: run `tox run -e pack` first")
    python = packed.interpreter("24.04")
    with tempfile.TemporaryDirectory() as place:
        scratch = pathlib.Path(place)
        charm = packed.unpack(file, scratch / name)
        bare = bare_subject(charm, scratch, python)
        found = settled.scenes(ROOT / "charms" / name, scratch)
        subjects = [
            subject(scene, role, charm, scratch, python)
            for role, scene in zip(("leader", "follower"), found, strict=False)
        ]
        measure([bare, *subjects], runs)
        met = report(bare, subjects)
        if verbose:
            _list_calls([bare, *subjects])
        return met


def _list_calls(subjects: Sequence[Subject]) -> None:
    for each in subjects:
        print(f"\n{each.name}:")
        for call in each.calls:
            print(f"  {' '.join(call)[:120]}")


def main(arguments: Sequence[str]) -> int:
    """Measure the charms that are named, or all; return 1 if one misses a target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("charm", nargs="*")
    parser.add_argument("--runs", type=int, default=15, help="dispatches of each charm")
    parser.add_argument("--calls", action="store_true", help="list the hook commands as well")
    options = parser.parse_args(arguments)
    logging.getLogger().addHandler(logging.NullHandler())  # The lab's warnings are for tests.
    everything = sorted(folder.parent.name for folder in ROOT.glob("charms/*/charmcraft.yaml"))
    results = [
        bench(name, options.runs, verbose=options.calls) for name in options.charm or everything
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
