"""Measure one run of a machine's metrics against a Python that does nothing, in the same run.

Run it with ``tox run -e bench``. The packed agent runs as systemd would start it, on the files of
a control plane from the lab whose agent has woken. The first run after a boot asks for everything;
all that follow are measured, as they are what goes on every minute.
"""

from __future__ import annotations

import argparse
import pathlib
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence

from bench import packed_agent
from edgecloud import host as machines
from edgecloud.agent.gauges import writing

MAX_RATIO = 12.0
MAX_PROCESSES = 1
MAX_FILES = 1


def prepare(folder: pathlib.Path) -> packed_agent.PackedAgent:
    """Return an agent whose machine was just started."""
    agent = packed_agent.PackedAgent(folder, "metrics", _rehearse)
    shutil.rmtree(agent.root / "run/edge-agent")
    return agent


def _rehearse(host: machines.Host) -> None:
    if not writing.write(host):
        raise SystemExit("the metrics of the lab's machine could not be written")


def report(nothing_s: float, first: packed_agent.Run, runs: Sequence[packed_agent.Run]) -> bool:
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
        agent = prepare(pathlib.Path(name))
        first = agent.run()
        pairs = [
            (packed_agent.processor_s(packed_agent.NOTHING), agent.run()) for _ in range(count)
        ]
    return 0 if report(statistics.median(p[0] for p in pairs), first, [p[1] for p in pairs]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
