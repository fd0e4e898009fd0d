"""Measure what the monitor's store and a Prometheus server write in a day at a scrape a minute.

Both are given the same samples, by Prometheus' remote-write protocol, with the times of a day that
is over; so a day does not take a day. What Prometheus writes depends on these times alone: its log
of samples, a block every two hours, and larger blocks of these. Only what the kernel does every
half a minute is lost with the hurry, so it is made up for: what is in the log is sent to the disk.
What the store writes depends on its own clock: it writes down what has come every five seconds,
or as seldom as it is told if its version can wait, and later merges that. So it is given the
samples of a minute every five seconds, and a version that can wait is told to do so for as many
of these bursts as it would hold scrapes. One that cannot is given them at once.

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
"""Between two of them a store that does not wait has written down what came before."""
SERVER_HOURS = 26
"""With two blocks of eighteen hours and more: longer ones only come after days."""
BURSTS = 120
"""That the store is given: enough for it to merge its parts, and most of these again."""
BOUNDS = {True: 0.5, False: 1.1}
"""What the store may write of what the server does, if its version can wait and if not."""
FLUSH = "-inmemoryDataFlushInterval="


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


def held() -> int:
    """Return how many scrapes the store that is here keeps in memory; 0 if it cannot wait."""
    command = footprint.store(max(SERIES), INTERVAL_S).command
    told = next((word.removeprefix(FLUSH) for word in command if word.startswith(FLUSH)), "0")
    return int(told.rstrip("s")) // INTERVAL_S


def store(folder: pathlib.Path, series: int, port: int, *, scrapes: int = 1) -> float:
    """Return the bytes that the store writes for a sample.

    Args:
        folder: for its files.
        series: how many there are.
        port: where it listens.
        scrapes: how many are written down at once; 0 for page by page.
    """
    command = footprint.words(footprint.store(series, INTERVAL_S), folder, folder / "none.yml")
    (folder / "none.yml").write_text("scrape_configs: []\n", encoding="ascii")
    words = [each for each in command if not each.startswith(("-httpListenAddr", FLUSH))]
    words.append(f"-httpListenAddr=127.0.0.1:{port}")
    wait_s, bursts = 2 * FLUSH_S, scrapes
    if held() and scrapes:
        wait_s, bursts = (scrapes + 0.5) * FLUSH_S, 1
        words.append(f"{FLUSH}{wait_s:.1f}s")
    with _running(words, folder) as written:
        sender = Sender(port, series)
        burst = bursts * sender.pages or 1
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
        time.sleep(2 * wait_s)
        return written.per_sample()


def measure(series: Sequence[int]) -> dict[tuple[str, int], float]:
    """Return what each writes for a sample, all of them beside each other."""
    ours = _ours()
    others = [name for name in _SCRAPES if name != ours and (_SCRAPES[name] or not held())]
    wanted = [(name, count) for count in series for name in (SERVER, ours)]
    wanted += [(name, min(series)) for name in others]
    with concurrent.futures.ProcessPoolExecutor(len(wanted)) as pool:
        ports = range(29500, 29500 + len(wanted))
        costs = pool.map(_measured, *zip(*wanted, strict=True), ports)
        return dict(zip(wanted, costs, strict=True))


def _measured(name: str, series: int, port: int) -> float:
    # On a real disk: in memory, nothing counts as written.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        folder = pathlib.Path(made)
        if name == SERVER:
            cost = server(folder, series, port)
        else:
            cost = store(folder, series, port, scrapes=_SCRAPES[name])
    print(f"{series} series, {_NAMES[name]}: {cost:.2f} bytes for a sample", file=sys.stderr)
    return cost


def _ours() -> str:
    """Return what the charm's own options make of the store that is here."""
    return next(name for name, scrapes in _SCRAPES.items() if scrapes == (held() or 1))


def table(found: dict[tuple[str, int], float], ours: str) -> str:
    """Return what was measured as the table in the documentation.

    Args:
        found: bytes for a sample, by what wrote them and for how many series.
        ours: which of them is the store as the charm runs it.
    """
    lines = [
        "| Series | Process | Bytes for a sample | MB a day | of the server's |",
        "| ---: | --- | ---: | ---: | ---: |",
    ]
    for (name, series), cost in sorted(found.items(), key=lambda each: each[0][::-1]):
        day = cost * series * 86400 / INTERVAL_S / 1e6
        ratio = cost / found[SERVER, series]
        shown = _NAMES[name] + (", as the charm runs it" if name == ours else "")
        lines.append(f"| {series} | {shown} | {cost:.1f} | {day:.0f} | {ratio:.2f} |")
    return "\n".join(lines)


SERVER = "server"
_SCRAPES = {"page": 0, "one": 1, "two": 2, "five": 5}
"""How many scrapes the store writes down at once."""
_NAMES = {
    SERVER: "Prometheus server",
    "page": "store, one page at a time",
    "one": "store, one scrape at a time",
    "two": "store, two scrapes at a time",
    "five": "store, five scrapes at a time",
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
    print(table(found, _ours()))
    problems = too_much(found, _ours(), BOUNDS[bool(held())])
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def too_much(found: dict[tuple[str, int], float], ours: str, bound: float) -> list[str]:
    """Return where the store writes more than it may of what the server does."""
    return [
        f"{series} series: the store writes {cost:.1f} bytes for a sample, the server"
        f" {found[SERVER, series]:.1f}: more than {bound:g} of it"
        for (name, series), cost in found.items()
        if name == ours and cost > bound * found[SERVER, series]
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
