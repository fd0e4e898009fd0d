import dataclasses

import hypothesis
import pytest
from hypothesis import strategies

import microk8s
import quorum
import stewardship
from edgecloud.interfaces.cluster_join import Admission
from edgelab import pi

LATE = stewardship.GRACE_S + 1


def take_out(pis, member, view, *, after=LATE):
    host = pis.host(0)
    kubeconfig = microk8s.kubeconfig(host)
    first = stewardship.take_out(host, kubeconfig, member, view, member.since)
    if first.gone or after < LATE:
        return first
    return stewardship.take_out(host, kubeconfig, member, view, member.since + after)


def kill(pis, number):
    pis.world.machines[str(number)].power_off()
    return pis.settle()


# --- removals ------------------------------------------------------------------------------------


def test_given_a_dead_node_when_taken_out_then_node_and_member_are_gone(trio, seen, member):
    kill(trio, 2)

    progress = take_out(trio, member(2, "leaving"), seen("ready", "ready", "unknown"))

    assert progress == stewardship.Progress(gone=True)
    assert trio.members() == ["10.20.0.11", "10.20.0.12"]
    assert "pi-2" not in trio.nodes()


def test_given_a_worker_that_asked_to_leave_when_let_go_then_it_is_drained_first_and_then_out(
    with_worker, seen, member
):
    host = with_worker.host(0)
    leaving = dataclasses.replace(member(1, "leaving"), unit="edge-lxd/0:1a", role="worker")
    kubeconfig = microk8s.kubeconfig(host)

    progress = stewardship.let_go(host, kubeconfig, leaving, seen("ready", "ready", workers=1))

    assert progress == stewardship.Progress(gone=True)
    assert "pi-1" not in with_worker.nodes()
    argvs = [call.argv for call in with_worker.world.calls]
    drained = next(i for i, argv in enumerate(argvs) if "drain" in argv)
    assert drained < next(i for i, argv in enumerate(argvs) if "remove-node" in argv)


def test_given_a_worker_that_asked_to_leave_when_it_cannot_be_drained_then_it_stays(
    with_worker, seen, member
):
    host = with_worker.host(0)
    with_worker.fail(0, "/snap/microk8s/current/kubectl", times=0)
    leaving = dataclasses.replace(member(1, "leaving"), unit="edge-lxd/0:1a", role="worker")

    progress = stewardship.let_go(
        host, microk8s.kubeconfig(host), leaving, seen("ready", "ready", workers=1)
    )

    assert not progress.gone
    assert progress.waits_for.startswith("pi-1 is not drained: ")
    assert "pi-1" in with_worker.nodes()


def test_given_a_member_without_a_node_when_taken_out_then_the_ghost_goes_by_its_address(
    trio, seen, member
):
    kill(trio, 2)
    trio.host(0).run(
        [
            "/snap/microk8s/current/kubectl",
            f"--kubeconfig={microk8s.ADMIN}",
            "delete",
            "node",
            "pi-2",
        ],
        timeout_s=60,
    )

    progress = take_out(trio, member(2, "leaving"), seen("ready", "ready", "-"))

    assert progress.gone
    assert trio.members() == ["10.20.0.11", "10.20.0.12"]


def test_given_nothing_left_of_a_node_when_taken_out_then_nothing_is_run(single, seen, member):
    before = len(single.world.calls)

    progress = take_out(single, member(2, "leaving"), seen("ready"))

    assert progress.gone
    assert len(single.world.calls) == before


def test_given_a_node_that_still_runs_when_taken_out_early_then_it_may_leave_by_itself(
    trio, seen, member
):
    progress = take_out(trio, member(2, "leaving"), seen("ready", "ready", "ready"), after=60)

    assert progress == stewardship.Progress(gone=False, waits_for="pi-2 is leaving by itself")
    assert not trio.ran("remove-node")


def test_given_a_node_that_did_not_leave_when_its_time_is_over_then_it_is_drained_and_taken_out(
    trio, seen, member
):
    progress = take_out(trio, member(2, "leaving"), seen("ready", "ready", "ready"))

    assert progress.gone
    assert trio.ran("drain")[0].time < trio.ran("remove-node")[0].time


def test_given_pods_that_cannot_move_when_its_time_is_over_then_the_node_goes_all_the_same(
    trio, seen, member
):
    trio.fail(0, "/snap/microk8s/current/kubectl", effect=pi.fail(1, "cannot evict"))

    assert take_out(trio, member(2, "leaving"), seen("ready", "ready", "ready")).gone


def test_given_a_departure_that_was_not_safe_when_it_becomes_so_then_the_grace_begins(
    trio, seen, member
):
    leaving, late = member(1, "leaving"), 10 * LATE
    take_out(trio, leaving, seen("ready", "ready", "unknown"))

    host = trio.host(0)
    progress = stewardship.take_out(
        host, microk8s.kubeconfig(host), leaving, seen("ready", "ready", "ready"), late
    )

    assert progress == stewardship.Progress(gone=False, waits_for="pi-1 is leaving by itself")


def test_given_a_majority_at_stake_when_taken_out_then_it_waits_and_says_so(trio, seen, member):
    progress = take_out(trio, member(1, "leaving"), seen("ready", "unknown", "unknown"))

    assert not progress.gone
    assert "would cost the datastore its majority" in progress.waits_for
    assert not trio.ran("remove-node")


def test_given_a_worker_that_leaves_when_looked_at_then_it_is_drained_for_it_once(
    with_worker, seen, member
):
    worker = member(1, "leaving", role="worker")
    view = seen("ready", "ready", workers=1)

    take_out(with_worker, worker, view, after=5)

    assert with_worker.nodes()["pi-1"] is True
    cordoned = tuple(dataclasses.replace(node, cordoned=True) for node in view.nodes)
    take_out(with_worker, worker, dataclasses.replace(view, nodes=cordoned), after=10)
    assert len(with_worker.ran("drain")) == 1


def test_given_a_removal_that_fails_when_taken_out_then_it_is_not_called_done(trio, seen, member):
    kill(trio, 2)
    trio.fail(0, "microk8s", "remove-node", times=0)

    with pytest.raises(microk8s.MicroK8sError, match="still in the cluster"):
        take_out(trio, member(2, "leaving"), seen("ready", "ready", "unknown"))


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(
    strategies.lists(strategies.sampled_from(["ready", "unknown"]), min_size=1, max_size=5),
    strategies.integers(0, 4),
    strategies.floats(0, 2 * LATE),
)
def test_given_any_cluster_when_a_removal_is_judged_then_it_costs_nobody_the_majority(
    single, seen, member, readiness, number, after
):
    view, leaving = seen(*readiness), member(number % len(readiness), "leaving")

    reason = stewardship._must_wait(single.host(0), leaving, view, after)

    rest = [other for other in view.members if other.address != leaving.address]
    if not reason and rest:
        assert quorum.has_quorum(view.members)
        assert quorum.has_quorum(rest)


# --- making way ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readiness", "reason"),
    [
        (("ready", "ready", "ready"), ""),
        (("ready", "ready", "unknown"), "voter 10.20.0.13 does not answer"),
        (("not ready", "ready", "unknown"), "voter 10.20.0.11, 10.20.0.13 does not answer"),
        ((), "the datastore does not answer"),
    ],
)
def test_given_voters_when_somebody_wants_to_join_then_all_of_them_have_to_answer(
    seen, readiness, reason
):
    assert stewardship.reason_to_wait(seen(*readiness)) == reason


def test_given_a_silent_spare_when_somebody_wants_to_join_then_it_does_not_matter(seen):
    roles = [quorum.Role.VOTER] * 3 + [quorum.Role.SPARE]

    assert not stewardship.reason_to_wait(seen("ready", "ready", "ready", "unknown", roles=roles))


def test_given_a_joiner_of_which_something_is_left_when_looked_for_then_it_is_a_ghost(
    seen, member
):
    joiner = member(2, "joining")
    admission = Admission(joiner.unit, 2, 0.0)

    found = stewardship.ghost_of(seen("ready", "ready", "unknown"), admission, (joiner,))

    assert found == joiner
    assert stewardship.ghost_of(seen("ready", "ready"), admission, (joiner,)) is None


@pytest.mark.parametrize(
    ("readiness", "may"),
    [
        (("ready", "ready", "unknown"), True),
        (("ready", "ready", "ready"), False),
        (("ready", "unknown", "unknown"), False),
    ],
)
def test_given_a_ghost_when_it_is_ready_or_needed_then_it_stays(seen, member, readiness, may):
    assert stewardship.may_remove_ghost(seen(*readiness), member(2, "joining")) is may
