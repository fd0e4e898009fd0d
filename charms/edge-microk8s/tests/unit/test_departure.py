import dataclasses

import pytest

import departure
import microk8s
from edgelab import pi
from quorum import Role


def leave(pis, number, view, *, last=False):
    host = pis.host(number)
    departure.leave(
        host,
        microk8s.kubeconfig(host),
        node=f"pi-{number}",
        address=pis.address(number),
        view=view,
        last=last,
    )


def test_given_a_healthy_cluster_when_a_node_leaves_then_it_is_drained_and_out(trio, seen):
    leave(trio, 1, seen("ready", "ready", "ready"))
    trio.settle()

    (drained,), (left,) = trio.ran("drain"), trio.ran("leave")
    assert drained.time < left.time
    assert "10.20.0.12" not in trio.members()


def test_given_the_last_unit_when_it_goes_then_nothing_is_asked_of_the_cluster(single):
    before = len(single.world.calls)

    leave(single, 0, None, last=True)

    assert len(single.world.calls) == before


def test_given_a_node_on_its_own_when_it_goes_then_there_is_nothing_to_leave(single, seen):
    leave(single, 0, seen("ready"))

    assert not single.ran("leave")


def test_given_a_node_that_is_out_already_when_it_goes_again_then_nothing_happens(trio, seen):
    leave(trio, 2, seen("ready", "ready"))

    assert not trio.ran("leave")


def test_given_a_cluster_that_does_not_answer_when_a_node_goes_then_it_is_told_what_to_do(trio):
    with pytest.raises(departure.DepartureRefusedError, match="juju remove-unit --force"):
        leave(trio, 1, None)

    assert not trio.ran("leave")


def test_given_a_dead_voter_when_another_goes_then_it_is_refused_and_names_the_dead(trio, seen):
    with pytest.raises(departure.DepartureRefusedError, match=r"10\.20\.0\.13 does not answer"):
        leave(trio, 1, seen("ready", "ready", "unknown"))

    assert not trio.ran("drain")
    assert not trio.ran("leave")


def test_given_a_dead_spare_when_a_voter_goes_then_it_may(trio, seen):
    roles = [Role.VOTER, Role.VOTER, Role.VOTER, Role.SPARE]

    leave(trio, 1, seen("ready", "ready", "ready", "unknown", roles=roles))

    assert trio.ran("leave")


def test_given_pods_that_cannot_move_when_a_node_goes_then_it_leaves_all_the_same(trio, seen):
    trio.fail(1, "/snap/microk8s/current/kubectl", effect=pi.fail(1, "cannot evict"))

    leave(trio, 1, seen("ready", "ready", "ready"))

    assert trio.ran("leave")


def test_given_a_leave_that_fails_when_tried_then_the_node_is_not_left_cordoned(trio, seen):
    trio.fail(1, "microk8s", "leave")

    with pytest.raises(microk8s.MicroK8sError):
        leave(trio, 1, seen("ready", "ready", "ready"))

    assert trio.nodes()["pi-1"] is False


def test_given_a_node_the_operator_cordoned_when_its_leave_fails_then_it_stays_cordoned(
    trio, seen
):
    trio.fail(1, "microk8s", "leave")
    view = seen("ready", "ready", "ready")
    nodes = tuple(dataclasses.replace(node, cordoned=True) for node in view.nodes)

    with pytest.raises(microk8s.MicroK8sError):
        leave(trio, 1, dataclasses.replace(view, nodes=nodes))

    assert trio.nodes()["pi-1"] is True


def test_given_the_only_copy_when_it_shall_go_then_it_is_asked_to_hand_over_first(trio, seen):
    trio.fail(1, "microk8s", "leave", effect=pi.fail(3, f"This is the {departure.ONLY_COPY}."))
    roles = [Role.SPARE, Role.VOTER, Role.SPARE]

    with pytest.raises(departure.DepartureRefusedError, match="hand it over"):
        leave(trio, 1, seen("ready", "ready", "ready", roles=roles))

    assert [call for call in trio.world.calls if "restart" in call.argv]
    assert trio.nodes()["pi-1"] is False


def test_given_a_worker_when_it_goes_then_no_quorum_is_asked(with_worker, seen):
    leave(with_worker, 1, seen("ready", "ready", workers=1))
    with_worker.settle()

    assert with_worker.ran("leave")
