"""The agent of an LXD member whose hosted nodes a plan replaces: it wishes, and waits."""

import dataclasses

import pytest

from edgecloud.agent import paths
from edgecloud.host import files
from edgecloud.lxd_member import renewal
from edgecloud.rollout import state
from edgelab import pi
from tests.agent import conftest as sites

State = state.State
PART = f"hosted/{sites.NEW}"


@pytest.fixture
def member(single):
    """A member of LXD that hosts a node, and runs one itself; its unit is played."""
    single.members[0] = dataclasses.replace(
        single.members[0], lxd=True, hosted=(f"{sites.OLD}.2",)
    )
    answer(single)
    return single


def answer(site, **changes):
    said = renewal.answer(site.host(0)) or renewal.Answer()
    renewal.say(site.host(0), dataclasses.replace(said, **changes))


def taken_up(site, **changes):
    answer(site, wish=renewal.wish(site.host(0)), **changes)


def reached(site):
    taken_up(site, reached=renewal.wish(site.host(0)).target)


def begin(site, boundary=None, **order):
    """Order and grant the step, and let the agent do what it can."""
    for verb in ("prepare", "grant"):
        site.order(0, verb, part=PART, **order)
        site.wake(0, boundary)
    return site.node(0)


def test_given_a_grant_when_taken_up_then_the_agent_wishes_and_ends_its_wake_up(member):
    found = begin(member)
    member.wake(0)

    wish = renewal.wish(member.host(0))
    assert found.state is State.APPLYING
    assert (wish.version, wish.revision) == (sites.NEW, str(member.revision(sites.NEW)))
    said = files.read_state(member.host(0), paths.OUTBOX)
    assert said["state"] == "applying"
    assert said["awaits"] == "the nodes that live here are being replaced"
    assert said["problem"] == ""  # Nothing that an operator would have to mend.
    assert not member.kube(0).cordoned


def test_given_a_wish_that_was_fulfilled_when_woken_then_the_step_is_watched_and_done(member):
    begin(member)
    reached(member)

    member.wake_for(0, 600)

    assert member.node(0).state is State.DONE
    assert member.running(0) == member.revision(sites.OLD)


def test_given_nodes_that_are_there_already_when_prepared_then_nothing_is_wished(member):
    wanted = renewal.Wish("x", sites.NEW, str(member.revision(sites.NEW)))
    answer(member, reached=wanted.target)

    member.order(0, "prepare", part=PART)
    found = member.wake(0).node

    assert (found.state, found.reason) == (State.DONE, "ran it already")
    assert renewal.wish(member.host(0)) == renewal.Wish()


def test_given_a_wish_that_failed_when_woken_then_the_step_is_rolled_back_and_not_tried_again(
    member,
):
    begin(member)
    taken_up(member, failed="1a stays, 1b was given up: it took too long")
    member.wake(0)
    first = member.node(0)

    member.order(0, "forget")
    member.wake(0)
    member.order(0, "prepare", part=PART)
    again = member.wake(0).node

    assert first.state is State.ROLLED_BACK
    assert first.reason == "1a stays, 1b was given up: it took too long"
    assert (again.state, again.reason) == (State.FAILED_SAFE, "it failed here before")


def test_given_an_operator_who_retries_when_granted_then_it_is_another_wish(member):
    begin(member)
    former = renewal.wish(member.host(0))
    taken_up(member, failed="no")
    member.wake(0)

    found = begin(member, token=1)

    again = renewal.wish(member.host(0))
    assert found.state is State.APPLYING
    assert again != former
    assert again == dataclasses.replace(former, id=again.id)


def test_given_the_same_plan_anew_when_retried_as_often_as_before_then_it_is_another_wish(member):
    begin(member, token=1)
    former = renewal.wish(member.host(0))
    taken_up(member, failed="no")
    member.wake(0)
    member.order(0, "forget")
    member.wake_for(0, 60)

    found = begin(member, token=1)

    assert found.state is State.APPLYING
    assert renewal.wish(member.host(0)) != former


@pytest.mark.parametrize("is_taken_up", [False, True])
def test_given_a_plan_that_expires_when_nobody_took_the_wish_up_then_the_step_ends(
    member, is_taken_up
):
    soon = "2026-01-01T02:00:00Z"
    begin(member, accepted=member.plan(expires=soon))
    if is_taken_up:
        taken_up(member)

    found = member.wake_for(0, 10800, every=3600).node

    if is_taken_up:
        assert found.state is State.APPLYING  # What was begun is brought to its end.
    else:
        why = "edge-lxd had not taken it up when the plan expired"
        assert (found.state, found.reason) == (State.ROLLED_BACK, why)


def test_given_nodes_that_are_there_already_when_no_other_could_be_made_then_that_is_no_failure(
    member,
):
    wanted = renewal.Wish("x", sites.NEW, str(member.revision(sites.NEW)))
    answer(member, reached=wanted.target, hindrance="node-memory=2GiB: lower it")

    member.order(0, "prepare", part=PART)

    assert member.wake(0).node.state is State.DONE


def test_given_something_in_the_way_when_prepared_then_it_is_refused_before_anything_is_touched(
    member,
):
    answer(member, hindrance="node-memory=2GiB: lower it")

    member.order(0, "prepare", part=PART)
    found = member.wake(0).node

    assert (found.state, found.reason) == (State.FAILED_SAFE, "node-memory=2GiB: lower it")


def test_given_something_in_the_way_when_it_is_gone_then_the_plan_started_again_goes_on(member):
    answer(member, hindrance="node-memory=2GiB: lower it")
    member.order(0, "prepare", part=PART)
    member.wake(0)
    member.order(0, "forget")
    member.wake(0)

    answer(member, hindrance="")
    member.order(0, "prepare", part=PART)

    assert member.wake(0).node.state is State.WAITING


def test_given_a_unit_that_has_not_spoken_yet_when_prepared_then_the_step_waits_for_it(member):
    member.host(0).remove(renewal.ANSWER)
    member.order(0, "prepare", part=PART)
    waiting = member.wake(0).node

    answer(member)
    member.wake_for(0, 60)

    assert waiting.state is State.PREFLIGHT
    assert "edge-lxd has not said yet" in waiting.reason
    assert member.node(0).state is State.WAITING


def test_given_a_unit_that_left_meanwhile_when_woken_then_the_step_ends(member):
    begin(member)
    member.host(0).remove(renewal.ANSWER)

    member.wake(0)

    assert (member.node(0).state, member.node(0).reason) == (
        State.ROLLED_BACK,
        "edge-lxd has left this machine",
    )


def test_given_nodes_that_were_replaced_when_their_machine_is_found_ill_then_it_is_shut_off(
    member,
):
    begin(member)
    reached(member)
    member.host(0).write("/etc/edge-agent/required.d/ill", "#!/bin/sh\nexit 1\n", mode=0o755)
    member.machine(0).faults.add(pi.Fault(("ill",), pi.fail(1, "ill"), times=0))

    found = member.wake_for(0, 600).node

    assert (found.state, found.reason) == (
        State.QUARANTINED,
        "the nodes that lived here before are gone",
    )


@pytest.mark.parametrize(
    "at",
    [
        "before back-up in backing-up",
        "after back-up in backing-up",
        "before writing applying",
        "after writing applying",
        "before apply in applying",
        "before writing validating",
    ],
)
def test_given_a_power_cut_around_the_wish_when_power_returns_then_it_is_fulfilled(member, at):
    def boundary(name):
        if name == at:
            raise pi.PowerCut

    with pytest.raises(pi.PowerCut):
        begin(member, boundary)
        reached(member)
        member.wake(0, boundary)
    member.cut_power(0)
    member.wake(0)
    reached(member)
    member.wake_for(0, 600)

    assert member.node(0).state is State.DONE
