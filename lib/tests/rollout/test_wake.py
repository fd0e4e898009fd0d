"""The next look comes no later than the first moment at which a decision would be another."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgecloud.rollout import intent, ledger, messages, site, wake
from tests.rollout import cases, sites

Phase, Status, Verdict = ledger.Phase, messages.Status, ledger.Verdict
NIGHT = sites.at("2030-01-07T02:00:00")
HOUR = 3600
MEMBERS = sites.frozen(sites.planes("a", "b", "c"), sites.workers("d", "e", duration_s=600))
NAMES = sorted(MEMBERS)
WINDOWS = [{"start": "02:00", "length": "4h", "tz": "Europe/Madrid"}]
GATE = [{"name": "alerts", "type": "alerts", "when": ["before", "after-wave"]}]


def wakes(rollout, sight, accepted, now):
    return wake.next_wake(ledger.Site(rollout, sight), accepted, now)


def settled(rollout, sight, accepted, now):
    """Decide until nothing follows any more, as the coordinator does from event to event."""
    for _ in range(10):
        after = site.decide(ledger.Site(rollout, sight), accepted, now).rollout
        if after == rollout:
            return rollout
        rollout = after
    raise AssertionError("it never settles")


def begun(now=NIGHT, sight=None, **changes):
    accepted = sites.make(**changes)
    seen = sight or seeing()
    return settled(intent.accept(accepted, MEMBERS, now), seen, accepted, now), seen, accepted


def seeing(**changes):
    voters = frozenset("abc")
    return ledger.Sight(voters=voters, answering=voters, **changes)


def saying(rollout, status, names=NAMES, **changes):
    """Every one of these nodes says the same of its own order."""
    return {
        name: messages.Report(
            status,
            rollout.digest,
            rollout.steps[0].part,
            rollout.entries[name].stamp,
            version=MEMBERS[name].version,
            **changes,
        )
        for name in names
    }


@st.composite
def scenes(draw):
    """A rollout somewhere on its way, what is seen of it, the plan and the time."""
    now = NIGHT + draw(st.integers(-6, 30)) * HOUR // 2
    blackout = {"from": NIGHT + draw(st.integers(0, 9)) * HOUR, "to": NIGHT + 10 * HOUR}
    accepted = sites.make(
        windows=draw(st.sampled_from(["always", WINDOWS])),
        blackouts=draw(st.sampled_from([[], [blackout]])),
        expires=now + draw(st.sampled_from([2 * HOUR, 90 * HOUR])),
        **{"not-before": draw(st.sampled_from([0, now + HOUR]))},
        targets=cases.SIZED,
        limits={
            "max-unavailable": draw(st.integers(1, 3)),
            "grant": "900s",
            "staging": draw(st.sampled_from([0, 1])),
            "daily-mib": draw(st.sampled_from([0, 150])),
        },
        offline={"grace": "1h", "counts-unavailable": draw(st.booleans())},
        abort={"node-failures": 3, "on-abort": draw(st.sampled_from(["hold", "rollback-wave"]))},
        gates=draw(st.sampled_from([[], GATE])),
        canary={"name": "canary", "soak": "60s", "min-success": 1},
        waves=[{"name": "rest", "min-success": 1}],
    )
    began = now - draw(st.sampled_from([0, HOUR // 2, 2 * HOUR]))
    assume(began < accepted.expires)
    rollout = intent.accept(accepted, MEMBERS, began)
    sight = seeing()
    for _ in range(draw(st.integers(1, 6))):
        rollout = site.decide(ledger.Site(rollout, sight), accepted, now).rollout
        sight = draw(sights(rollout, now))
    if draw(st.booleans()) and rollout.phase not in ledger.TERMINAL:
        rollout = intent.pause(rollout, "lunch")
    return settled(rollout, sight, accepted, now), sight, accepted, now


@st.composite
def sights(draw, rollout, now):
    reports = dict[str, messages.Report]()
    for name in draw(st.sets(st.sampled_from(NAMES), min_size=2)):
        entry = rollout.entries[name]
        status = draw(st.sampled_from(list(Status)))
        seen = draw(st.sampled_from([entry.stamp, messages.NEVER]))
        part = rollout.steps[0].part
        reports[name] = messages.Report(status, rollout.digest, part, seen, version="1.34.2")
    silent = draw(st.dictionaries(st.sampled_from(NAMES), st.just(now - HOUR // 2), max_size=2))
    verdict = draw(st.sampled_from([{}, {"alerts": Verdict.PASS}, {"alerts": Verdict.FAIL}]))
    trusted = draw(st.booleans())
    return seeing(reports=reports, silent=silent, gates=verdict, clock_trusted=trusted)


@settings(max_examples=80, deadline=None)
@given(scenes(), st.integers(1, 100 * HOUR))
def test_given_any_site_when_no_deadline_has_come_then_no_decision_is_another(scene, later):
    rollout, sight, accepted, now = scene
    assume(rollout.phase not in ledger.TERMINAL or rollout.phase is Phase.COMPLETED_WITH_DEBT)
    end = wake.next_deadline(ledger.Site(rollout, sight), accepted, now) or now + 100 * HOUR + 1

    for each in {now + later % (end - now), end - 1}:
        after = site.decide(ledger.Site(rollout, sight), accepted, each).rollout
        assert after == rollout, (end, each)


@settings(max_examples=80, deadline=None)
@given(scenes())
def test_given_any_site_when_it_sleeps_then_no_deadline_is_slept_through(scene):
    rollout, sight, accepted, now = scene
    deadline, woken = wake.next_deadline(ledger.Site(rollout, sight), accepted, now), wakes(*scene)

    if rollout.phase not in ledger.TERMINAL and deadline:
        assert now < woken <= deadline


@settings(max_examples=50, deadline=None)
@given(scenes())
def test_given_any_site_when_it_sleeps_then_it_wakes_later_than_now_and_within_an_hour(scene):
    rollout, _, _, now = scene
    woken = wakes(*scene)

    assert woken is None or now < woken
    if rollout.phase not in ledger.TERMINAL and not rollout.paused:
        assert woken is not None
        assert woken <= now + wake.IDLE_S


def test_given_a_closed_window_when_it_sleeps_then_it_wakes_as_one_opens():
    evening = NIGHT - 4 * HOUR + 1200
    rollout, sight, accepted = begun(evening, windows=WINDOWS, offline={"grace": "9h"})

    assert wakes(rollout, sight, accepted, evening) == evening + wake.IDLE_S
    late = NIGHT - 1 * HOUR - 600
    assert wakes(rollout, sight, accepted, late) == NIGHT - HOUR


def test_given_a_window_too_short_by_now_when_it_sleeps_then_no_sooner_than_the_next():
    rollout, sight, accepted = begun(windows=WINDOWS, offline={"grace": "9h"})
    sight = replace(sight, reports=saying(rollout, Status.WAITING))
    closing = NIGHT + 3 * HOUR - 300

    assert wakes(rollout, sight, accepted, closing) == closing + 300
    assert wakes(rollout, sight, accepted, closing + 300) == closing + 300 + wake.IDLE_S


def test_given_a_grant_nobody_took_up_when_it_sleeps_then_it_wakes_when_that_ends():
    rollout, sight, accepted = begun()
    sight = replace(sight, reports=saying(rollout, Status.WAITING))
    granted = settled(rollout, sight, accepted, NIGHT)

    assert wakes(granted, sight, accepted, NIGHT) == NIGHT + accepted.limits.grant_s


def test_given_a_node_at_work_when_it_sleeps_then_seldom():
    rollout, sight, accepted = begun(offline={"grace": "9h"})
    sight = replace(sight, reports=saying(rollout, Status.WAITING))
    granted = settled(rollout, sight, accepted, NIGHT)
    reports = {**sight.reports, **saying(granted, Status.DISRUPTED, ["a"])}
    busy = replace(sight, reports=reports)

    assert wakes(granted, busy, accepted, NIGHT + 600) == NIGHT + 600 + wake.SELDOM_S


@pytest.mark.parametrize(
    ("verdict", "after_s"),
    [(Verdict.PASS, wake.WATCHED_S), (Verdict.FAIL, wake.HELD_S), (Verdict.ERROR, wake.HELD_S)],
)
def test_given_a_gate_when_it_sleeps_then_it_is_asked_again(verdict, after_s):
    sight = seeing(gates={"alerts": verdict})
    rollout, sight, accepted = begun(sight=sight, gates=GATE)
    sight = replace(sight, reports=saying(rollout, Status.STAGING))

    assert wakes(rollout, sight, accepted, NIGHT) == NIGHT + after_s


def test_given_a_gate_after_the_last_wave_when_it_sleeps_then_it_is_asked_again():
    sight = seeing(gates={"alerts": Verdict.PASS})
    rollout, sight, accepted = begun(sight=sight, gates=GATE)
    done = {name: replace(entry, step=1) for name, entry in rollout.entries.items()}
    rollout = replace(rollout, entries=done, wave=1)
    sight = replace(sight, reports=saying(rollout, Status.DONE), gates={})

    assert wakes(rollout, sight, accepted, NIGHT) == NIGHT + wake.HELD_S


def test_given_a_node_out_of_reach_when_it_sleeps_then_it_wakes_when_its_grace_ends():
    sight = seeing(silent={"e": NIGHT - 300})
    rollout, sight, accepted = begun(sight=sight)
    sight = replace(sight, reports=saying(rollout, Status.STAGING))

    assert wakes(rollout, sight, accepted, NIGHT) == NIGHT - 300 + accepted.offline.grace_s


def test_given_a_paused_plan_when_it_sleeps_then_only_its_end_wakes_it():
    rollout, sight, accepted = begun(offline={"grace": "9h"})
    sight = replace(sight, reports=saying(rollout, Status.WAITING))

    assert wakes(intent.pause(rollout, ""), sight, accepted, NIGHT) == accepted.expires


@pytest.mark.parametrize("phase", sorted(ledger.TERMINAL - {Phase.COMPLETED_WITH_DEBT}))
def test_given_an_ended_plan_when_it_sleeps_then_nothing_wakes_it(phase):
    rollout, sight, accepted = begun()

    assert wakes(replace(rollout, phase=phase), sight, accepted, NIGHT) is None
