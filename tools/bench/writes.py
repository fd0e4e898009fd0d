"""Measure what the monitor's store and a Prometheus server write in a day at a scrape a minute.

Both are given the same samples, by Prometheus' remote-write protocol, with the times of a day that
is over; so a day does not take a day. What Prometheus writes depends on these times alone: its log
of samples, a block every two hours, and larger blocks of these. Only what the kernel does every
half a minute is lost with the hurry, so it is made up for: what is in the log is sent to the disk.
What the store writes depends on its own clock: it writes down every five seconds what has come,
and later merges that. So it is given a minute's samples in a burst, and the next no sooner than
these are written.

Needs the distribution's programs: victoria-metrics and prometheus.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import http.client
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence

from bench import footprint

SERIES = (10_000, 50_000)
INTERVAL_S = 60
KERNEL_S = 30
"""For as long the kernel keeps what a process wrote before it is on the disk."""
FLUSH_S = 5.1
"""Between two of them the store has written down what came before."""
SERVER_HOURS = 26
"""With two blocks of eighteen hours and more: longer ones only come after days."""
BURSTS = 120
"""That the store is given: enough for it to merge its parts, and most of these again."""
BOUND = 1.1
"""What the store may write of what the server does; the aim is a half."""


class Written:
    """What a process writes, by its own count of bytes that went to the disk."""

    def __init__(self, pid: int):
        self._pid = pid
        self._before = 0
        self.samples = 0

    def begin(self) -> None:
        """Count from here on: that series are new is said once, and not part of a usual day."""
        time.sleep(2 * FLUSH_S)
        self._before, self.samples = self._bytes(), 0

    def per_sample(self) -> float:
        """Return the bytes that each sample has cost."""
        return (self._bytes() - self._before) / self.samples

    def _bytes(self) -> int:
        text = pathlib.Path(f"/proc/{self._pid}/io").read_text(encoding="ascii")
        return int(text.partition("\nwrite_bytes:")[2].split()[0])


class Sender:
    """Sends the pages of an exporter, as they were at any time."""

    def __init__(self, port: int, series: int):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._pages = [_Page(number) for number in range(series // footprint.PER_TARGET)]

    @property
    def pages(self) -> int:
        """How many there are."""
        return len(self._pages)

    def send(self, page: int, now: int) -> int:
        """Send a page as it was at a time; return how many samples it has."""
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        body = _snappy(self._pages[page].at(now))
        self._connection.request("POST", "/api/v1/write", body, headers)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status not in (200, 204):
            raise SystemExit(f"{answer.status}: {said[:200].decode(errors='replace')}")
        return footprint.PER_TARGET


class _Page:
    """A page as the protocol packs it. Only numbers change in it, and none in its length."""

    def __init__(self, number: int):
        self._number = number
        self._time = _time(0)
        self._packed, self._places = bytearray(), list[int]()
        for series in range(footprint.PER_TARGET):
            sample = _field(2, b"\x09" + bytes(8) + self._time)
            self._packed += _field(1, _labels(number, series) + sample)
            self._places.append(len(self._packed) - len(self._time) - 8)

    def at(self, now: int) -> bytes:
        """Return it as it was at a time."""
        for series, place in enumerate(self._places):
            value = float(footprint.series_value(series, now))
            struct.pack_into("<d", self._packed, place, value)
        return bytes(self._packed).replace(self._time, _time(now * 1000 + self._number * 13))


def server(folder: pathlib.Path, series: int, port: int) -> float:
    """Return the bytes that Prometheus writes for a sample."""
    (folder / "none.yml").write_text("global: {}\n", encoding="ascii")
    command = [
        footprint.PROMETHEUS,
        f"--config.file={folder}/none.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
    ]
    with _running(command, folder) as written:
        sender = Sender(port, series)
        kept = max(1, sender.pages * KERNEL_S // INTERVAL_S)
        first, *times = _times(1 + SERVER_HOURS * 60)
        for page in range(sender.pages):
            sender.send(page, first)
        written.begin()
        for now in times:
            for page in range(sender.pages):
                written.samples += sender.send(page, now)
                if page % kept == kept - 1:
                    _sync(folder / "data" / "wal")
        return written.per_sample()


def store(folder: pathlib.Path, series: int, port: int, *, scrapes: float = 1) -> float:
    """Return the bytes that the store writes for a sample.

    Args:
        folder: for its files.
        series: how many there are.
        port: where it listens.
        scrapes: how many come in one burst; 0 for page by page, each written down by itself.
    """
    command = footprint.words(footprint.store(series, INTERVAL_S), folder, folder / "none.yml")
    (folder / "none.yml").write_text("scrape_configs: []\n", encoding="ascii")
    words = [each for each in command if not each.startswith("-httpListenAddr")]
    with _running([*words, f"-httpListenAddr=127.0.0.1:{port}"], folder) as written:
        sender = Sender(port, series)
        burst = int(scrapes * sender.pages) or 1
        first, *times = _times(1 + BURSTS * burst // sender.pages)
        for page in range(sender.pages):
            sender.send(page, first)
        written.begin()
        due = time.monotonic()
        order = [(page, now) for now in times for page in range(sender.pages)]
        for sent, (page, now) in enumerate(order, 1):
            written.samples += sender.send(page, now)
            if sent % burst == 0:
                due = max(due + FLUSH_S, time.monotonic())
                time.sleep(max(0, due - time.monotonic()))
        time.sleep(2 * FLUSH_S)
        return written.per_sample()


def measure(series: Sequence[int]) -> dict[tuple[str, int], float]:
    """Return what each writes for a sample, all of them beside each other."""
    least = min(series)
    wanted = [(name, count) for count in series for name in ("server", "store")]
    wanted += [(name, least) for name in ("one by one", "two", "five")]
    with concurrent.futures.ProcessPoolExecutor(len(wanted)) as pool:
        ports = range(29500, 29500 + len(wanted))
        costs = pool.map(_measured, *zip(*wanted, strict=True), ports)
        return dict(zip(wanted, costs, strict=True))


def _measured(name: str, series: int, port: int) -> float:
    # On a real disk: in memory, nothing counts as written.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        folder = pathlib.Path(made)
        if name == "server":
            cost = server(folder, series, port)
        else:
            cost = store(folder, series, port, scrapes=_SCRAPES[name])
    print(f"{series} series, {_NAMES[name]}: {cost:.2f} bytes for a sample", file=sys.stderr)
    return cost


def table(found: dict[tuple[str, int], float]) -> str:
    """Return what was measured as the table in the documentation."""
    lines = [
        "| Series | Process | Bytes for a sample | MB a day | of the server's |",
        "| ---: | --- | ---: | ---: | ---: |",
    ]
    for (name, series), cost in sorted(found.items(), key=lambda each: each[0][::-1]):
        day = cost * series * 86400 / INTERVAL_S / 1e6
        ratio = cost / found["server", series]
        lines.append(f"| {series} | {_NAMES[name]} | {cost:.1f} | {day:.0f} | {ratio:.2f} |")
    return "\n".join(lines)


_SCRAPES = {"store": 1, "one by one": 0, "two": 2, "five": 5}
_NAMES = {
    "server": "Prometheus server",
    "store": "store",
    "one by one": "store, were pages looked at one after the other",
    "two": "store, were two scrapes delivered at once",
    "five": "store, were five scrapes delivered at once",
}


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, and fail if the store writes more than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, nargs="+", default=SERIES)
    options = parser.parse_args(arguments)
    if not all(shutil.which(name) for name in ("victoria-metrics", "prometheus")):
        print("needs apt-get install --no-install-recommends victoria-metrics prometheus")
        return 2
    found = measure(options.series)
    print(table(found))
    problems = too_much(found)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def too_much(found: dict[tuple[str, int], float]) -> list[str]:
    """Return where the store writes more than it may of what the server does."""
    return [
        f"{series} series: the store writes {cost:.1f} bytes for a sample, the server"
        f" {found['server', series]:.1f}: more than {BOUND:g} of it"
        for (name, series), cost in found.items()
        if name == "store" and cost > BOUND * found["server", series]
    ]


def _times(count: int) -> range:
    """Return as many times, a scrape apart, of which the last was not long ago."""
    last = int(time.time()) - 600
    return range(last - (count - 1) * INTERVAL_S, last + 1, INTERVAL_S)


@contextlib.contextmanager
def _running(command: Sequence[str], folder: pathlib.Path) -> Generator[Written]:
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            time.sleep(3)
            if process.poll() is not None:
                raise SystemExit(f"{command[0]} ended: {(folder / 'log').read_text()[-2000:]}")
            yield Written(process.pid)
        finally:
            process.kill()
            process.wait()


def _sync(log: pathlib.Path) -> None:
    """Send what is in a log to the disk, as the kernel does after a while."""
    descriptor = os.open(max(log.glob("0*")), os.O_RDWR)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _labels(page: int, number: int) -> bytes:
    """Return the labels of a series, as the protocol packs them."""
    labels = {
        "__name__": footprint.series_name(number),
        "instance": f"127.0.0.1:{page}",
        "job": f"synth{page}",
        "site": "bench",
        **footprint.series_labels(number),
    }
    pairs = (
        _field(1, key.encode()) + _field(2, text.encode()) for key, text in sorted(labels.items())
    )
    return b"".join(_field(1, pair) for pair in pairs)


def _time(milliseconds: int) -> bytes:
    """Return the time of a sample, in as many bytes as any time of these years takes."""
    return b"\x10" + _varint(milliseconds or 1 << 40)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _snappy(text: bytes) -> bytes:
    """Return a text as snappy has it, in one piece and no smaller than it was."""
    return _varint(len(text)) + b"\xfc" + struct.pack("<I", len(text) - 1) + text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
