"""Measure a wake-up of the agent that has nothing to do, against a Python that does nothing.

Run it with ``tox run -e bench``. The packed agent runs as systemd would start it, once a minute on
every machine, on the files of a control plane from the lab that is at rest.
Between two wake-ups the agent takes no memory at all; what it takes meanwhile is printed, too.
"""

from __future__ import annotations

import pathlib
import statistics
import sys
import tempfile
from collections.abc import Sequence

from bench import packed_agent

MAX_RATIO = 24.0
MAX_MIB = 40
MAX_PROCESSES = 8
RUNS = 9


def report(nothing_s: float, runs: Sequence[packed_agent.Run]) -> bool:
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


def _counted(run: packed_agent.Run) -> str:
    names = [each.rpartition("/")[2] for each in run.processes]
    return ", ".join(f"{names.count(name)} {name}" for name in sorted(set(names)))


def main() -> int:
    """Measure, and fail if a target is missed."""
    with tempfile.TemporaryDirectory() as scratch:
        agent = packed_agent.PackedAgent(pathlib.Path(scratch), "wake", packed_agent.wake)
        agent.run()
        runs, nothing = list[packed_agent.Run](), list[float]()
        for _ in range(RUNS):  # In turn, so that what else goes on here disturbs both alike.
            nothing.append(packed_agent.processor_s(packed_agent.NOTHING))
            runs.append(agent.run())
        return 0 if report(statistics.median(nothing), runs) else 1


if __name__ == "__main__":
    sys.exit(main())
