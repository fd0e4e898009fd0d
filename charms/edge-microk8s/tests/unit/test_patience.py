import hypothesis
import pytest
from hypothesis import strategies

import patience
from patience import Wait

moments = strategies.floats(0, 2e9)


def pauses(count, *, move_at=()):
    """The pauses of a charm that is woken each time the last one ends."""
    now, wait, found = 1000.0, Wait(), []
    for turn in range(count):
        looks = str(sum(turn >= move for move in move_at))
        wait = patience.after(wait, looks, now)
        found.append(wait.until - now)
        now = wait.until
    return found


def test_given_nothing_that_moves_when_waiting_then_the_pauses_grow_to_their_limit():
    assert pauses(10) == [20, 20, 20, 20, 40, 80, 160, 300, 300, 300]


def test_given_something_that_moves_when_waiting_then_the_pauses_begin_anew():
    assert pauses(8, move_at=[6])[5:] == [80, 20, 20]


def test_given_a_pause_that_goes_on_when_another_hook_runs_then_it_stands():
    begun = patience.after(Wait(), "a", 1000.0)

    assert patience.after(begun, "a", 1010.0) == begun


def test_given_a_long_pause_when_something_moves_then_it_is_cut_short():
    long = Wait("a", 9, 1300.0)

    assert patience.after(long, "b", 1001.0) == Wait("b", 0, 1021.0)


def test_given_a_token_that_is_good_when_waiting_then_a_minute_is_the_most():
    assert patience.after(Wait("a", 9, 1290.0), "a", 1000.0, longest_s=60).until == 1060.0


@hypothesis.given(strategies.builds(Wait, strategies.just("a"), strategies.integers(), moments),
                  moments, strategies.sampled_from(["a", "b"]))  # fmt: skip
def test_given_any_wait_when_decided_then_the_next_run_is_within_minutes(known, now, looks):
    wait = patience.after(known, looks, now)

    assert 0 < wait.until - now <= patience.LONGEST_S + 1


def test_given_a_wait_when_remembered_then_it_reads_the_same(single):
    host, wait = single.host(0), Wait("a", 3, 1300.0)
    before = patience.load(host)
    patience.save(host, wait)
    kept = patience.load(host)
    patience.forget(host)

    assert (before, kept, patience.load(host)) == (Wait(), wait, Wait())


@pytest.mark.parametrize("times", [0, 5, 400])
def test_given_any_number_of_times_when_asked_then_the_pause_has_a_limit(times):
    assert patience.FIRST_S <= patience.pause_s(times) <= patience.LONGEST_S
