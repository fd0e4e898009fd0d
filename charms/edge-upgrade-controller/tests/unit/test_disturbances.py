"""What the controller excuses: who is disturbed, no one else, and no longer than that."""

import dataclasses

import hypothesis.strategies as st
import pytest
from hypothesis import given
from ops import testing
from sites import START, accepted

import disturbances
from edgecloud.interfaces.health_gate import Upheaval
from edgecloud.rollout import intent, inventory, ledger, messages
from edgecloud.testing import decoded

PLAN = accepted()
NODES = ("pi-0", "pi-1", "pi-2")
Status = messages.Status


def rollout_of(**changes):
    """A rollout of three nodes, some of them with other entries than at its beginning."""
    members = inventory.freeze(
        inventory.Member(name, role="control-plane", voter=True, version="1.34.2")
        for name in NODES
    )
    began = intent.accept(PLAN, members, START)
    entries = {
        name: dataclasses.replace(entry, **changes.get(name.replace("-", "_"), {}))
        for name, entry in began.entries.items()
    }
    return dataclasses.replace(began, entries=entries)


def granted(status=Status.WAITING, expires=START + 900):
    return {"granted": (1, 1), "expires": expires, "status": status}


def said(rollout, now):
    return disturbances.disturbed(rollout, PLAN, now)


def test_given_no_rollout_when_asked_then_nothing_is_disturbed():
    assert disturbances.disturbed(None, None, START) == ()


def test_given_a_disturbed_node_when_asked_then_it_is_told_with_plan_and_step():
    (found,) = said(rollout_of(pi_1=granted(Status.DISRUPTED)), START)

    assert (found.node, found.plan, found.part) == ("pi-1", "k8s-135", "kubernetes/1.35")
    assert found.until == START + disturbances.STEP_S + disturbances.LEASE_S


def test_given_a_node_that_gave_its_slot_back_when_asked_then_it_is_disturbed_no_more():
    soaking = {**granted(Status.SOAKING), "granted": messages.NEVER}

    assert said(rollout_of(pi_1=soaking), START) == ()


def test_given_a_released_node_when_asked_then_nothing_excuses_it():
    gone = {**granted(Status.DISRUPTED), "released": True}

    assert said(rollout_of(pi_1=gone), START) == ()


def test_given_a_grant_that_is_not_taken_up_when_it_ends_then_so_does_the_excuse():
    rollout = rollout_of(pi_1=granted(expires=START + 500))

    assert [each.until for each in said(rollout, START + 499)] == [START + 500]
    assert said(rollout, START + 500) == ()


def test_given_a_node_that_does_not_come_back_when_its_time_is_over_then_nothing_excuses_it():
    rollout = rollout_of(pi_1=granted(Status.DISRUPTED, expires=START))
    end = START + PLAN.deadlines.node_s

    assert [each.until for each in said(rollout, end - 1)] == [end]
    assert said(rollout, end) == ()


slots = st.fixed_dictionaries(
    {
        "granted": st.sampled_from([messages.NEVER, (1, 1)]),
        "expires": st.integers(START - 9000, START + 9000),
        "status": st.sampled_from(Status),
        "released": st.booleans(),
    }
)


@given(st.fixed_dictionaries({"pi_0": slots, "pi_1": slots, "pi_2": slots}), st.integers(0, 9000))
def test_given_any_ledger_when_asked_then_only_holders_of_slots_are_excused_for_a_while(
    entries, later
):
    now = START + later
    rollout = rollout_of(**entries)

    for each in said(rollout, now):
        assert rollout.entries[each.node].holds_slot
        assert now < each.until <= now + disturbances.LEASE_S + disturbances.STEP_S


@given(st.integers(0, 20_000), st.integers(0, 60))
def test_given_a_renewal_that_is_late_when_it_comes_then_there_was_no_gap(later, late):
    rollout = rollout_of(pi_1=granted(Status.DISRUPTED, expires=START + 10**6))
    now = START + later
    found = said(rollout, now)

    again = now + disturbances.renew_after_s(found, now)

    assert found == said(rollout, again - 1)  # No news until then, so nobody is woken.
    assert again + late < found[0].until < said(rollout, again)[0].until


# --- said by the charm ---------------------------------------------------------------------------


@pytest.fixture
def watched(site):
    """A site with a monitor."""
    site.more = [testing.Relation("health-gate", remote_app_name="monitor")]
    return site


def told(site):
    relation = site.out.get_relation(site.more[0].id)
    site.more = [relation]
    return decoded(Upheaval, relation.local_app_data).disturbed


def test_given_an_upgrade_when_it_goes_on_then_its_one_node_is_told_and_at_the_end_none(
    watched,
):
    watched.start()
    seen = []
    for _ in range(40):
        watched.round()
        now_told = [each.node for each in told(watched)]
        holders = [n for n, entry in watched.rollout.entries.items() if entry.holds_slot]
        assert now_told == holders
        seen += now_told
        if watched.rollout.phase in ledger.TERMINAL:
            break

    assert set(seen) == set(NODES)
    assert told(watched) == ()


def test_given_a_disturbed_node_when_decided_then_it_wakes_to_say_so_anew(watched):
    watched.start()
    watched.round()

    waits = [
        word
        for call in watched.world.calls
        for word in call.argv
        if word.startswith("--on-active=")
    ]
    assert waits[-1] == f"--on-active={disturbances.STEP_S - watched.now % disturbances.STEP_S}s"


def test_given_a_unit_that_does_not_lead_when_looked_at_then_it_says_nothing(watched):
    watched.event(leader=False)

    assert watched.out.get_relation(watched.more[0].id).local_app_data == {}
