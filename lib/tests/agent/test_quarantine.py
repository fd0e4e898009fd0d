"""A node that a plan could not take back: it stays out of use until an operator says otherwise."""

import pytest

from edgecloud.rollout import state

State = state.State


@pytest.fixture
def lost(single):
    """A node that a plan without a way back left ill, and that was mended by hand since."""
    accepted = single.plan(rollback={"kind": "none"}, drain=ALONE)
    single.spoil(0, "sick")
    single.upgrade(0, accepted)
    assert single.node(0).state is State.QUARANTINED
    single.order(0, "forget", accepted)
    single.wake(0)
    single.world.bad_revisions.clear()
    single.machine(0).node.sick = ""
    single.wait(120)
    return single


ALONE = {"timeout": "60s", "single-node": "accept-downtime"}


def test_given_another_plan_when_nobody_retries_then_the_taint_stays(lost):
    before = lost.node(0).reason

    lost.order(0, "prepare", lost.plan(generation=2))
    lost.wake_for(0, 180)

    assert (lost.node(0).state, lost.node(0).reason) == (State.QUARANTINED, before)
    assert lost.kube(0).taints


@pytest.mark.parametrize("cut", [False, True])
def test_given_another_plan_when_retried_then_the_taint_goes_and_it_comes_along(lost, cut):
    again = lost.plan(generation=2)

    lost.order(0, "prepare", again, token=1)
    lost.wake(0)
    if cut:
        lost.cut_power(0)
    lost.wake_for(0, 240)

    assert lost.node(0).state is State.DONE
    assert lost.node(0).work.digest == again.digest
    assert not lost.kube(0).taints
    assert not lost.kube(0).cordoned
