"""A plan's wish for hosted nodes: which goes next, when it is over, and what new nodes get."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hosting
import renewing
from edgecloud.interfaces.cluster_join import HostedNode, NodeReport
from edgecloud.interfaces.edge_component import HostedWish
from edgecloud.lxd_member.renewal import Answer, Wish
from renewing import Build, Release, View

WISH = Wish("p/hosted/1.36/0", "1.36", "8512")
OLD, NEW = Build("1.35.2", "8400"), Build("v1.36.1", "8512")
TAKEN = Answer(WISH)


def test_given_old_nodes_when_nothing_is_under_way_then_the_first_is_next():
    assert renewing.step(TAKEN, View({"b": OLD, "a": OLD}), 1000.0) == (TAKEN, "a")
    assert renewing.step(TAKEN, View({"b": OLD, "a": NEW}), 1000.0) == (TAKEN, "b")


def test_given_new_nodes_when_all_are_then_the_wish_is_fulfilled():
    said, name = renewing.step(TAKEN, View({"a": NEW, "b": NEW}), 1000.0)

    assert (said.reached, name) == ("hosted:1.36:8512", "")


@pytest.mark.parametrize("build", [Build("1.36.1", "9000"), Build("1.37.1", "8512")])
def test_given_another_build_or_minor_when_judged_then_it_is_not_what_was_wished(build):
    assert not renewing.runs(build, WISH)


def test_given_no_exact_build_when_judged_then_the_minor_counts():
    assert renewing.runs(Build("1.36.1", "9000"), Wish("x", "1.36"))


@pytest.mark.parametrize(
    "view", [View({}, replacing=True), View({}, replacing=True, waits_for="x")]
)
def test_given_a_replacement_under_way_when_it_takes_long_then_its_own_deadline_counts(view):
    assert renewing.step(TAKEN, view, 1e6) == (TAKEN, "")


def test_given_a_pool_that_is_not_whole_when_too_long_then_the_wish_fails_with_the_reason():
    waits = View({}, waits_for="b is joining")
    first, _ = renewing.step(TAKEN, waits, 1000.0)

    assert first == Answer(WISH, since=1000.0)
    assert renewing.step(first, waits, 2799.0) == (first, "")
    assert renewing.step(first, waits, 2800.0)[0].failed == "b is joining"


@pytest.mark.parametrize("view", [View({"a": OLD}), View({"a": NEW}), View({}, replacing=True)])
def test_given_a_pool_that_was_whole_when_it_is_seen_again_after_hours_then_its_time_begins(view):
    waited = dataclasses.replace(TAKEN, since=1000.0)
    said, _ = renewing.step(waited, view, 1020.0)

    said, _ = renewing.step(said, View({}, waits_for="a does not answer"), 1e5)

    assert (said.failed, said.since) == ("", 1e5)


def test_given_a_wish_that_failed_when_asked_again_then_nothing_more_is_tried():
    failed = renewing.failed(TAKEN, "no")

    assert renewing.step(failed, View({"a": OLD}), 1000.0) == (failed, "")
    assert renewing.take_up(failed, WISH) == failed


def test_given_nodes_that_were_replaced_before_one_failed_when_said_then_they_are_named():
    said = renewing.replaced(renewing.replaced(TAKEN, "1b"), "2b")

    failed = renewing.failed(renewing.replaced(said, "2b"), "3a stays, 3b was given up: no")

    assert failed.failed == "1b, 2b new by now; 3a stays, 3b was given up: no"


def test_given_another_wish_when_taken_up_then_the_former_failure_is_over():
    before = dataclasses.replace(TAKEN, since=5.0, reached="hosted:1.35", replaced=("1b",))
    failed = renewing.failed(before, "no")
    another = dataclasses.replace(WISH, id="p/hosted/1.36/1")

    taken = renewing.take_up(failed, another)

    assert taken == Answer(another, reached="hosted:1.35")


@pytest.mark.parametrize(
    ("channel", "live", "release"),
    [
        ("1.35/stable", False, Release("1.36/stable", "8512")),
        ("1.36/candidate", False, Release("1.36/candidate")),
        ("1.37/stable", False, Release("1.37/stable")),
        ("1.36/candidate", True, Release("1.36/stable", "8512")),
        ("1.37/stable", True, Release("1.36/stable", "8512")),
    ],
)
def test_given_a_plan_that_came_further_when_a_node_is_made_then_it_is_not_older(
    channel, live, release
):
    assert renewing.release(channel, TAKEN, live=live) == release


def test_given_no_plan_when_a_node_is_made_then_the_option_counts():
    assert renewing.release("1.35/stable", Answer(), live=False) == Release("1.35/stable")
    assert renewing.note("1.35/stable", Answer()) == ""


def test_given_a_plan_that_is_done_when_the_option_is_behind_then_the_status_says_what_to_set():
    done = dataclasses.replace(TAKEN, reached=WISH.target)

    note = renewing.note("1.35/stable", done)

    assert note == "a plan brought its nodes to 1.36: set node-channel=1.36/stable"
    assert renewing.note("1.36/stable", done) == renewing.note("1.35/stable", TAKEN) == ""


@given(
    builds=st.dictionaries(st.sampled_from("abcde"), st.sampled_from([OLD, NEW])),
    ends=st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_given_any_pool_when_a_wish_is_carried_out_then_one_goes_at_a_time_until_one_fails(
    builds, ends
):
    said, now, left = TAKEN, 1000.0, sorted(name for name in builds if builds[name] == OLD)
    tried = []

    for is_well in ends:
        said, name = renewing.step(said, View(dict(builds)), now)
        if not name:
            break
        tried.append(name)
        assert renewing.step(said, View(dict(builds), replacing=True), now) == (said, "")
        if is_well:
            builds[name] = NEW
        else:
            said = renewing.failed(said, "no")
        now += 3600.0
    said, name = renewing.step(said, View(dict(builds)), now)

    assert tried == left[: len(tried)]
    assert name == ""
    assert bool(said.failed) is (False in ends[: len(tried)])
    assert (said.reached == WISH.target) is (set(builds.values()) <= {NEW})


def test_given_nodes_when_told_then_those_in_the_cluster_count():
    said = NodeReport(
        hosted=(
            HostedNode("1a", NodeReport("n", joined=True, version="1.35.2")),
            HostedNode("2a", NodeReport("o", version="1.35.2")),
            HostedNode("3a", NodeReport("p", joined=True, leaving=True, version="1.35.2")),
        )
    )

    assert hosting.versions(said) == ("1.35.2",)


@pytest.mark.parametrize("asked", [None, HostedWish(), HostedWish("x")])
def test_given_half_a_wish_when_read_then_there_is_none(asked):
    assert hosting.wish(asked) is None
    assert hosting.wish(HostedWish("x", "1.36")) == Wish("x", "1.36")
