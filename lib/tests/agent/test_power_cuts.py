"""Power goes at every boundary of a node's upgrade; the boundaries come from the state table."""

import json

import pytest

from edgecloud.agent import journal as journals
from edgecloud.agent import kube
from edgecloud.host import rejoin_offer
from edgecloud.rollout import audit, state
from edgelab import pi
from tests.agent import cuts

State = state.State

FORWARD = (
    State.PREFLIGHT,
    State.STAGING,
    State.WAITING,
    State.GRANTED,
    State.CORDONING,
    State.DRAINING,
    State.BACKING_UP,
    State.APPLYING,
    State.VALIDATING,
    State.UNCORDONING,
    State.SOAKING,
)
LOST = (State.QUARANTINED,)
WITH_SLOTS = {State.REBOOTING, State.COMMITTING}
WITHOUT_CUT = {State.IDLE, State.DONE, State.SKIPPED, State.FAILED_SAFE, State.REGRESSED}


CASES = [
    *(("good", name) for name in cuts.boundaries(FORWARD)),
    *(("bad", name) for name in cuts.boundaries(cuts.BACK)),
    *(("lost", name) for name in cuts.boundaries(LOST)),
]


def test_given_the_state_table_when_compared_with_the_cases_then_no_state_is_left_out():
    covered = {*FORWARD, *cuts.BACK, *LOST, *WITH_SLOTS, *WITHOUT_CUT}

    assert covered == set(State)
    assert set(state.EFFECTS) - WITH_SLOTS <= {*FORWARD, *cuts.BACK, *LOST}


@pytest.mark.parametrize(("kind", "boundary"), CASES, ids=lambda value: value.replace(" ", "-"))
def test_given_a_power_cut_at_a_boundary_when_power_returns_then_a_worker_ends_well(
    pair, kind, boundary
):
    prepare(pair, 1, kind)

    cut_at(pair, 1, boundary)
    pair.finish(1)

    assert_well(pair, 1, kind)


VOTER_CASES = [(kind, name) for kind, name in CASES if kind == "bad" or "applying" in name]


@pytest.mark.parametrize(("kind", "boundary"), VOTER_CASES, ids=lambda v: v.replace(" ", "-"))
def test_given_a_power_cut_at_a_boundary_when_power_returns_then_a_voter_ends_well(
    trio, kind, boundary
):
    prepare(trio, 1, kind)

    cut_at(trio, 1, boundary)
    trio.finish(1)

    assert_well(trio, 1, kind)
    assert not any(call.argv[1:2] == ("revert",) for call in trio.world.calls)


@pytest.mark.parametrize("stretch", ["leave", "purge", "install", "join"])
@pytest.mark.parametrize("moment", ["during", "after"])
def test_given_a_power_cut_on_the_way_of_a_voter_when_power_returns_then_it_joins_again(
    trio, stretch, moment
):
    prepare(trio, 1, "bad")
    trio.machine(1).faults.add(
        pi.Fault(COMMANDS[stretch], MOMENTS[moment], nth=NTH.get(stretch, 1))
    )

    with pytest.raises(pi.PowerCut):
        trio.upgrade(1)
    trio.cut_power(1)
    trio.finish(1)

    assert_well(trio, 1, "bad")
    assert not rejoin_offer.is_under_way(trio.host(1))


COMMANDS = {
    "leave": ("microk8s", "leave"),
    "purge": ("snap", "remove"),
    "install": ("snap", "install"),
    "join": ("snap", "run"),
}
NTH = {"install": 2}  # The first one is the upgrade.
MOMENTS = {"during": pi.cut_during(), "after": pi.cut_after()}


@pytest.mark.parametrize("moment", ["during", "after"])
@pytest.mark.parametrize("kind", ["good", "bad"])
def test_given_a_power_cut_within_the_refresh_when_power_returns_then_it_was_tried_once(
    pair, kind, moment
):
    prepare(pair, 1, kind)
    pair.machine(1).faults.add(pi.Fault(("snap", "install"), MOMENTS[moment]))

    with pytest.raises(pi.PowerCut):
        pair.upgrade(1)
    pair.cut_power(1)
    pair.finish(1)

    assert_well(pair, 1, kind)
    assert len([c for c in pair.machine(1).changes if c.kind == "refresh-snap"]) == 1


def prepare(site, at, kind):
    if kind != "good":
        site.spoil(at, "sick")
    if kind == "lost":
        site.machine(at).faults.add(pi.Fault(("snap", "revert"), pi.fail(1, "error: no"), times=0))


def cut_at(site, at, boundary):
    pull = cuts.pulling(boundary)
    with pytest.raises(cuts.Cut):
        site.upgrade(at, boundary=pull)
        for _ in range(12):
            site.wait(60)
            site.wake(at, pull)
    site.cut_power(at)


def assert_well(site, at, kind):
    site.wait(120)
    ended = site.node(at)
    minor, ends = EXPECTED[kind]
    assert ended.state is ends, ended
    assert site.running(at) == site.revision(minor)
    assert not site.kube(at).cordoned
    assert kube.OWNER not in site.kube(at).annotations
    assert audit.first_bad(journals.chain(site.host(at))) is None
    assert json.loads(site.host(at).read("/var/lib/edge-agent/outbox.json"))["state"] == ends.value


EXPECTED = {
    "good": ("1.36", State.DONE),
    "bad": ("1.35", State.ROLLED_BACK),
    "lost": ("1.36", State.QUARANTINED),
}
