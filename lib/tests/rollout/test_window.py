"""Windows against a walk by the minute over a year of twelve zones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecloud.rollout import window
from tests.rollout import judges, sites

ZONES = (
    "UTC",
    "Europe/Madrid",
    "Europe/London",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
)
HOUR = 3600


@pytest.fixture(autouse=True, scope="module")
def _clean_cache():
    window.opens.cache_clear()


@pytest.mark.parametrize("tz", ZONES)
def test_given_a_year_of_a_zone_when_compared_by_the_minute_then_every_opening_is_the_same(tz):
    nightly = window.Window("02:15", 3 * HOUR, tz)
    midnight = window.Window("00:00", 2 * HOUR, tz, ("sat", "sun"))

    assert judges.year(tz, nightly) == ""
    assert judges.year(tz, midnight) == ""


def test_given_a_skipped_start_when_asked_then_it_opens_at_the_end_of_the_gap():
    madrid = window.Calendar((window.Window("02:30", HOUR, "Europe/Madrid"),))

    gap_end = sites.at("2030-03-31T01:00:00")

    assert window.remaining(madrid, gap_end - 1) == 0
    assert window.remaining(madrid, gap_end) == HOUR


def test_given_a_start_that_happens_twice_when_asked_then_it_opens_once():
    madrid = window.Calendar((window.Window("02:30", HOUR, "Europe/Madrid"),))

    first = sites.at("2030-10-27T00:30:00")

    assert window.remaining(madrid, first) == HOUR
    assert window.remaining(madrid, first + HOUR) == 0


def test_given_a_night_shift_when_past_midnight_then_it_is_still_open():
    night = window.Calendar((window.Window("22:00", 6 * HOUR, "UTC", ("fri",)),))

    assert window.remaining(night, sites.at("2030-01-05T03:00:00")) == HOUR


def test_given_windows_that_join_when_asked_then_what_remains_is_of_both():
    joined = window.Calendar(
        (window.Window("02:00", HOUR, "UTC"), window.Window("03:00", HOUR, "UTC"))
    )

    assert window.remaining(joined, sites.at("2030-01-05T02:30:00")) == HOUR + HOUR // 2


def test_given_a_blackout_when_near_then_only_the_time_before_it_remains():
    start = sites.at("2030-01-05T02:30:00")
    calendar = window.Calendar(
        (window.Window("02:00", HOUR, "UTC"),), (window.Blackout(start, start + 600),)
    )

    assert window.remaining(calendar, start - 60) == 60
    assert window.remaining(calendar, start) == 0
    assert window.remaining(calendar, start + 600) == 1200


def test_given_no_window_when_asked_then_it_is_always_open():
    assert window.fits(window.ALWAYS, 0, 30 * 86400)


def test_given_a_closed_window_when_the_next_fit_is_asked_then_it_is_the_next_opening():
    weekly = window.Calendar((window.Window("02:00", HOUR, "UTC", ("sat",)),))

    found = window.next_fit(weekly, sites.at("2030-01-05T02:30:01"), HOUR)

    assert found == sites.at("2030-01-12T02:00:00")
    assert window.next_fit(weekly, found, HOUR + 1) is None


@settings(max_examples=150, deadline=None)
@given(
    tz=st.sampled_from(ZONES),
    now=st.integers(sites.at("2030-01-01T00:00:00"), sites.at("2031-01-01T00:00:00")),
    start=st.times().map(lambda time: f"{time.hour:02}:{time.minute:02}"),
    length=st.integers(60, 30 * HOUR),
)
def test_given_any_window_when_open_then_it_stays_open_exactly_for_what_remains(
    tz, now, start, length
):
    calendar = window.Calendar((window.Window(start, length, tz, ("tue", "thu")),))

    left = window.remaining(calendar, now)

    if left:
        assert window.remaining(calendar, now + left - 1) == 1
        assert window.remaining(calendar, now + left) == 0
    else:
        assert not window.fits(calendar, now, 0)
