"""Measure what the monitor's store and collector take, beside Prometheus, all in one run.

Needs the distribution's programs: victoria-metrics, vmagent and prometheus. Each of the four
scrapes the same exporter, of which every thousand series are one target; the two collectors hand
on to one more store, which is not counted.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import multiprocessing
import os
import pathlib
import shutil
import socketserver
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from typing import Any

from edgecloud import host as hosts
from edgecloud.telemetry import daemons, forwarder, packages

CHARM = pathlib.Path(__file__).resolve().parents[2] / "charms" / "edge-monitor" / "src"
SERIES = (0, 10_000, 50_000)
PER_TARGET = 1000
INTERVAL_S = 5
EXPORTER_PORT, SINK_PORT, SERVER_PORT, AGENT_PORT = 29100, 29428, 29090, 29091
PROMETHEUS = "/usr/bin/prometheus"
NAMES = ("store", "Prometheus server", "collector", "Prometheus agent")
BOUNDS = (("store", "Prometheus server", 0.6), ("collector", "Prometheus agent", 0.4))
"""Ours, theirs, and the most that our memory may be of theirs."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a process took while it was watched."""

    memory_mb: float
    cpu_percent: float
    written_mb_per_minute: float


def series_name(number: int) -> str:
    """Return what a series of a page is called."""
    return f"synth_{number % 40}_total"


def series_labels(number: int) -> dict[str, str]:
    """Return the labels of a series of a page."""
    return {
        "instance_of": f"a-unit/{number % 6}",
        "code": str(number % 5),
        "number": str(number),
    }


def series_value(number: int, now: int) -> int:
    """Return what a series says: a quarter moves much, a quarter little, the rest not at all."""
    if number % 4 == 0:
        return now * (number + 7)
    return now // 60 if number % 4 == 1 else number


def _written(number: int) -> str:
    pairs = ",".join(f'{key}="{text}"' for key, text in series_labels(number).items())
    return f"{series_name(number)}{{{pairs}}}"


class Page(socketserver.StreamRequestHandler):
    """A thousand series."""

    def handle(self) -> None:
        """Answer one scrape."""
        words = self.rfile.readline().split()
        while self.rfile.readline().strip():
            pass
        now = int(time.time())
        count = PER_TARGET if words else 0
        lines = [f"{_written(n)} {series_value(n, now)}" for n in range(count)]
        body = ("\n".join(lines) + "\n").encode()
        head = (
            f"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.wfile.write(head.encode() + body)


def serve() -> None:
    """Serve pages for ever."""
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", EXPORTER_PORT), Page) as server:
        server.serve_forever()


def configuration(series: int, job: str = "") -> str:
    """Return what all four scrape.

    Args:
        series: how many there are.
        job: what only ours understand in each job.
    """
    count = series // PER_TARGET
    # Each target another path, so that its series are its own.
    jobs = "".join(
        f"- {{job_name: synth{n}, metrics_path: /{n}, {job}"
        f" static_configs: [{{targets: ['127.0.0.1:{EXPORTER_PORT}']}}]}}\n"
        for n in range(count)
    )
    return (
        f"global: {{scrape_interval: {INTERVAL_S}s, external_labels: {{site: bench}}}}\n"
        f"scrape_configs:\n{jobs}"
    )


def commands(folder: pathlib.Path, series: int) -> dict[str, list[str]]:
    """Return the four, ours as the charm's own code would run them."""
    file = folder / "scrape.yml"
    file.write_text(configuration(series), encoding="utf-8")
    ours = folder / "ours.yml"
    # As edgecloud.telemetry.scrape has all of them scraped.
    ours.write_text(configuration(series, f"scrape_align_interval: {INTERVAL_S}s,"))
    agent_file = folder / "agent.yml"
    sink = f"http://127.0.0.1:{SINK_PORT}/api/v1/write"
    agent_file.write_text(file.read_text() + f"remote_write: [{{url: '{sink}'}}]\n")
    web = "--web.listen-address=127.0.0.1"
    return {
        "store": words(store(series), folder, ours),
        "collector": words(_collector(sink), folder, ours),
        "Prometheus server": [
            PROMETHEUS,
            f"--config.file={file}",
            f"--storage.tsdb.path={folder}/server",
            f"{web}:{SERVER_PORT}",
        ],
        "Prometheus agent": [
            PROMETHEUS,
            "--enable-feature=agent",
            f"--config.file={agent_file}",
            f"--storage.agent.path={folder}/agent",
            f"{web}:{AGENT_PORT}",
        ],
    }


def store(series: int, interval_s: int = INTERVAL_S) -> daemons.Daemon:
    """Return the store as the charm runs it for so many series."""
    sys.path.insert(0, str(CHARM))
    sizing: Any = importlib.import_module("sizing")
    runs: Any = importlib.import_module("store")
    known = packages.options(_Here(), runs.PROGRAM)
    wish = sizing.Wish(series=max(1000, series))
    size, _ = sizing.fit(sizing.Machine(8192, 100_000), wish, waits=runs.waits(known))
    return runs.daemon(
        size,
        known,
        interval_s=interval_s,
        retention_days=15,
        series=max(1000, series * 2),
        scrape_file="x",
    )


def _collector(url: str) -> daemons.Daemon:
    known = packages.options(_Here(), forwarder.PROGRAM)
    return forwarder.daemon(forwarder.Forwarder((forwarder.Remote(url),), "x"), known)


def words(daemon: daemons.Daemon, folder: pathlib.Path, scrape: pathlib.Path) -> list[str]:
    """Return the command of a daemon that keeps its files in a folder."""
    found = [word.replace("%d/scrape.yml", str(scrape)) for word in daemon.command]
    variables = [f"{name}={value}" for name, value in daemon.environment.items()]
    return ["/usr/bin/env", *variables, *(word.replace("%S", str(folder)) for word in found)]


class _Here(hosts.LocalHost):
    """This computer, but for what it would remember."""

    def write(self, path: str, text: str, *, mode: int = 0o644) -> bool:
        """Remember nothing."""
        return False


@contextlib.contextmanager
def running(folder: pathlib.Path, series: int) -> Generator[dict[str, int]]:
    """Run the four and what they need; yield their process ids."""
    sink = [
        "/usr/bin/victoria-metrics",
        f"-httpListenAddr=127.0.0.1:{SINK_PORT}",
        f"-storageDataPath={folder}/sink",
    ]
    exporter = multiprocessing.Process(target=serve, daemon=True)
    exporter.start()
    wanted = {"sink": sink, **commands(folder, series)}
    with (folder / "log").open("w") as log:
        found = {
            name: subprocess.Popen(words, stdout=log, stderr=log) for name, words in wanted.items()
        }
        try:
            time.sleep(2)
            dead = [name for name, process in found.items() if process.poll() is not None]
            if dead:
                raise SystemExit(f"{dead} ended: {(folder / 'log').read_text()[-2000:]}")
            yield {name: found[name].pid for name in NAMES}
        finally:
            for process in found.values():
                process.kill()
                process.wait()
            exporter.terminate()
            exporter.join()


def watch(pids: dict[str, int], seconds: float) -> dict[str, Cost]:
    """Return what each process takes in some seconds, its memory as the mean of many looks."""
    before = {name: _counters(pid) for name, pid in pids.items()}
    looks: dict[str, list[float]] = {name: [] for name in pids}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, pid in pids.items():
            looks[name].append(_memory_mb(pid))
        time.sleep(1)
    costs: dict[str, Cost] = {}
    for name, pid in pids.items():
        cpu, written = (
            after - earlier for after, earlier in zip(_counters(pid), before[name], strict=True)
        )
        costs[name] = Cost(
            sum(looks[name]) / len(looks[name]),
            100 * cpu / seconds,
            written / 2**20 / seconds * 60,
        )
    return costs


def _memory_mb(pid: int) -> float:
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def _counters(pid: int) -> tuple[float, float]:
    """Return seconds of processor time, and bytes sent to the disk."""
    words = (
        pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    )
    cpu = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    text = pathlib.Path(f"/proc/{pid}/io").read_text(encoding="ascii")
    return cpu, float(text.partition("\nwrite_bytes:")[2].split()[0])


def table(found: dict[int, dict[str, Cost]]) -> str:
    """Return the costs as the table in the documentation."""
    lines = [
        "| Series | Process | Memory MB | CPU % | Written MB/min |",
        "| ---: | --- | ---: | ---: | ---: |",
    ]
    for series, costs in found.items():
        for name in NAMES:
            cost = costs[name]
            lines.append(
                f"| {series} | {name} | {cost.memory_mb:.0f} | {cost.cpu_percent:.1f} |"
                f" {cost.written_mb_per_minute:.2f} |"
            )
    return "\n".join(lines)


def too_large(found: dict[int, dict[str, Cost]]) -> list[str]:
    """Return where our memory is more than it may be of Prometheus'."""
    return [
        f"{series} series: {ours} takes {costs[ours].memory_mb:.0f} MB, {theirs}"
        f" {costs[theirs].memory_mb:.0f}: more than {bound:g} of it"
        for series, costs in found.items()
        for ours, theirs, bound in BOUNDS
        if costs[ours].memory_mb > bound * costs[theirs].memory_mb
    ]


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, and fail if a bound of memory is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warm-s", type=float, default=40)
    parser.add_argument("--watch-s", type=float, default=60)
    options = parser.parse_args(arguments)
    if not all(shutil.which(name) for name in ("victoria-metrics", "vmagent", "prometheus")):
        print("needs apt-get install --no-install-recommends victoria-metrics prometheus")
        return 2
    found: dict[int, dict[str, Cost]] = {}
    for series in SERIES:
        # On a real disk: in memory, nothing counts as written.
        with (
            tempfile.TemporaryDirectory(dir="/var/tmp") as folder,
            running(pathlib.Path(folder), series) as pids,
        ):
            time.sleep(options.warm_s)
            found[series] = watch(pids, options.watch_s)
    print(table(found))
    problems = too_large(found)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
