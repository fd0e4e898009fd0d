"""The cluster as a control plane sees it, with nodes that die and an API that does not answer."""

import pytest

from edgecloud.agent.gauges import kept, writing
from edgecloud.host import dqlite
from tests.agent import exposed


def page(site, at=0):
    """Return what is told when nothing is known from before."""
    site.host(at).remove(kept.PATH)
    assert writing.write(site.host(at))
    return exposed.Page(site.host(at).read(writing.TEXTFILE))


def test_given_a_ready_node_when_told_then_it_is_ready_and_takes_pods(single):
    told = page(single)

    assert told.value("edge_kubernetes_ready") == 1
    assert told.value("edge_kubernetes_schedulable") == 1


def test_given_a_cordon_when_told_then_it_takes_no_pods(single):
    single.kube(0).cordoned = True

    told = page(single)

    assert told.value("edge_kubernetes_schedulable") == 0
    assert told.value("edge_kubernetes_ready") == 1


def test_given_a_kubelet_that_fell_silent_when_told_then_the_node_is_not_ready(trio):
    trio.machine(0).node.services["kubelite"].active = False
    trio.world.touch()
    trio.wait(120)

    assert page(trio, 1).value("edge_kubernetes_ready") == 1
    assert "edge_kubernetes_ready" not in page(trio, 0).names()


def test_given_a_node_that_is_ill_when_told_then_it_is_not_ready(single):
    single.machine(0).node.sick = "sick"
    single.world.touch()
    single.wait(120)

    assert page(single).value("edge_kubernetes_ready") == 0


def test_given_a_worker_when_told_then_it_does_not_ask(pair):
    before = len(pair.world.calls)

    told = page(pair, 1)

    assert not {"edge_kubernetes_ready", "edge_datastore_voters"} & told.names()
    assert not [c for c in pair.world.calls[before:] if c.argv[0].endswith("kubectl")]


def test_given_one_machine_when_told_then_its_only_voter_answers(single):
    told = page(single)

    assert told.value("edge_datastore_voters") == 1
    assert told.value("edge_datastore_voters_answering") == 1


def test_given_a_datastore_that_stopped_when_told_then_nobody_answers(single):
    single.run(0, "/usr/bin/systemctl", "stop", "snap.microk8s.daemon-k8s-dqlite")

    assert page(single).value("edge_datastore_voters_answering") == 0


@pytest.mark.parametrize("gone", [1, 2])
def test_given_voters_without_power_when_told_then_those_that_answer_are_counted(trio, gone):
    assert page(trio).value("edge_datastore_voters_answering") == 3
    for at in range(gone):
        trio.machine(at + 1).power_off()
    began = trio.machine(0).now()

    told = page(trio)

    assert told.value("edge_datastore_voters") == 3
    assert told.value("edge_datastore_voters_answering") == 3 - gone
    assert trio.machine(0).now() - began < 15


@pytest.mark.parametrize("text", ["", "[1]\n", "- Address:\n"])
def test_given_a_list_of_members_that_says_nothing_when_told_then_no_voter_is(trio, text):
    trio.world.cut("0")
    trio.host(0).write(f"{dqlite.BACKEND}/cluster.yaml", text)

    assert "edge_datastore_voters" not in page(trio).names()


def test_given_voters_behind_a_cut_when_told_then_they_do_not_answer(trio):
    trio.world.cut("0")

    told = page(trio)

    assert told.value("edge_datastore_voters") == 3
    assert told.value("edge_datastore_voters_answering") == 1
