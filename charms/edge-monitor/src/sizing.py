"""Fit a store into a machine: memory, disk and what a flash card bears in a day. Pure.

The figures are measured, not promised: docs/explanation/monitoring.md has the tables, and
tools/bench/footprint.py and writes.py measure them anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

MB = 2**20
GB = 10**9
DAY_S = 86400
LONGEST_INTERVAL_S = 300
"""Beyond it, alerts and gates would look at a site that was."""

CACHE_BYTES_PER_SERIES = 2048
SMALLEST_CACHE_MB = 64
STORE_MB = 48
STORE_BYTES_PER_SERIES = 2048
HEAP_MB = 20
HEAP_BYTES_PER_SERIES = 1024
"""What the store's own garbage collector is told to keep to, softly. All pages come in the same
second, of which there would be much garbage; by itself it tidies up later than a Pi bears."""
HELPERS_MB = 110
"""vmalert, Alertmanager, vmauth and the node exporter together."""
EVALUATOR_MB = 24
"""A vmalert of its own, for the rules that applications bring."""
FORWARDER_MB = 32
FORWARDER_BYTES_PER_SERIES = 1024

BYTES_PER_SAMPLE = 2.05
SPARE = 1.2
"""A merge writes the new part before it removes the old ones."""

GUARD_MB = 500
"""Free space at which the store takes nothing more; at none at all it would crash."""

FLUSH_S = 5
"""Seconds that samples stay in the memory of a version that cannot be told for how long."""
LONGEST_FLUSH_S = 3600
COSTS = ((5, 6.0), (2, 12.0), (1, 15.5))
"""Scrapes that are written at once, and the bytes that each of their samples then costs the disk,
merges included. All pages are looked at in the same second, so a flush holds whole scrapes. In
two hours they were measured to cost up to 4.6, 10.9 and 14; the rest is for merges in later days.
"""


@dataclass(frozen=True)
class Machine:
    """What there is."""

    memory_mb: int
    disk_mb: int
    """Free space, and what the store holds of it already."""


@dataclass(frozen=True)
class Wish:
    """What the operator wants."""

    series: int = 30_000
    interval_s: int = 60
    retention_days: int = 15
    memory_mb: int = 0
    """What all of it may take; 0 for a quarter of the machine's memory."""
    write_gb_per_day: float = 2.0
    flush_s: int = 300
    """For how long samples may stay in memory, which a power cut takes."""
    buffer_mb: int = 0
    """What the queues towards other stores may take of the same disk."""
    forwards: bool = False
    """Whether samples go on to another store."""
    helpers_mb: int = HELPERS_MB
    """What all processes beside the store take together."""


@dataclass(frozen=True)
class Size:
    """What the store is given."""

    cache_mb: int
    store_mb: int
    """At most; the store is ended above it."""
    heap_mb: int
    """From here on it tidies up more often."""
    flush_s: int
    disk_mb: int
    write_gb_per_day: float
    guard_mb: int = GUARD_MB


def fit(machine: Machine, wish: Wish, *, waits: bool) -> tuple[Size, list[str]]:
    """Return the size of a store, and the arithmetic of everything that does not fit.

    Args:
        machine: what there is.
        wish: what is wanted.
        waits: whether this version of the store keeps samples in memory for as long as it is
            told; others do so for :data:`FLUSH_S`.
    """
    cache = max(SMALLEST_CACHE_MB, _mb(wish.series * CACHE_BYTES_PER_SERIES))
    store = STORE_MB + _mb(wish.series * STORE_BYTES_PER_SERIES)
    samples = wish.series * DAY_S / wish.interval_s
    disk = _mb(samples * wish.retention_days * BYTES_PER_SAMPLE * SPARE)
    wish = wish if waits else replace(wish, flush_s=FLUSH_S)
    size = Size(
        cache_mb=cache,
        # Twice the mean: merges and wide queries have peaks.
        store_mb=2 * store,
        heap_mb=HEAP_MB + _mb(wish.series * HEAP_BYTES_PER_SERIES),
        flush_s=wish.flush_s,
        disk_mb=disk,
        write_gb_per_day=round(_written(wish), 2),
    )
    problems = [
        _memory_problem(machine, wish, store + wish.helpers_mb + _forwarder_mb(wish)),
        _disk_problem(machine, wish, disk),
        _write_problem(wish, waits=waits),
    ]
    return size, [problem for problem in problems if problem]


def forwarder_problems(machine: Machine, wish: Wish) -> list[str]:
    """Return the arithmetic of what does not fit where nothing is kept but what waits to go."""
    exporter_mb = 24
    found = [_memory_problem(machine, wish, exporter_mb + _forwarder_mb(wish))]
    if wish.buffer_mb + GUARD_MB > machine.disk_mb:
        found.append(
            f"disk: the buffer needs {wish.buffer_mb} + {GUARD_MB} spare MB, there are"
            f" {machine.disk_mb}: lower buffer-mb or make room"
        )
    return [problem for problem in found if problem]


def _forwarder_mb(wish: Wish) -> int:
    if not wish.forwards:
        return 0
    return FORWARDER_MB + _mb(wish.series * FORWARDER_BYTES_PER_SERIES)


def _memory_problem(machine: Machine, wish: Wish, needed: int) -> str:
    allowed, source = wish.memory_mb, "memory-limit-mb"
    if not allowed:
        allowed, source = machine.memory_mb // 4, f"a quarter of {machine.memory_mb} MB"
    if needed <= allowed:
        return ""
    # Of what is needed, this grows with the series; the rest is there without any.
    each = STORE_BYTES_PER_SERIES + (FORWARDER_BYTES_PER_SERIES if wish.forwards else 0)
    fewer = wish.series - (needed - allowed + 2) * MB // each
    remedy = f"set series to {fewer // 1000 * 1000}" if fewer >= 1000 else "use a larger machine"
    return f"memory: {wish.series} series need {needed} MB, {source} is {allowed}: {remedy}"


def _disk_problem(machine: Machine, wish: Wish, disk_mb: int) -> str:
    needed = disk_mb + GUARD_MB + wish.buffer_mb
    if needed <= machine.disk_mb:
        return ""
    parts = f"{disk_mb} + {GUARD_MB} spare"
    if wish.buffer_mb:
        parts += f" + {wish.buffer_mb} buffer"
    room = machine.disk_mb - GUARD_MB - wish.buffer_mb
    days = int(room * wish.retention_days / disk_mb) if disk_mb else 0
    remedy = f"set retention-days to {days}" if days >= 1 else "make room"
    return (
        f"disk: {wish.retention_days} days need {parts} MB, there are {machine.disk_mb}: {remedy}"
    )


def _written(wish: Wish) -> float:
    """Return the GB that are written in a day."""
    scrapes = max(1, wish.flush_s // wish.interval_s)
    cost = next(cost for least, cost in COSTS if scrapes >= least)
    return wish.series * DAY_S / wish.interval_s * cost / GB


def _write_problem(wish: Wish, *, waits: bool) -> str:
    written, budget = _written(wish), wish.write_gb_per_day
    if written <= budget:
        return ""
    flushes = (scrapes * wish.interval_s for scrapes, _ in COSTS[::-1] if waits)
    changes = (
        *(("flush-interval", replace(wish, flush_s=seconds), seconds) for seconds in flushes),
        *(
            ("scrape-interval", replace(wish, interval_s=seconds), seconds)
            for seconds in range(wish.interval_s // 5 * 5 + 5, LONGEST_INTERVAL_S + 1, 5)
        ),
    )
    fewer = int(wish.series * budget / written * 0.99) // 1000 * 1000
    remedies = (
        f"set {option} to {seconds}"
        for option, changed, seconds in changes
        if changed.flush_s <= LONGEST_FLUSH_S and _written(changed) <= budget
    )
    last = f"set series to {fewer}" if fewer >= 1000 else "use a disk that bears more"
    return (
        f"writes: {wish.series} series every {wish.interval_s} s write {written:.2f} GB a day,"
        f" write-budget is {budget}: {next(remedies, last)}"
    )


def _mb(count: float) -> int:
    return -(-int(count) // MB)
