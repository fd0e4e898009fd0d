"""What a node counts of its upgrades: every move at most once, whatever fails and is cut off."""

import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecloud.rollout import chronicle, messages, node, route, state
from edgecloud.twin import box as world
from tests.rollout import sites

State, Cause = state.State, chronicle.Cause
NODE = state.Node("a")
WORK = route.work(sites.make(), "kubernetes/1.35", 0, sites.workers("a")[0])
FACTS = state.Facts()
NOTHING = chronicle.Chronicle()


def moved(before, event, after, known=NOTHING, **changes):
    first = replace(NODE, state=before, work=WORK, **changes)
    return chronicle.follow(known, first, event, replace(first, state=after))


def failed(effect, now=0, **changes):
    return state.Failed(effect, FACTS, now, "no", **changes)


def done(effect, now=0):
    return state.Done(effect, FACTS, now)


# --- times -------------------------------------------------------------------------------------


def test_given_steps_when_they_end_then_the_time_of_each_is_in_its_bucket():
    known = moved(State.WAITING, state.Resumed(FACTS, 100), State.GRANTED)
    known = moved(State.GRANTED, done(state.Effect.CHECK, 101), State.DRAINING, known)
    known = moved(State.DRAINING, done(state.Effect.DRAIN, 161), State.BACKING_UP, known)
    known = moved(State.BACKING_UP, done(state.Effect.BACK_UP, 161), State.APPLYING, known)
    known = moved(State.APPLYING, done(state.Effect.APPLY, 9161), State.VALIDATING, known)

    assert known.took == {
        "draining": chronicle.Spread((0, 1, 0, 0, 0), 60),
        "backing-up": chronicle.Spread((1, 0, 0, 0, 0), 0),
        "applying": chronicle.Spread((0, 0, 0, 0, 1), 9000),
    }


def test_given_a_clock_that_was_set_back_when_a_step_ends_then_it_took_no_time():
    known = moved(State.GRANTED, done(state.Effect.CHECK, 500), State.DRAINING)

    known = moved(State.DRAINING, done(state.Effect.DRAIN, 20), State.BACKING_UP, known)

    assert known.took["draining"] == chronicle.Spread((1, 0, 0, 0, 0), 0)


def test_given_a_clock_that_was_put_right_by_years_when_a_step_ends_then_nothing_is_counted():
    known = moved(State.PREFLIGHT, done(state.Effect.CHECK, 500), State.STAGING)

    known = moved(State.STAGING, done(state.Effect.STAGE, 1_900_000_000), State.WAITING, known)

    assert (known.since, known.took) == (1_900_000_000, {})


def test_given_a_step_whose_begin_nobody_noted_when_it_ends_then_its_time_is_not_made_up():
    known = moved(State.DRAINING, done(state.Effect.DRAIN, 500), State.BACKING_UP)

    assert known.took == {}
    assert known.since == 500


def test_given_an_event_that_moves_nothing_when_followed_then_the_counts_are_the_same():
    known = chronicle.Chronicle(5)

    found = moved(State.UNCORDONING, failed(state.Effect.UNCORDON, 9), State.UNCORDONING, known)

    assert found is known


# --- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "event", "after", "counted"),
    [
        ("staging", failed(state.Effect.STAGE, burns=True), "failed-safe", "staging/artefact"),
        ("staging", failed(state.Effect.STAGE), "failed-safe", "staging/effect"),
        ("preflight", done(state.Effect.CHECK), "failed-safe", "preflight/version"),
        ("draining", failed(state.Effect.DRAIN), "uncordoning", "draining/effect"),
        ("applying", failed(state.Effect.APPLY), "rolling-back", "applying/effect"),
        ("applying", done(state.Effect.APPLY), "rolling-back", "applying/version"),
        ("rebooting", state.Resumed(FACTS, 0), "rolling-back", "rebooting/interrupted"),
        ("validating", failed(state.Effect.VALIDATE), "rolling-back", "validating/unhealthy"),
        ("soaking", state.Ticked(FACTS, 0, healthy=False), "regressed", "soaking/unhealthy"),
        ("rolling-back", failed(state.Effect.ROLL_BACK), "quarantined", "rolling-back/effect"),
        (
            "rollback-validating",
            failed(state.Effect.VALIDATE),
            "quarantined",
            "rollback-validating/unhealthy",
        ),
    ],
)
def test_given_a_step_that_fails_when_followed_then_it_is_counted_with_its_cause(
    before, event, after, counted
):
    assert moved(State(before), event, State(after)).failed == {counted: 1}


@pytest.mark.parametrize(
    ("before", "event", "after", "back"),
    [
        ("granted", failed(state.Effect.CHECK), "waiting", False),
        ("uncordoning", done(state.Effect.UNCORDON), "failed-safe", False),
        ("draining", done(state.Effect.DRAIN), "rolling-back", True),
        ("regressed", state.Resumed(FACTS, 0), "quarantined", False),
        ("soaking", state.Ticked(FACTS, 0), "done", False),
    ],
    ids=["refused", "known already", "ordered", "failed before", "well"],
)
def test_given_a_move_that_is_no_new_failure_when_followed_then_none_is_counted(
    before, event, after, back
):
    assert moved(State(before), event, State(after), back=back).failed == {}


def test_given_what_failed_before_when_it_is_to_be_taken_up_then_that_is_the_reason():
    order = messages.Order((1, 1), messages.Verb.PREPARE, WORK.digest, WORK.part)
    event = state.Ordered(order, WORK, FACTS, 0)

    known = moved(State.IDLE, event, State.FAILED_SAFE, target="x", burnt=("x",))

    assert known.failed == {"idle/burnt": 1}


@pytest.mark.parametrize(
    ("end", "result"),
    [("uncordoning", "rolled-back"), ("rolled-back", "rolled-back"), ("quarantined",) * 2],
)
def test_given_a_node_that_goes_back_when_it_has_then_way_and_end_are_counted_once(end, result):
    known = moved(State.APPLYING, failed(state.Effect.APPLY), State.ROLLING_BACK)
    known = moved(
        State.ROLLING_BACK, done(state.Effect.ROLL_BACK), State.ROLLBACK_VALIDATING, known
    )

    known = moved(State.ROLLBACK_VALIDATING, done(state.Effect.VALIDATE), State(end), known)

    assert known.back == {f"revert/{result}": 1}


# --- whole upgrades ----------------------------------------------------------------------------


@contextlib.contextmanager
def followed(moves):
    """Note every decision of the core that is made meanwhile."""
    step = node.step

    def note(before, event):
        after, effects = step(before, event)
        moves.append((before, event, after))
        return after, effects

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.node, "step", note)
        yield


def walk(choices):
    """Take a node through upgrades in which everything may happen; return all its moves."""
    moves, box, now, serial = [], world.fresh("a", "1.34.2", "old"), 1000, 0
    with followed(moves):
        for choice, seconds in choices:
            now += seconds
            ways = [after for _, _, after in world.outcomes(box, now)]
            verbs = (messages.Verb.PREPARE, messages.Verb.GRANT, messages.Verb.ROLL_BACK)
            if choice < len(ways):
                box = ways[choice]
            elif choice % 5 == 4:
                box = world.tick(box, now, healthy=seconds % 3 > 0)
            else:
                serial += 1
                verb = verbs[choice % 3]
                order = messages.Order(
                    (1, serial), verb, WORK.digest, WORK.part, expires=now + 900, token=serial
                )
                box = world.order(box, order, WORK, now)
    # Of each effect all outcomes are played, and one is gone on from.
    return moves


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 14), st.integers(-60, 4000)), max_size=60))
def test_given_any_upgrades_when_followed_then_no_count_goes_back_and_none_is_counted_twice(
    choices,
):
    known, ended = NOTHING, 0
    for before, event, after in walk(choices):
        now = chronicle.follow(known, before, event, after)
        ended += before.state in chronicle.TIMED and before.state is not after.state
        assert total(now) - total(known) in (0, 1)
        assert sum(now.failed.values()) - sum(known.failed.values()) in (0, 1)
        assert sum(now.back.values()) - sum(known.back.values()) in (0, 1)
        assert all(now.failed[key] >= count for key, count in known.failed.items())
        assert all(now.took[key].total_s >= each.total_s for key, each in known.took.items())
        assert all(
            all(new >= old for new, old in zip(now.took[key].counts, each.counts, strict=True))
            for key, each in known.took.items()
        )
        known = now
    assert ended - 1 <= total(known) <= ended  # Of the first nobody may know when it began.
    assert {key.partition("/")[2] for key in known.failed} <= {cause.value for cause in Cause}
    assert chronicle.read(json.loads(json.dumps(chronicle.write(known)))) == known


def total(known):
    return sum(sum(each.counts) for each in known.took.values())


def test_given_other_bounds_when_read_then_times_begin_anew_and_the_rest_goes_on():
    document = {"since": 7, "took": {"applying": [60, 1]}, "failed": {"a/b": 2}, "back": {}}

    assert chronicle.read(document) == chronicle.Chronicle(7, {}, {"a/b": 2}, {})
