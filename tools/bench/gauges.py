"""Measure one run of a machine's metrics against a Python that does nothing, in the same run.

Run it with ``tox run -e bench``. The packed agent runs as systemd would start it, on the files of
a control plane from the lab whose agent has woken. The programs that it asks answer as they did in
the lab, by a process that costs next to nothing. The first run after a boot asks for everything;
all that follow are measured, as they are what goes on every minute.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from edgecloud.agent import agent, archive, settings, units
from edgecloud.agent.gauges import writing
from edgelab import pi

LIBRARY = pathlib.Path(__file__).resolve().parents[2] / "lib"
MAX_RATIO = 12.0
MAX_PROCESSES = 1
MAX_FILES = 1
DRIVER = """
import json, pathlib, runpy, subprocess, sys

program, root, answers, log = sys.argv[1:]
sys.path.insert(0, program)
from edgecloud import host

class Machine(host.LocalHost):
    def run(self, command, *, timeout_s, stdin=None, env=None, check=True):
        with open(log, "a") as file:
            file.write(command[0] + "\\n")
        super().run(("/bin/true",), timeout_s=timeout_s)
        said = json.loads(pathlib.Path(answers).read_text()).get(" ".join(command), "")
        return subprocess.CompletedProcess(command, 0, said, "")

host.use(Machine(root))
sys.argv = [program, "metrics"]
runpy.run_path(program, run_name="__main__")
"""


@dataclasses.dataclass(frozen=True)
class Run:
    """What one run cost."""

    processor_s: float
    processes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class Bench:
    """A machine's files, the packed agent, and what its programs answer."""

    def __init__(self, folder: pathlib.Path):
        self._root, self._log = folder / "machine", folder / "log"
        self._program, self._answers = folder / "edge-agent.pyz", folder / "answers.json"
        self._driver = folder / "driver.py"
        self._driver.write_text(DRIVER, encoding="utf-8")
        self._program.write_bytes(archive.build(LIBRARY))
        answers = _settle(folder / "lab", self._root)
        self._answers.write_text(json.dumps(answers), encoding="utf-8")

    def run(self) -> Run:
        """Write the metrics once, and say what that cost."""
        self._log.write_text("", encoding="utf-8")
        before = _files(self._root)
        paths = (self._driver, self._program, self._root, self._answers, self._log)
        cost = processor_s((units.PYTHON, "-IS", *map(str, paths)))
        changed = sorted(set(_files(self._root)) - set(before))
        programs = self._log.read_text(encoding="utf-8").split()
        return Run(cost, tuple(programs), tuple(path for path, _, _ in changed))


def processor_s(command: Sequence[str]) -> float:
    """Return the processor time of a command and all that it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _settle(lab: pathlib.Path, root: pathlib.Path) -> Mapping[str, str]:
    """Put the files of a settled control plane in place; return what its programs answered."""
    world = pi.World(lab, pi.Clock(), seed=1)
    machine = world.add_machine("0")
    host = machine.host()
    install = ("/usr/bin/snap", "install", "microk8s", "--classic", "--channel=1.35/stable")
    host.run(install, timeout_s=900)
    world.clock.advance(120)
    world.tick()
    settings.write(host, settings.Settings("pi-0", "pi-0"))
    agent.Agent(host, settings.read(host)).wake()
    answers: dict[str, str] = {}
    run = world.run

    def listen(*words: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        answer = run(*words, **options)
        answers[" ".join(answer.args)] = answer.stdout
        return answer

    world.run = listen  # type: ignore[method-assign]
    if not writing.write(host):
        raise SystemExit("the metrics of the lab's machine could not be written")
    shutil.copytree(machine.root, root, symlinks=True)
    shutil.rmtree(root / "run/edge-agent")
    return answers


def _files(root: pathlib.Path) -> list[tuple[str, int, int]]:
    """Return every file as it is now: replaced or changed, it is another one."""
    found = [(path, path.lstat()) for path in root.rglob("*") if not path.is_dir()]
    return [(f"/{p.relative_to(root)}", s.st_ino, s.st_mtime_ns) for p, s in found]


def report(nothing_s: float, first: Run, runs: Sequence[Run]) -> bool:
    """Print what was measured; return whether every target is met."""
    quiet_s = statistics.median(each.processor_s for each in runs)
    processes = max(len(each.processes) for each in runs)
    files = max(len(each.files) for each in runs)
    row = "{:34}{:>10}{:>8}{:>11}{:>7}"
    print(row.format("", "processor", "ratio", "processes", "files"))
    print(row.format("python3 that does nothing", f"{nothing_s * 1000:.0f} ms", "1", 0, 0))
    for name, each, cost in (
        ("the first run after a boot", first, first.processor_s),
        ("every minute", runs[0], quiet_s),
    ):
        ratio = f"{cost / nothing_s:.1f}"
        count = len(each.processes), len(each.files)
        print(row.format(name, f"{cost * 1000:.0f} ms", ratio, *count))
    met = quiet_s <= MAX_RATIO * nothing_s and processes <= MAX_PROCESSES and files <= MAX_FILES
    targets = f"at most {MAX_RATIO:g} times, {MAX_PROCESSES} process, {MAX_FILES} file"
    print(f"targets for every minute: {targets}{'' if met else ' - MISSED'}")
    return met


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15, help="runs that are measured")
    count = parser.parse_args(arguments).runs
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(pathlib.Path(name))
        first = bench.run()
        nothing = (units.PYTHON, "-IS", "-c", "pass")
        pairs = [(processor_s(nothing), bench.run()) for _ in range(count)]
    return 0 if report(statistics.median(p[0] for p in pairs), first, [p[1] for p in pairs]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
