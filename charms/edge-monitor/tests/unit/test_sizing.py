"""What a store is given, and the arithmetic when it does not fit."""

import dataclasses

import hypothesis
import pytest
from hypothesis import strategies

import sizing
from sizing import Machine, Wish, fit

PI = Machine(memory_mb=4096, disk_mb=50_000)


def test_given_a_pi_and_the_defaults_when_fitted_then_nothing_stands_against_it():
    size, problems = fit(PI, Wish(), waits=True)

    assert problems == []
    assert size == sizing.Size(
        cache_mb=64,
        store_mb=214,
        heap_mb=50,
        flush_s=300,
        disk_mb=1521,
        write_gb_per_day=0.26,
    )


@pytest.mark.parametrize(
    ("machine", "wish", "problem"),
    [
        (
            Machine(512, 50_000),
            Wish(),
            "memory: 30000 series need 217 MB, a quarter of 512 MB is 128: use a larger machine",
        ),
        (
            Machine(1024, 50_000),
            Wish(series=60_000, write_gb_per_day=9),
            "memory: 60000 series need 276 MB, a quarter of 1024 MB is 256: set series to 48000",
        ),
        (
            PI,
            Wish(memory_mb=200),
            "memory: 30000 series need 217 MB, memory-limit-mb is 200: set series to 20000",
        ),
        (
            Machine(4096, 1500),
            Wish(),
            "disk: 15 days need 1521 + 500 spare MB, there are 1500: set retention-days to 9",
        ),
        (
            Machine(4096, 520),
            Wish(),
            "disk: 15 days need 1521 + 500 spare MB, there are 520: make room",
        ),
        (
            Machine(4096, 3000),
            Wish(buffer_mb=1024),
            "disk: 15 days need 1521 + 500 spare + 1024 buffer MB, there are 3000:"
            " set retention-days to 14",
        ),
        (
            PI,
            Wish(interval_s=5),
            "writes: 30000 series every 5 s write 3.11 GB a day, write-budget is 2.0:"
            " set scrape-interval to 10",
        ),
    ],
)
def test_given_what_does_not_fit_when_fitted_then_the_arithmetic_and_a_way_out_are_said(
    machine, wish, problem
):
    assert fit(machine, wish, waits=True)[1] == [problem]


@pytest.mark.parametrize(
    ("wish", "remedy"),
    [
        (Wish(flush_s=5, write_gb_per_day=0.6), "set flush-interval to 120"),
        (Wish(flush_s=5, write_gb_per_day=0.3), "set flush-interval to 300"),
        (Wish(flush_s=5, write_gb_per_day=0.2), "set scrape-interval to 205"),
        (Wish(flush_s=5, write_gb_per_day=0.1), "set series to 4000"),
    ],
)
def test_given_too_many_writes_when_fitted_then_the_way_out_that_loses_least_is_said(wish, remedy):
    (problem,) = fit(PI, wish, waits=True)[1]

    assert problem.endswith(remedy)


def test_given_a_version_that_cannot_wait_when_over_budget_then_it_does_not_pretend_to():
    size, problems = fit(PI, Wish(write_gb_per_day=0.4), waits=False)

    assert size.flush_s == 5
    assert problems == [
        "writes: 30000 series every 60 s write 0.67 GB a day, write-budget is 0.4:"
        " set scrape-interval to 105"
    ]


@pytest.mark.parametrize(
    ("interval_s", "flush", "gb"),
    [(60, 5, 0.67), (60, 120, 0.52), (60, 300, 0.26), (300, 300, 0.13)],
)
def test_given_a_flush_when_reckoned_then_each_scrape_that_it_holds_makes_the_others_cheaper(
    interval_s, flush, gb
):
    size, _ = fit(PI, Wish(interval_s=interval_s, flush_s=flush, write_gb_per_day=9), waits=True)

    assert size.write_gb_per_day == gb


def test_given_a_forwarder_alone_when_fitted_then_only_its_buffer_takes_disk():
    wish = Wish(buffer_mb=1024, forwards=True)

    assert sizing.forwarder_problems(Machine(512, 2000), wish) == []
    assert sizing.forwarder_problems(Machine(256, 1200), wish) == [
        "memory: 30000 series need 86 MB, a quarter of 256 MB is 64: set series to 21000",
        "disk: the buffer needs 1024 + 500 spare MB, there are 1200: lower buffer-mb or make room",
    ]


FIELDS = {
    "series": "series",
    "retention-days": "retention_days",
    "scrape-interval": "interval_s",
    "flush-interval": "flush_s",
}
MACHINES = strategies.builds(
    Machine,
    memory_mb=strategies.integers(256, 16_384),
    disk_mb=strategies.integers(0, 200_000),
)
WISHES = strategies.builds(
    Wish,
    series=strategies.integers(1000, 500_000),
    interval_s=strategies.integers(5, 300),
    retention_days=strategies.integers(1, 400),
    memory_mb=strategies.integers(0, 4096),
    write_gb_per_day=strategies.floats(0.1, 50),
    flush_s=strategies.integers(sizing.FLUSH_S, sizing.LONGEST_FLUSH_S),
    buffer_mb=strategies.integers(0, 8192),
    forwards=strategies.booleans(),
)


@hypothesis.given(MACHINES, WISHES)
def test_given_any_machine_when_fitted_then_what_is_granted_fits_and_what_is_advised_helps(
    machine, wish
):
    size, problems = fit(machine, wish, waits=True)

    assert size.guard_mb >= 500
    if not problems:
        assert size.disk_mb + size.guard_mb + wish.buffer_mb <= machine.disk_mb
        assert size.write_gb_per_day <= wish.write_gb_per_day + 0.01
    for problem in problems:
        option, _, value = problem.rpartition("set ")[2].partition(" to ")
        field = FIELDS.get(option)
        if field:
            kind = problem.split(":")[0]
            advised = dataclasses.replace(wish, **{field: int(value)})
            later = fit(machine, advised, waits=True)[1]
            assert not any(each.startswith(f"{kind}:") for each in later)
