"""One machine: where a cut leads in each state, and the ways in which an upgrade ends."""

from dataclasses import replace

import pytest

from edgecloud.rollout import messages, moves, node, route, state
from edgecloud.twin import box as world
from tests.rollout import sites

State = state.State
SNAP = sites.make()
OS = sites.make(
    targets={"os": {"kind": "ab-image", "version": "2", "ref": "os@sha256:" + "0" * 64}}
)


def begin(accepted=SNAP, member=None, part="kubernetes/1.35", **changes):
    """Return a machine that has just taken up a grant."""
    member = member or sites.workers("b")[0]
    work = replace(route.work(accepted, part, 0, member), **changes)
    box = world.fresh("b", "1.34.2", "old")
    for serial, verb in ((1, messages.Verb.PREPARE), (2, messages.Verb.GRANT)):
        order = messages.Order((1, serial), verb, work.digest, part, expires=900)
        box = world.order(box, order, work, 0)
        while box.node.state in (State.PREFLIGHT, State.STAGING):
            box = outcome(box)
    return box


def outcome(box, label="done"):
    return next(after for found, _, after in world.outcomes(box, 0) if found == label)


def run_to(box, where):
    while box.node.state is not where:
        box = outcome(box)
    return box


def finish(box):
    while box.pending:
        box = outcome(box)
    return world.tick(box, 0) if box.node.state is State.SOAKING else box


SNAP_STATES = (
    State.GRANTED,
    State.CORDONING,
    State.DRAINING,
    State.BACKING_UP,
    State.APPLYING,
    State.VALIDATING,
    State.UNCORDONING,
)
SLOT_STATES = (*SNAP_STATES[:5], State.REBOOTING, *SNAP_STATES[5:6], State.COMMITTING)


@pytest.mark.parametrize("cut", ["power cut before", "power cut after", "killed after"])
@pytest.mark.parametrize("where", SNAP_STATES)
def test_given_a_cut_at_any_boundary_of_a_snap_when_back_then_it_ends_done(where, cut):
    box = finish(outcome(run_to(begin(), where), cut))

    assert (box.node.state, box.running, box.cordon) == (State.DONE, "microk8s:135", "")
    assert box.wrong == ""


@pytest.mark.parametrize("where", SLOT_STATES)
def test_given_a_power_cut_of_a_slot_when_back_then_one_system_runs_and_is_the_default(where):
    box = finish(outcome(run_to(begin(OS, part="os/2"), where), "power cut before"))

    is_trial = where in (State.REBOOTING, State.VALIDATING, State.COMMITTING)
    assert box.node.state is (State.ROLLED_BACK if is_trial else State.DONE)
    assert box.running == box.default
    assert box.wrong == ""


def test_given_a_failed_validation_when_it_went_back_then_the_old_runs_and_the_new_is_burnt():
    box = outcome(run_to(begin(), State.VALIDATING), "fails (failed)")

    box = finish(box)

    assert (box.node.state, box.running) == (State.ROLLED_BACK, "old")
    assert box.node.burnt == ("microk8s:135",)


def test_given_a_voter_when_unhealthy_in_its_soak_then_it_asks_before_it_goes_back():
    box = run_to(begin(member=sites.planes("b")[0]), State.SOAKING)

    box = world.tick(box, 0, healthy=False)

    assert box.node.state is State.REGRESSED
    assert box.pending == ()


def test_given_no_way_back_when_it_fails_then_it_is_quarantined_under_a_taint():
    box = outcome(run_to(begin(rollback="none"), State.VALIDATING), "fails (failed)")
    before = world.report(box).status

    box = finish(box)

    assert before is messages.Status.DISRUPTED
    assert (world.report(box).status, box.cordon) == (messages.Status.QUARANTINED, "")


@pytest.mark.parametrize("token", [0, 1])
def test_given_a_node_that_an_earlier_plan_lost_when_another_comes_then_it_waits_for_a_retry(
    token,
):
    box = finish(outcome(run_to(begin(rollback="none"), State.VALIDATING), "fails (failed)"))
    lost, other = box.node, route.work(SNAP, "kubernetes/1.35", 0, sites.workers("b")[0])
    other = replace(other, digest="e" * 64, plan_id="p2", target="repaired")
    order = messages.Order((1, 9), messages.Verb.PREPARE, other.digest, other.part, token=token)

    told = world.order(box, order, other, 0)
    again = world.order(finish(told), order, other, 0)

    if not token:
        assert (told.node.state, told.node.reason) == (State.QUARANTINED, lost.reason)
        assert (told.node.isolated, told.node.work, again) == (True, lost.work, told)
        return
    found = finish(again)
    assert (told.node.state, told.node.work) == (State.UNCORDONING, lost.work)
    assert (found.node.state, found.node.work.plan_id) == (State.WAITING, "p2")
    assert not found.node.isolated


@pytest.mark.parametrize(
    ("policy", "times", "ends"),
    [
        ("wait", 1, State.WAITING),
        ("skip-node", 1, State.SKIPPED),
        ("abort", 1, State.FAILED_SAFE),
    ],
)
def test_given_pods_that_do_not_yield_when_drained_then_the_policy_decides(policy, times, ends):
    box = finish(outcome(run_to(begin(on_block=policy), State.DRAINING), "fails (failed)"))

    assert (box.node.state, box.cordon, box.running) == (ends, "", "old")
    assert world.report(box).aborts is (policy == "abort")


def test_given_a_drain_that_ended_a_plan_when_tried_again_then_that_is_forgotten():
    box = finish(outcome(run_to(begin(on_block="abort"), State.DRAINING), "fails (failed)"))

    again = replace(box.node, work=None)

    assert box.node.aborts
    assert state.read(state.write(box.node)).aborts
    assert not moves.arrive(replace(again, outcome=State.IDLE)).aborts


def test_given_the_third_blocked_drain_when_undone_then_waiting_ends():
    box = run_to(begin(), State.DRAINING)
    box = replace(box, node=replace(box.node, drains=node.MOST_DRAINS - 1))

    assert finish(outcome(box, "fails (failed)")).node.state is State.FAILED_SAFE


def test_given_a_users_cordon_when_upgraded_then_it_is_still_there():
    box = begin()
    box = finish(replace(box, cordon=world.USER))

    assert (box.node.state, box.cordon) == (State.DONE, world.USER)


@pytest.mark.parametrize(
    "facts",
    [{"veto": True}, {"clock_trusted": False}, {"foreign": "apt holds its lock"}],
)
def test_given_a_local_reason_when_granted_then_the_grant_is_spent_and_nothing_begins(facts):
    box = begin()

    after, effects = node.step(
        box.node, state.Done(state.Effect.CHECK, replace(world.facts(box), **facts), 0)
    )

    assert (after.state, effects) == (State.WAITING, ())
    assert after.reason.startswith("refused")


def test_given_a_dismissal_in_a_drain_when_read_then_it_is_undone():
    box = run_to(begin(), State.DRAINING)
    order = messages.Order((1, 9), messages.Verb.FORGET, box.node.work.digest, "kubernetes/1.35")

    box = finish(world.order(box, order, box.node.work, 0))

    assert (box.node.state, box.cordon, box.running) == (State.IDLE, "", "old")


def test_given_a_dismissal_past_the_change_when_read_then_it_is_read_again_at_the_end():
    box = run_to(begin(), State.VALIDATING)
    order = messages.Order((1, 9), messages.Verb.FORGET, box.node.work.digest, "kubernetes/1.35")

    ignored = world.order(box, order, box.node.work, 0)
    ended = world.order(finish(ignored), order, box.node.work, 0)

    assert ignored.node == box.node
    assert ended.node.state is State.IDLE


def test_given_a_reboot_in_the_soak_when_back_then_the_soak_begins_again():
    box = run_to(begin(soak_s=100), State.SOAKING)
    half = replace(box, node=replace(box.node, alive_s=50))

    back = world.resume(world.power_cut(half), 0)

    assert (back.node.state, back.node.alive_s) == (State.SOAKING, 0)


def test_given_a_node_that_runs_the_target_already_when_checked_then_it_is_done():
    work = route.work(SNAP, "kubernetes/1.35", 0, sites.workers("b")[0])
    box = world.fresh("b", "1.35.0", work.target)
    order = messages.Order((1, 1), messages.Verb.PREPARE, work.digest, work.part)

    assert outcome(world.order(box, order, work, 0)).node.state is State.DONE


def test_given_a_node_two_minors_behind_when_checked_then_nothing_is_staged():
    work = route.work(SNAP, "kubernetes/1.35", 0, sites.workers("b")[0])
    box = world.fresh("b", "1.33.0", "old")
    order = messages.Order((1, 1), messages.Verb.PREPARE, work.digest, work.part)

    assert outcome(world.order(box, order, work, 0)).node.state is State.FAILED_SAFE


@pytest.mark.parametrize("where", SNAP_STATES)
def test_given_any_state_when_written_and_read_then_it_is_the_same_and_small(where):
    box = run_to(begin(), where)
    document = state.write(box.node)

    assert state.read(document) == box.node
    assert len(str(document)) < 1500


def test_given_a_floor_that_will_hold_again_when_checked_then_the_node_waits_and_tries_again():
    work = route.work(SNAP, "kubernetes/1.35", 0, sites.workers("b")[0])
    order = messages.Order((1, 1), messages.Verb.PREPARE, work.digest, work.part)
    box = world.order(world.fresh("b", "1.34.2", "old"), order, work, 0)

    held = outcome(box, "fails for now")
    later = world.tick(held, 60)

    assert (held.node.state, held.node.reason, held.pending) == (State.PREFLIGHT, "too hot", ())
    assert state.status(held.node) is messages.Status.STAGING
    assert held.node.burnt == ()
    assert (outcome(later).node.state, outcome(later).node.reason) == (State.STAGING, "")


def test_given_a_floor_that_breaks_after_the_grant_when_checked_then_the_grant_is_given_back():
    box = begin()
    event = state.Failed(state.Effect.CHECK, world.facts(box), 0, "too hot", passes=True)

    after, effects = node.step(box.node, event)

    assert (after.state, after.reason, effects) == (State.WAITING, "refused: too hot", ())
