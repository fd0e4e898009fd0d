"""Run the packed agent as systemd would, on the files of a control plane from the lab.

The programs that it asks answer as they did in the lab, by a process that costs next to nothing.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import resource
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgecloud import host as machines
from edgecloud.agent import agent, hardware, settings, units
from edgelab import pi

NOTHING = (units.PYTHON, "-IS", "-c", "pass")
"""A Python that does nothing: what a run is measured against."""

_LIBRARY = pathlib.Path(__file__).resolve().parents[2] / "lib"
_BUILD = """
import pathlib, sys
from edgecloud.agent import archive

pathlib.Path(sys.argv[1]).write_bytes(archive.build(pathlib.Path(sys.argv[2])))
"""
_DRIVER = """
import json, pathlib, resource, runpy, subprocess, sys

word, program, root, answers, log = sys.argv[1:]
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
sys.argv = [program, word]
try:
    runpy.run_path(program, run_name="__main__")
finally:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pathlib.Path(log + ".peak").write_text(str(peak))
"""


@dataclasses.dataclass(frozen=True)
class Run:
    """What one run cost: processor time, memory at most, programs asked, files written."""

    processor_s: float
    peak_kib: int
    processes: tuple[str, ...]
    files: tuple[str, ...]


class PackedAgent:
    """The agent, a machine's files, and what that machine's programs answer.

    Args:
        folder: an empty one, for all of it.
        word: what the agent is to do, as on its command line.
        rehearse: does the same once in the lab, so that the programs' answers are known.
    """

    def __init__(self, folder: pathlib.Path, word: str, rehearse: Callable[[machines.Host], None]):
        self._folder, self._word = folder, word
        self.root = folder / "machine"
        answers = _settle(folder / "lab", self.root, rehearse)
        (folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")
        (folder / "driver.py").write_text(_DRIVER, encoding="utf-8")
        # Built by the Python that runs it, as the charm does on its machine.
        words = (units.PYTHON, "-c", _BUILD, str(folder / "agent.pyz"), str(_LIBRARY))
        subprocess.run(words, check=True, env={"PYTHONPATH": str(_LIBRARY)}, timeout=120)

    def run(self) -> Run:
        """Let the agent do its work once, and say what that cost."""
        log = self._folder / "log"
        log.write_text("", encoding="utf-8")
        before = self._files()
        places = (self._folder / name for name in ("agent.pyz", "machine", "answers.json", "log"))
        driver = str(self._folder / "driver.py")
        cost = processor_s((units.PYTHON, "-IS", driver, self._word, *map(str, places)))
        changed = sorted(self._files() - before)
        peak = int((self._folder / "log.peak").read_text(encoding="utf-8"))
        programs = log.read_text(encoding="utf-8").split()
        return Run(cost, peak, tuple(programs), tuple(path for path, _, _ in changed))

    def _files(self) -> set[tuple[str, int, int]]:
        """Return every file as it is now: replaced or changed, it is another one."""
        found = [(path, path.lstat()) for path in self.root.rglob("*") if not path.is_dir()]
        return {(f"/{p.relative_to(self.root)}", s.st_ino, s.st_mtime_ns) for p, s in found}


def processor_s(command: Sequence[str]) -> float:
    """Return the processor time of a command and all that it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def wake(host: machines.Host) -> None:
    """Wake the agent once, in the lab."""
    agent.Agent(host, settings.read(host)).wake()


def _settle(
    lab: pathlib.Path, root: pathlib.Path, rehearse: Callable[[machines.Host], None]
) -> Mapping[str, str]:
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
    wake(host)
    answers: dict[str, str] = {}
    run = world.run

    def listen(*words: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        answer = run(*words, **options)
        answers[" ".join(answer.args)] = answer.stdout
        return answer

    world.run = listen  # type: ignore[method-assign]
    rehearse(host)
    shutil.copytree(machine.root, root, symlinks=True)
    return answers
