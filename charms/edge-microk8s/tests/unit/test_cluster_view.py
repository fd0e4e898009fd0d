import hypothesis
import pytest
from hypothesis import strategies

import cluster_view
import microk8s
import quorum
from edgecloud.host import kubectl

READINESS = strategies.sampled_from(kubectl.Readiness)
ADDRESSES = [f"10.20.0.{n}" for n in range(11, 16)]


def node(address, readiness, name=None):
    return kubectl.Node(name or f"pi-{address[-2:]}", readiness, addresses=(address,))


def a_member(address, role=quorum.Role.VOTER, number=1):
    return microk8s.Member(address, number, role)


@hypothesis.given(
    strategies.dictionaries(strategies.sampled_from(ADDRESSES), READINESS, min_size=2)
)
def test_given_any_nodes_when_combined_then_only_members_on_ready_nodes_are_alive(readiness):
    nodes = [node(address, word) for address, word in readiness.items()]

    view = cluster_view.combine(nodes, [a_member(address) for address in readiness])

    ready = {address for address, word in readiness.items() if word is kubectl.Readiness.READY}
    assert {member.address for member in view.members if member.alive} == ready
    assert view.ready_count == view.voters == len(ready)


@pytest.mark.parametrize("readiness", [kubectl.Readiness.UNKNOWN, kubectl.Readiness.NOT_READY])
def test_given_a_node_that_is_not_ready_when_asked_then_it_is_there_but_not_ready(readiness):
    view = cluster_view.combine([node("10.20.0.11", readiness, "pi-1")], [])

    assert view.node("pi-1") is not None
    assert not view.is_ready("pi-1")


def test_given_a_single_node_when_its_datastore_is_on_the_loopback_then_it_counts_as_alive():
    nodes = [node("10.20.0.11", kubectl.Readiness.READY)]

    view = cluster_view.combine(nodes, [a_member("127.0.0.1")])

    assert view.voters == 1


def test_given_a_member_that_is_no_voter_when_counted_then_it_is_left_out():
    nodes = [node(address, kubectl.Readiness.READY) for address in ADDRESSES[:2]]
    members = [a_member(ADDRESSES[0]), a_member(ADDRESSES[1], quorum.Role.STANDBY)]

    assert cluster_view.combine(nodes, members).voters == 1


@pytest.mark.parametrize(
    ("name", "address", "left"),
    [
        ("pi-0", "10.20.0.99", True),
        ("pi-9", "10.20.0.11", True),
        ("pi-9", "10.20.0.99", False),
    ],
)
def test_given_a_node_or_only_its_member_when_asked_then_something_is_left(
    seen, name, address, left
):
    assert seen("ready", "ready").has(name, address) is left


def test_given_a_node_that_is_nowhere_when_asked_then_it_is_not_ready(seen):
    assert not seen("ready").is_ready("pi-7")


def test_given_three_pis_when_looked_at_then_nodes_and_voters_are_seen(trio):
    view = cluster_view.look(trio.host(1))

    assert (view.ready_count, view.voters) == (3, 3)
    assert [node.name for node in view.nodes] == ["pi-0", "pi-1", "pi-2"]


def test_given_a_look_when_taken_then_it_costs_one_process(trio):
    before = len(trio.world.calls)

    cluster_view.look(trio.host(0))

    assert len(trio.world.calls) - before == 1


def test_given_a_live_look_when_taken_then_the_datastore_itself_is_asked(trio):
    before = len(trio.world.calls)

    view = cluster_view.look(trio.host(0), live=True)

    assert microk8s.DQLITE in [call.argv[0] for call in trio.world.calls[before:]]
    assert len(view.members) == 3


def test_given_a_worker_when_it_looks_then_it_sees_nodes_but_no_datastore(with_worker):
    view = cluster_view.look(with_worker.host(1))

    assert [node.name for node in view.nodes] == ["pi-0", "pi-1"]
    assert view.members == ()


def test_given_a_majority_that_is_gone_when_looked_at_then_it_is_an_error(trio):
    for name in "12":
        trio.world.machines[name].power_off()
    trio.settle()

    with pytest.raises(kubectl.KubectlError):
        cluster_view.look(trio.host(0))
