"""The line that `juju status` shows, from what is known."""

import dataclasses

import pytest

import lxd_status
from edgecloud.interfaces.lxd_cluster import Admission, ClusterRecord, Refusal
from edgecloud.lxd import cluster
from view import View

ONLINE, OFFLINE = cluster.Status.ONLINE, cluster.Status.OFFLINE
BLOCKED, EVACUATED = cluster.Status.BLOCKED, cluster.Status.EVACUATED
RECORD = ClusterRecord(founder="a/0", cluster="f00", steward="a/0")


def seen(*statuses, name="a-0", **fields):
    members = tuple(
        cluster.Member(f"a-{n}", "", status, "", (), n < 3, n == 0, "", "", {}, ())
        for n, status in enumerate(statuses)
    )
    return View(name, "f00", "5.21.4", members=members, **fields)


def line(view, **fields):
    facts = lxd_status.Facts("a/0", installed=True, record=RECORD, view=view)
    found = lxd_status.judge(dataclasses.replace(facts, **fields))
    return found.status, found.message


@pytest.mark.parametrize(
    ("statuses", "message"),
    [
        ([ONLINE], "1/1 members online, 1 voter"),
        ([ONLINE] * 4, "4/4 members online, 3 voters"),
        ([ONLINE, ONLINE, OFFLINE], "2/3 members online, 3 voters; a-2 silent"),
        ([ONLINE, EVACUATED, ONLINE], "3/3 members online, 3 voters; a-1 evacuated"),
        ([ONLINE, ONLINE, BLOCKED], "2/3 members online, 3 voters; a-2 silent"),
    ],
)
def test_given_a_cluster_when_the_leader_speaks_then_it_counts(statuses, message):
    assert line(seen(*statuses), speaks_for_all=True) == ("active", message)


def test_given_two_members_when_the_leader_speaks_then_it_advises_a_third():
    assert "add a third" in line(seen(ONLINE, ONLINE), speaks_for_all=True)[1]


def test_given_no_quorum_when_judged_then_it_is_blocked_though_the_daemon_answers():
    status, message = line(seen(quorate=False))

    assert (status, "recover-quorum" in message) == ("blocked", True)


def test_given_a_daemon_that_waits_for_others_when_judged_then_the_laggard_is_named():
    status, message = line(None, laggards=("a/2",))

    assert status == "blocked"
    assert "waits for the same build on a/2" in message


def test_given_a_silent_daemon_when_all_have_one_build_then_it_is_waited_for():
    assert line(None) == ("waiting", "LXD does not answer on this machine")


@pytest.mark.parametrize("view", [None, seen(quorate=False), seen(OFFLINE, ONLINE, ONLINE)])
def test_given_another_address_than_it_joined_with_when_judged_then_the_way_back_is_said(view):
    status, message = line(view, moved="10.20.0.11", laggards=("a/2",))

    assert status == "blocked"
    assert "give it 10.20.0.11 back" in message


def test_given_another_cluster_when_judged_then_the_way_out_is_said():
    other = dataclasses.replace(seen(ONLINE), fingerprint="other")

    assert line(other)[0] == "blocked"


def test_given_its_own_evacuation_when_judged_then_restore_is_named():
    assert "`restore`" in line(seen(EVACUATED, ONLINE, ONLINE))[1]


def test_given_peers_that_do_not_hear_it_when_judged_then_it_waits():
    assert line(seen(OFFLINE, ONLINE, ONLINE))[0] == "waiting"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (ClusterRecord(), "waiting for the cluster to begin"),
        (ClusterRecord(founder="a/0"), "beginning the cluster"),
        (RECORD, "waiting for its turn to join the cluster: a/0 lets one in at a time"),
        (
            dataclasses.replace(RECORD, admission=Admission("a/0", 2, 9.0)),
            "joining the cluster (attempt 2)",
        ),
        (
            dataclasses.replace(RECORD, refusals=(Refusal("a/0", 1, 9.0, "no"),)),
            "joining again soon: no",
        ),
    ],
)
def test_given_a_machine_outside_when_judged_then_it_says_what_it_waits_for(record, message):
    assert line(seen(name=""), record=record)[1] == message


def test_given_no_unit_of_the_cluster_left_when_judged_then_members_and_way_out_are_named():
    found = line(seen(name=""), lost=("a-1", "a-2", "a-3", "a-4"))

    assert found[0] == "blocked"
    assert "no unit is left of a-1, a-2, a-3, …" in found[1]
    assert "run begin-anew" in found[1]
    assert len(found[1]) < lxd_status.LONGEST


def test_given_everything_at_once_when_judged_then_what_the_operator_mends_comes_first():
    found = line(None, blockers=("set a", "set b"), troubles=("c",))

    assert found == ("blocked", "set a; set b")


def test_given_a_long_message_when_judged_then_it_is_cut():
    assert len(line(seen(ONLINE), notes=("x" * 500,))[1]) == lxd_status.LONGEST


def test_given_a_survivor_that_nobody_has_heard_of_yet_when_another_goes_then_it_counts():
    survivor, lost = seen(OFFLINE, OFFLINE).members
    alone = View(
        "a-0", "f00", "5.21.4", members=(survivor, dataclasses.replace(lost, votes=False))
    )

    assert alone.survives_without("a-1")
    assert not seen(OFFLINE, OFFLINE, OFFLINE).survives_without("a-2")
