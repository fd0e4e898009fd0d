import dataclasses

import hypothesis
import pytest
from hypothesis import strategies

import switchover
from switchover import Phase, Pulse, Service, Verdict

SERVICE = Service("app", 8080, 80, "old", ready_s=30, soak_s=60, device="sensor")
GOOD, BAD = Pulse(good=3), Pulse(bad=3, said="refused")
NOW = 1000.0


def switching(phase):
    begun = switchover.begin(SERVICE, "new", {"type": "usb"}, NOW)
    return dataclasses.replace(begun, phase=phase)


def test_given_answers_when_counted_then_three_in_a_row_are_ready_and_one_failure_starts_anew():
    pulse = Pulse().then("").then("")
    assert not pulse.ready

    assert pulse.then("").ready
    assert pulse.then("timed out") == Pulse(0, 1, "timed out")
    assert pulse.then("timed out").then("") == Pulse(1)


def test_given_failures_when_counted_then_three_in_a_row_are_death():
    assert not Pulse().then("x").then("x").dead
    assert Pulse().then("x").then("x").then("x").dead


@pytest.mark.parametrize(
    ("pulse", "after", "verdict"),
    [
        (GOOD, 0, Verdict.GO_ON),
        (Pulse(good=2), 29, Verdict.WAIT),
        (BAD, 29, Verdict.WAIT),
        (BAD, 30, Verdict.GO_BACK),
    ],
)
def test_given_a_shadow_when_checked_then_it_has_its_time_to_become_ready(pulse, after, verdict):
    assert switchover.check(switching(Phase.CHECKING), pulse, NOW + after) is verdict


@pytest.mark.parametrize(
    ("shadow", "former", "after", "verdict"),
    [
        pytest.param(GOOD, GOOD, 59, Verdict.WAIT, id="the soak goes on"),
        pytest.param(GOOD, BAD, 60, Verdict.GO_ON, id="the soak is over"),
        pytest.param(BAD, GOOD, 1, Verdict.GO_BACK, id="the shadow died"),
        pytest.param(BAD, BAD, 61, Verdict.WAIT, id="nobody answers, as after a power cut"),
        pytest.param(Pulse(good=1), GOOD, 61, Verdict.WAIT, id="the shadow just came back"),
    ],
)
def test_given_a_soak_when_judged_then(shadow, former, after, verdict):
    assert switchover.soak(switching(Phase.SOAKING), shadow, former, NOW + after) is verdict


@pytest.mark.parametrize(
    ("phase", "serving", "holder"),
    [
        (Phase.STEADY, "old", "old"),
        (Phase.CHECKING, "old", "old"),
        (Phase.MOVING, "old", "new"),
        (Phase.SOAKING, "new", "new"),
        (Phase.RETURNING, "old", "old"),
    ],
)
def test_given_a_phase_when_asked_then_it_is_known_who_serves_and_who_may_have_the_device(
    phase, serving, holder
):
    service = switching(phase)

    assert (service.serving, service.holder) == (serving, holder)


def test_given_a_switch_that_stands_when_done_then_the_new_one_is_the_active_one():
    done = switchover.done(switching(Phase.SOAKING))

    assert (done.active, done.shadow, done.phase) == ("new", "", Phase.STEADY)
    assert done.result == "switched from old to new"


def test_given_a_shadow_that_was_not_ready_when_refused_then_the_active_one_is_the_same():
    refused = switchover.refused(switching(Phase.CHECKING), "timed out")

    assert (refused.active, refused.phase) == ("old", Phase.STEADY)
    assert refused.result == "refused: new is not ready: timed out"


def test_given_a_shadow_that_died_when_returned_then_the_reason_is_kept():
    back = switchover.returned(switchover.returning(switching(Phase.SOAKING), "refused"))

    assert (back.active, back.shadow, back.phase) == ("old", "", Phase.STEADY)
    assert back.result == "switched back to old: new died: refused"


@hypothesis.given(
    phase=strategies.sampled_from(Phase), path=strategies.text(), soak=strategies.floats(0, 1e6)
)
def test_given_any_service_when_journalled_then_it_is_read_back_the_same(phase, path, soak):
    service = dataclasses.replace(switching(phase), path=path, soak_s=soak)

    assert switchover.decode(switchover.encode(service)) == service


def test_given_a_journal_of_the_future_when_read_then_unknown_keys_are_ignored():
    document = {**switchover.encode(SERVICE), "mood": "good"}

    assert switchover.decode(document) == SERVICE


@pytest.mark.parametrize("document", [{}, {"phase": "dancing"}, {"phase": "steady"}])
def test_given_a_damaged_journal_when_read_then_it_says_so(document):
    with pytest.raises((ValueError, TypeError)):
        switchover.decode(document)
