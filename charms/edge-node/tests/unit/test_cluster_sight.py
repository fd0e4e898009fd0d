"""What a control plane sees of its cluster, and when that is worth telling."""

import dataclasses

import pytest

import cluster_sight
from edgecloud.host import kubectl
from edgecloud.interfaces.node_upgrade import ClusterView, Missing
from edgelab import pi

ADMIN = "/var/snap/microk8s/current/credentials/client.config"
VIEW = ClusterView(at=1000, voters=("pi-0",), answering=("pi-0",), leader="pi-0")


@pytest.fixture
def alone(node):
    install = ("/usr/bin/snap", "install", "microk8s", "--classic", "--channel=1.35/stable")
    node.host.run(install, timeout_s=900)
    node.world.clock.advance(120)
    node.world.tick()
    return node


def item(name, ready, since="2027-01-15T08:00:00Z"):
    conditions = [{"type": "Ready", "status": ready, "lastTransitionTime": since}]
    return {"metadata": {"name": name}, "status": {"conditions": conditions}}


def test_given_a_single_node_when_looked_at_then_it_votes_answers_and_leads(alone):
    seen = cluster_sight.look(alone.host, ADMIN)

    assert (seen.voters, seen.answering, seen.leader) == (("pi-0",), ("pi-0",), "pi-0")
    assert seen.missing == ()


def test_given_an_api_that_does_not_answer_when_looked_at_then_nothing_is_seen(alone):
    alone.machine.faults.add(pi.Fault((kubectl.KUBECTL,), pi.fail(1, "refused")))

    assert cluster_sight.look(alone.host, ADMIN) is None


@pytest.mark.parametrize(("ready", "heard"), [("False", True), ("Unknown", False)])
def test_given_a_node_that_is_not_ready_when_seen_then_it_is_told_whether_it_is_heard(
    ready, heard
):
    items = [item("pi-0", "True"), item("pi-1", ready)]

    found = cluster_sight.missing([kubectl.parse_node(each) for each in items], items)

    assert found == (Missing("pi-1", heard=heard, since=1_800_000_000),)


def test_given_the_same_sight_when_the_last_is_fresh_then_it_is_not_told_again():
    seen = dataclasses.replace(VIEW, at=1100)

    assert cluster_sight.to_publish(seen, VIEW, 1100) is VIEW


def test_given_the_same_sight_when_the_last_is_old_then_it_is_told_again():
    seen = dataclasses.replace(VIEW, at=1300)

    assert cluster_sight.to_publish(seen, VIEW, 1300) is seen


def test_given_a_voter_that_fell_silent_when_seen_then_it_is_told_at_once():
    seen = dataclasses.replace(VIEW, at=1010, answering=())

    assert cluster_sight.to_publish(seen, VIEW, 1010) is seen


def test_given_a_cluster_that_does_not_answer_when_told_then_the_old_sight_grows_old():
    assert cluster_sight.to_publish(None, VIEW, 5000) is VIEW
