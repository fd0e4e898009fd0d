"""What the close of a window means: nothing begins after it, and nothing that has begun stops."""

import pytest

from edgecloud.rollout import messages, route, state
from edgecloud.twin import box as world
from tests.rollout import sites
from tests.rollout.scene import Scene
from tests.rollout.test_node import OS, SLOT_STATES, SNAP_STATES

State, Status, Verb = state.State, messages.Status, messages.Verb
WINDOW = [{"start": "02:00", "length": "1h", "tz": "UTC"}]
OPEN = sites.at("2030-01-10T02:00:00")
CLOSED = OPEN + 3601
SNAP = sites.make(windows=WINDOW)
SYSTEM = sites.make(windows=WINDOW, targets={"os": {
    "kind": "ab-image", "version": OS.targets.os.version, "ref": OS.targets.os.ref}})  # fmt: skip
PLACES = [
    *((SNAP, "kubernetes/1.35", where) for where in SNAP_STATES[1:]),
    *((SYSTEM, "os/2", where) for where in SLOT_STATES[1:]),
]
places = pytest.mark.parametrize(
    ("accepted", "part", "where"), PLACES, ids=lambda each: getattr(each, "value", None)
)


def come_to(where, accepted, part):
    """Return a machine that came to a state while the window was open."""
    work = route.work(accepted, part, 0, sites.workers("b")[0])
    box = world.fresh("b", "1.34.2", "old")
    for serial, verb in ((1, Verb.PREPARE), (2, Verb.GRANT)):
        order = messages.Order((1, serial), verb, work.digest, part, expires=OPEN + 900)
        box = world.order(box, order, work, OPEN)
        while box.pending and box.node.state not in (State.WAITING, where):
            box = end(box, OPEN)
    return box


def end(box, now, label="done"):
    """Return the machine after the effect at hand ended in a way."""
    return next(after for found, _, after in world.outcomes(box, now) if found == label)


def go_on(box, now):
    """Return the machine when nothing is left to do for it."""
    while box.pending:
        box = end(box, now)
    return box


@places
def test_given_a_node_at_work_when_the_window_closes_then_it_ends_what_it_began(
    accepted, part, where
):
    box = come_to(where, accepted, part)

    found = go_on(box, CLOSED)

    assert box.node.state is where
    assert (found.node.state, found.cordon, found.wrong) == (State.SOAKING, "", "")


@pytest.mark.parametrize("cut", ["power cut before", "power cut after"])
@places
def test_given_a_node_at_work_when_power_returns_after_the_close_then_it_ends_either_way(
    accepted, part, where, cut
):
    box = end(come_to(where, accepted, part), CLOSED, cut)

    found = go_on(box, CLOSED)

    assert found.node.state in (State.SOAKING, State.ROLLED_BACK)
    assert (found.cordon, found.wrong) == ("", "")
    assert found.running in (found.node.target, "old")


def test_given_a_build_that_is_bad_when_the_window_has_closed_then_the_node_goes_back_at_once():
    box = come_to(State.VALIDATING, SNAP, "kubernetes/1.35")

    found = go_on(end(box, CLOSED, "fails (failed)"), CLOSED)

    assert (found.node.state, found.running) == (State.ROLLED_BACK, "old")


def test_given_a_grant_when_the_window_closes_before_it_is_taken_up_then_nothing_begins():
    box = come_to(State.GRANTED, SNAP, "kubernetes/1.35")

    found = go_on(box, CLOSED)

    assert (found.node.state, found.cordon) == (State.WAITING, "")


def test_given_a_node_at_work_when_the_window_closes_then_its_order_stands_and_no_other_is_given():
    scene = Scene(windows=WINDOW, offline={"grace": "9h"})
    scene.all_wait(now=OPEN)
    scene.say("a", Status.DISRUPTED)
    before = scene.decide(now=OPEN).rollout.entries["a"]

    closed = scene.decide(now=CLOSED)

    assert closed.rollout.entries["a"] == before
    assert before.verb is Verb.GRANT
    assert closed.granted == ()


def test_given_a_worker_that_falls_ill_when_the_window_has_closed_then_it_goes_back_at_once():
    box = go_on(come_to(State.VALIDATING, SNAP, "kubernetes/1.35"), OPEN)

    found = go_on(world.tick(box, CLOSED, healthy=False), CLOSED)

    assert (found.node.state, found.running) == (State.ROLLED_BACK, "old")


def test_given_a_voter_that_asks_to_go_back_when_no_window_is_open_then_it_waits_for_one():
    scene = Scene(windows=WINDOW, offline={"grace": "9h"})
    scene.all_wait(now=OPEN)
    scene.say("a", Status.REGRESSED, reason="unhealthy in its soak")

    closed = scene.decide(now=CLOSED)
    waits = closed.rollout.entries["a"].verb
    scene.decide(now=OPEN + 86400)

    assert waits is not Verb.ROLL_BACK
    assert scene.rollout.entries["a"].verb is Verb.ROLL_BACK
