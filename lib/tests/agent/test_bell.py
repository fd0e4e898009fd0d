"""The charm is asked to run when there is news, and not for each state or each minute."""

import dataclasses

import pytest

from edgecloud.agent import bell, settings
from edgecloud.rollout import messages, state
from edgelab import pi

UNIT = "edge-node/0"
NEWS = messages.Report(messages.Status.WAITING, "digest", "kubernetes/1.36")
PLACE = settings.Settings("pi-0", unit=UNIT)


@pytest.fixture
def world(tmp_path):
    made = pi.World(tmp_path, pi.Clock(1_800_000_000), seed=1)
    made.add_machine("0")
    return made


@pytest.fixture
def host(world):
    return world.machines["0"].host()


def hooks(world, seconds=2):
    world.clock.advance(seconds)
    return [(due.unit, due.hook) for due in world.fire_due()]


def test_given_news_when_rung_then_the_charm_runs_once(world, host):
    bell.ring(host, PLACE, NEWS)

    assert hooks(world) == [(UNIT, "update-status")]
    assert hooks(world, 30) == []


@pytest.mark.parametrize("change", [{"head": "abc"}, {}])
def test_given_nothing_that_a_coordinator_needs_when_rung_then_nobody_runs(world, host, change):
    bell.took(host, NEWS)

    assert not bell.ring(host, PLACE, dataclasses.replace(NEWS, **change))


@pytest.mark.parametrize(
    "change",
    [{"status": messages.Status.SOAKING}, {"reason": "hot"}, {"ready": False}, {"seen": (1, 2)}],
)
def test_given_something_else_when_rung_then_the_charm_runs(world, host, change):
    bell.took(host, NEWS)

    bell.ring(host, PLACE, dataclasses.replace(NEWS, **change))

    assert hooks(world) == [(UNIT, "update-status")]


DISTURBED = dataclasses.replace(NEWS, status=messages.Status.DISRUPTED)


@pytest.mark.parametrize(
    ("report", "before", "after", "rings"),
    [
        (DISTURBED, "cordoning", "draining", False),
        (DISTURBED, "draining", "applying", True),
        (DISTURBED, "applying", "rolling-back", True),
        (NEWS, "granted", "applying", False),
    ],
)
def test_given_a_disturbed_node_when_it_does_something_else_then_that_is_news_in_a_few_words(
    world, host, report, before, after, rings
):
    bell.took(host, report, before)

    assert bell.ring(host, PLACE, report, after) is rings


def test_given_the_states_that_disturb_when_named_then_each_has_a_word_and_no_other():
    disturbing = {
        each.value
        for each in state.State
        if state.status(state.Node("a", state=each)) in messages.DISRUPTED
    }

    assert {each.value for each in state.State if messages.doing(each.value)} == disturbing


def test_given_a_charm_that_never_runs_when_rung_each_minute_then_it_is_asked_ever_less(
    world, host
):
    rung = []
    for minute in range(120):
        if bell.ring(host, PLACE, NEWS):
            rung.append(minute)
        hooks(world, 60)

    assert rung == [0, 1, 3, 7, 15, 31, 61, 91]


def test_given_no_charm_when_rung_then_nothing_is_asked(world, host):
    assert not bell.ring(host, settings.Settings("pi-0"), NEWS)


def test_given_systemd_that_fails_when_rung_then_the_agent_goes_on_and_tries_again(world, host):
    world.machines["0"].faults.add(pi.Fault(("/usr/bin/systemd-run",), pi.fail(1, "no bus")))

    first = bell.ring(host, PLACE, NEWS)
    world.clock.advance(61)

    assert (first, bell.ring(host, PLACE, NEWS)) == (False, True)
