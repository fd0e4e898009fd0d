"""Measure a wake-up of the agent that has nothing to do, against a Python that does nothing.

Run it with ``tox run -e bench``. The packed agent runs as systemd would start it, once a minute on
every machine, on the files of a control plane from the lab that was upgraded once and is at rest.
The programs that it asks answer as they did in the lab, by a process that costs next to nothing.
Between two wake-ups the agent takes no memory at all; what it takes meanwhile is printed, too.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from bench import gauges
from edgecloud.agent import agent, hardware, settings, units
from edgelab import pi

MAX_RATIO = 24.0
MAX_MIB = 40
MAX_PROCESSES = 8
RUNS = 9
DRIVER = """
import json, pathlib, resource, runpy, subprocess, sys

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
sys.argv = [program, "wake"]
try:
    runpy.run_path(program, run_name="__main__")
finally:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pathlib.Path(log + ".peak").write_text(str(peak))
"""


@dataclasses.dataclass(frozen=True)
class Run:
    """What one wake-up cost."""

    processor_s: float
    peak_kib: int
    processes: tuple[str, ...]


class Bench:
    """A machine's files, the packed agent, and what its programs answer."""

    def __init__(self, folder: pathlib.Path):
        self._folder, self._root = folder, folder / "machine"
        self._log = folder / "log"
        answers = _settle(folder / "lab", self._root)
        (folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")
        (folder / "driver.py").write_text(DRIVER, encoding="utf-8")
        # Built by the Python that runs it, as the charm does on its machine.
        build = "import sys, pathlib; from edgecloud.agent import archive; "
        build += "pathlib.Path(sys.argv[1]).write_bytes(archive.build(pathlib.Path(sys.argv[2])))"
        words = (units.PYTHON, "-c", build, str(folder / "agent.pyz"), str(gauges.LIBRARY))
        subprocess.run(words, check=True, env={"PYTHONPATH": str(gauges.LIBRARY)}, timeout=120)

    def run(self) -> Run:
        """Wake the agent once, and say what that cost."""
        self._log.write_text("", encoding="utf-8")
        names = ("driver.py", "agent.pyz", "machine", "answers.json", "log")
        words = (units.PYTHON, "-IS", *(str(self._folder / name) for name in names))
        cost = gauges.processor_s(words)
        peak = int((self._folder / "log.peak").read_text(encoding="utf-8"))
        return Run(cost, peak, tuple(self._log.read_text(encoding="utf-8").split()))


def _settle(lab: pathlib.Path, root: pathlib.Path) -> Mapping[str, str]:
    """Put the files of a settled control plane in place; return what its programs answered."""
    world = pi.World(lab, pi.Clock(), seed=1)
    machine = world.add_machine("0")
    host = machine.host()
    install = ("/usr/bin/snap", "install", "microk8s", "--classic", "--channel=1.35/stable")
    host.run(install, timeout_s=900)
    world.clock.advance(120)
    world.tick()
    host.write(hardware.SYNCHRONISED, "")
    settings.write(host, settings.Settings("pi-0", "pi-0"))
    agent.Agent(host, settings.read(host)).wake()
    answers: dict[str, str] = {}
    run = world.run

    def listen(*words: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        answer = run(*words, **options)
        answers[" ".join(answer.args)] = answer.stdout
        return answer

    world.run = listen  # type: ignore[method-assign]
    agent.Agent(host, settings.read(host)).wake()
    shutil.copytree(machine.root, root, symlinks=True)
    return answers


def report(nothing_s: float, runs: Sequence[Run]) -> bool:
    """Print what was measured; return whether every target is met."""
    cost = statistics.median(each.processor_s for each in runs)
    peak = max(each.peak_kib for each in runs) / 1024
    processes = max(len(each.processes) for each in runs)
    ratio = cost / nothing_s
    print(f"python3 that does nothing   {nothing_s * 1000:4.0f} ms")
    print(
        f"a wake-up without work      {cost * 1000:4.0f} ms, ratio {ratio:.1f} of {MAX_RATIO:.0f}"
    )
    print(f"its peak of memory          {peak:4.0f} MiB of {MAX_MIB}; none between two of them")
    print(f"programs that it asks       {processes:4} of {MAX_PROCESSES}: {_counted(runs[0])}")
    return ratio <= MAX_RATIO and peak <= MAX_MIB and processes <= MAX_PROCESSES


def _counted(run: Run) -> str:
    names = [each.rpartition("/")[2] for each in run.processes]
    return ", ".join(f"{names.count(name)} {name}" for name in sorted(set(names)))


def main() -> int:
    """Measure, and fail if a target is missed."""
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(pathlib.Path(scratch))
        bench.run()
        runs, nothing = list[Run](), list[float]()
        for _ in range(RUNS):  # In turn, so that what else goes on here disturbs both alike.
            nothing.append(gauges.processor_s((units.PYTHON, "-ISc", "pass")))
            runs.append(bench.run())
        return 0 if report(statistics.median(nothing), runs) else 1


if __name__ == "__main__":
    sys.exit(main())
