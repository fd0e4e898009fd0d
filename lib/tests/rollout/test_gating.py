"""Which gates hold a rollout back, and for how long: counted once, and never backwards."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecloud.rollout import gating, intent, ledger, messages, site
from tests.rollout import sites

Phase, Status, Verdict = ledger.Phase, messages.Status, ledger.Verdict
NIGHT = sites.at("2030-01-07T02:00:00")
HOUR = 3600
MEMBERS = sites.frozen(sites.planes("a", "b", "c"))
BEFORE = {"name": "calm", "type": "alerts", "when": ["before"]}
AFTER = {"name": "soaked", "type": "promql", "query": "x", "when": ["after-wave"]}


def standing(*, gates, verdicts, now=NIGHT, status=Status.WAITING, done=(), **changes):
    """Return a site as it was decided; its nodes wait for a grant, but those that are through."""
    accepted = sites.make(gates=list(gates), **changes)
    rollout, sight = intent.accept(accepted, MEMBERS, now), ledger.Sight()
    for _ in range(3):
        entries = {
            name: replace(entry, step=1, status=Status.DONE) if name in done else entry
            for name, entry in rollout.entries.items()
        }
        rollout = replace(rollout, entries=entries)
        sight = seeing(rollout, verdicts, status)
        rollout = site.decide(ledger.Site(rollout, sight), accepted, now).rollout
    return ledger.Site(rollout, sight), accepted


def seeing(rollout, verdicts, status):
    reports = {
        name: messages.Report(
            Status.DONE if entry.step else status,
            rollout.digest,
            rollout.steps[0].part,
            entry.stamp,
            version="1.35.0" if entry.step else "1.34.2",
        )
        for name, entry in rollout.entries.items()
    }
    names = frozenset(MEMBERS)
    return ledger.Sight(reports=reports, voters=names, answering=names, gates=verdicts)


def holding(now=NIGHT, **how):
    return gating.holding(*standing(now=now, **how), now)


# --- what holds --------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_given_a_gate_that_does_not_pass_when_a_node_could_go_then_it_holds(verdict):
    assert holding(gates=[BEFORE], verdicts={"calm": verdict}) == ("calm",)


def test_given_a_gate_without_an_answer_when_a_node_could_go_then_it_holds():
    assert holding(gates=[BEFORE], verdicts={}) == ("calm",)


def test_given_gates_that_pass_when_looked_at_then_none_holds():
    assert holding(gates=[BEFORE], verdicts={"calm": Verdict.PASS}) == ()


def test_given_doubt_that_the_plan_allows_when_looked_at_then_nothing_holds():
    gate = {**BEFORE, "on-unknown": "allow"}

    assert holding(gates=[gate], verdicts={"calm": Verdict.ERROR}) == ()
    assert holding(gates=[gate], verdicts={"calm": Verdict.FAIL}) == ("calm",)


def test_given_no_open_window_when_a_gate_fails_then_it_is_not_what_holds():
    windows = [{"start": "12:00", "length": "2h", "tz": "UTC"}]

    assert holding(gates=[BEFORE], verdicts={"calm": Verdict.FAIL}, windows=windows) == ()


def test_given_nodes_that_are_not_ready_to_go_when_a_gate_fails_then_it_is_not_what_holds():
    found = holding(gates=[BEFORE], verdicts={"calm": Verdict.FAIL}, status=Status.STAGING)

    assert found == ()


def test_given_two_gates_that_fail_when_looked_at_then_each_that_is_asked_now_holds():
    verdicts = {"calm": Verdict.FAIL, "well": Verdict.ERROR, "soaked": Verdict.FAIL}
    gates = [BEFORE, {**BEFORE, "name": "well"}, AFTER]

    assert holding(gates=gates, verdicts=verdicts) == ("calm", "well")


def test_given_a_wave_that_is_through_when_the_gate_after_it_fails_then_that_holds():
    verdicts = {"calm": Verdict.PASS, "soaked": Verdict.INCONCLUSIVE}

    assert holding(gates=[BEFORE, AFTER], verdicts=verdicts, done=("a",)) == ("soaked",)
    assert holding(gates=[BEFORE, AFTER], verdicts=verdicts) == ()


def test_given_a_plan_that_a_gate_has_ended_when_looked_at_then_nothing_is_held_any_more():
    gate = {**BEFORE, "when": ["continuous"]}

    assert holding(gates=[gate], verdicts={"calm": Verdict.FAIL}) == ()


# --- for how long ------------------------------------------------------------------------------


def test_given_looks_at_a_gate_that_holds_when_it_passes_then_the_time_between_is_counted():
    held = gating.Held()
    for after, gates in ((0, ["calm"]), (120, ["calm"]), (300, ["calm"]), (420, []), (900, [])):
        held = gating.advance(held, gates, NIGHT + after)

    assert held == gating.Held(NIGHT + 420, (), (("calm", 420),))


def test_given_a_look_soon_after_the_last_when_the_same_holds_then_nothing_is_to_be_written():
    held = gating.advance(gating.Held(), ["calm"], NIGHT)

    assert gating.advance(held, ["calm"], NIGHT + gating.WRITTEN_S - 1) is held
    assert gating.advance(held, ["calm"], NIGHT + gating.WRITTEN_S) is not held


def test_given_the_same_moment_when_counted_twice_then_it_is_no_more():
    held = gating.advance(gating.Held(), ["calm"], NIGHT)
    once = gating.advance(held, ["well"], NIGHT + 60)

    assert gating.advance(once, ["well"], NIGHT + 60) == once


def test_given_a_controller_that_was_away_when_it_is_back_then_no_more_than_is_known_is_counted():
    held = gating.advance(gating.Held(), ["calm"], NIGHT)

    held = gating.advance(held, ["calm"], NIGHT + 72 * HOUR)

    assert dict(held.seconds) == {"calm": gating.LONGEST_S}


def test_given_many_gates_over_the_years_when_counted_then_only_the_last_are_kept():
    held = gating.Held()
    for number in range(gating.KEPT_GATES + 8):
        held = gating.advance(held, [f"g{number}"], NIGHT + 60 * number)

    assert len(held.seconds) == gating.KEPT_GATES
    assert held.seconds[-1][0] == f"g{number}"


@given(
    looks=st.lists(
        st.tuples(st.integers(-7200, 7200), st.sets(st.sampled_from("xyz"))), max_size=30
    ),
    handed_over=st.sets(st.integers(0, 29)),
)
def test_given_any_looks_and_clocks_and_leaders_when_counted_then_it_never_goes_back_or_ahead(
    looks, handed_over
):
    held, now, real_s, seen = gating.Held(), NIGHT, 0, {}
    for number, (passed, gates) in enumerate(looks):
        now, real_s = now + passed, real_s + max(0, passed)
        held = gating.advance(held, gates, now)
        if number in handed_over:  # Another leader knows what is written, and nothing else.
            held = gating.read(json.loads(json.dumps(gating.write(held))))
        told = dict(held.seconds)
        assert all(told[gate] >= before for gate, before in seen.items())
        assert all(taken <= real_s for taken in told.values())
        assert len(told) == len(held.seconds)
        seen = told


@pytest.mark.parametrize("document", [{}, {"at": "x", "gates": [], "seconds": []}, {"at": 1}])
def test_given_a_count_that_is_none_when_read_then_it_begins_anew(document):
    assert gating.read(document) == gating.Held()
