import json
import subprocess

import hypothesis
import pytest
from hypothesis import strategies

from edgecloud.host import kubectl, snap
from edgecloud.host.kubectl import Readiness
from edgelab import pi

ADMIN = "/var/snap/microk8s/current/credentials/client.config"
NODE = {
    "metadata": {"name": "pi-1", "labels": {"site": "north"}},
    "spec": {
        "unschedulable": True,
        "taints": [
            {"key": "power", "value": "battery", "effect": "NoSchedule"},
            {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
        ],
    },
    "status": {
        "addresses": [
            {"type": "InternalIP", "address": "10.0.0.1"},
            {"type": "Hostname", "address": "pi-1"},
        ],
        "conditions": [
            {"type": "MemoryPressure", "status": "False"},
            {"type": "Ready", "status": "True"},
        ],
        "nodeInfo": {"kubeletVersion": "v1.35.2"},
    },
}


@pytest.fixture
def node(world):
    """A machine with MicroK8s, ready."""
    raspberry = world.add_machine("0").host()
    snap.install(raspberry, "microk8s", channel="1.35/stable", classic=True)
    world.clock.advance(300)
    world.tick()
    return raspberry


def only(host):
    (found,) = kubectl.nodes(host, ADMIN)
    return found


def test_given_a_node_object_when_parsed_then_all_of_it_is_known():
    assert kubectl.parse_node(NODE) == kubectl.Node(
        name="pi-1",
        readiness=Readiness.READY,
        cordoned=True,
        addresses=("10.0.0.1",),
        kubelet_version="v1.35.2",
        labels={"site": "north"},
        taints=("power=battery:NoSchedule", "node.kubernetes.io/unschedulable:NoSchedule"),
    )


def test_given_an_empty_node_object_when_parsed_then_nothing_is_claimed():
    assert kubectl.parse_node({}) == kubectl.Node("", Readiness.UNKNOWN)


@pytest.mark.parametrize(
    ("status", "readiness"),
    [
        ("True", Readiness.READY),
        ("False", Readiness.NOT_READY),
        ("Unknown", Readiness.UNKNOWN),
        ("", Readiness.UNKNOWN),
        (None, Readiness.UNKNOWN),
    ],
)
def test_given_a_condition_when_parsed_then_readiness_has_three_values(status, readiness):
    item = {"status": {"conditions": [{"type": "Ready", "status": status}]}}

    assert kubectl.parse_node(item).readiness is readiness


json_like = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.text(max_size=5),
    lambda inner: strategies.dictionaries(strategies.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@hypothesis.given(labels=strategies.dictionaries(strategies.text(), strategies.text()))
def test_given_any_labels_when_parsed_then_they_are_kept(labels):
    assert kubectl.parse_node({"metadata": {"name": "n", "labels": labels}}).labels == labels


@hypothesis.given(extra=json_like)
def test_given_fields_of_the_future_when_parsed_then_they_do_no_harm(extra):
    item = {**NODE, "future": extra, "status": {**NODE["status"], "future": extra}}

    assert kubectl.parse_node(item) == kubectl.parse_node(NODE)


def test_given_a_cluster_when_asked_then_its_nodes_are_returned(node):
    found = only(node)

    assert (found.name, found.readiness, found.cordoned) == ("pi-0", Readiness.READY, False)
    assert found.kubelet_version.startswith("v1.35")


def test_given_several_nodes_when_asked_then_they_come_by_name(machine):
    items = [{"metadata": {"name": name}} for name in ("pi-2", "pi-1")]
    machine.answer(kubectl.KUBECTL, stdout=json.dumps({"items": items}))

    assert [found.name for found in kubectl.nodes(machine, ADMIN)] == ["pi-1", "pi-2"]


def test_given_a_call_when_made_then_it_has_credentials_and_a_time_limit(machine):
    machine.answer(kubectl.KUBECTL, stdout="{}")

    kubectl.get_json(machine, "/root/config", "pods", "-A")

    options = ("--kubeconfig=/root/config", "--request-timeout=10s")
    assert machine.calls == [(kubectl.KUBECTL, *options, "get", "pods", "-A", "-o", "json")]


@pytest.mark.parametrize("text", ["", "This is a worker. Ask the control plane.", "[]", "null"])
def test_given_a_sentence_instead_of_json_when_asked_then_it_is_an_error(machine, text):
    machine.answer(kubectl.KUBECTL, stdout=text)

    with pytest.raises(kubectl.KubectlError, match="printed no"):
        kubectl.nodes(machine, ADMIN)


def test_given_an_api_that_is_away_when_asked_then_kubectls_words_are_kept(machine):
    machine.answer(kubectl.KUBECTL, stderr="Unable to connect to the server: EOF", code=1)

    with pytest.raises(kubectl.KubectlError, match="kubectl get failed: Unable to connect"):
        kubectl.nodes(machine, ADMIN)


def test_given_an_api_that_hangs_when_asked_then_it_ends(machine):
    machine.answer(kubectl.KUBECTL, error=subprocess.TimeoutExpired(["kubectl"], 30))

    with pytest.raises(kubectl.KubectlError, match="took longer than 30 s"):
        kubectl.nodes(machine, ADMIN)


def test_given_a_node_when_cordoned_and_uncordoned_then_it_says_so(node):
    kubectl.cordon(node, ADMIN, "pi-0")
    cordoned = only(node).cordoned
    kubectl.uncordon(node, ADMIN, "pi-0")

    assert (cordoned, only(node).cordoned) == (True, False)


def test_given_a_node_when_drained_then_it_is_cordoned(node):
    kubectl.drain(node, ADMIN, "pi-0", 60, force=True)

    assert only(node).cordoned


def test_given_a_time_limit_when_drained_then_kubectl_has_it_and_ends_in_time(machine):
    kubectl.drain(machine, ADMIN, "pi-0", 90)

    assert "--timeout=90s" in machine.calls[0]
    assert "--force" not in machine.calls[0]


def test_given_a_manifest_when_applied_then_it_goes_through_standard_input(machine):
    machine.answer(kubectl.KUBECTL, stdout="secret/a created\nsecret/b unchanged\n")

    changed = kubectl.apply(machine, ADMIN, "password: very-secret")

    assert changed
    assert machine.inputs == ["password: very-secret"]
    assert "very-secret" not in " ".join(machine.calls[0])


def test_given_a_manifest_that_is_there_when_applied_then_nothing_changed(machine):
    machine.answer(kubectl.KUBECTL, stdout="secret/a unchanged\nsecret/b unchanged\n")

    assert not kubectl.apply(machine, ADMIN, "kind: List")


def test_given_a_node_when_deleted_then_it_is_so_once(node):
    deleted = [kubectl.delete(node, ADMIN, "node", "pi-9") for _ in range(2)]

    assert deleted == [False, False]


def test_given_an_object_when_deleted_then_kubectl_names_it(machine):
    machine.answer(kubectl.KUBECTL, stdout='node "pi-1" deleted\n')

    assert kubectl.delete(machine, ADMIN, "node", "pi-1")


def test_given_labels_when_set_and_removed_then_the_node_has_them_no_more(node):
    kubectl.label(node, ADMIN, "pi-0", {"site": "north", "power": "grid"})
    kubectl.label(node, ADMIN, "pi-0", {"site": "south", "power": None})

    labels = only(node).labels
    assert labels["site"] == "south"
    assert "power" not in labels


def test_given_taints_when_set_and_removed_then_the_node_has_them_no_more(node):
    kubectl.taint(node, ADMIN, "pi-0", ["power=battery:NoSchedule", "lab:NoExecute"])
    kubectl.taint(node, ADMIN, "pi-0", [], ["power=battery:NoSchedule"])

    assert only(node).taints == ("lab:NoExecute",)


def test_given_nothing_to_change_when_called_then_no_process_is_started(machine):
    kubectl.label(machine, ADMIN, "pi-0", {})
    kubectl.taint(machine, ADMIN, "pi-0", [])

    assert machine.calls == []


def test_given_a_deployment_when_scaled_then_kubectl_has_the_number(machine):
    kubectl.scale(machine, ADMIN, "deployment/coredns", "kube-system", 2)

    words = ("scale", "deployment/coredns", "--namespace=kube-system", "--replicas=2")
    assert machine.calls[0][3:] == words


def test_given_any_other_command_when_run_then_its_output_is_returned(machine):
    machine.answer(kubectl.KUBECTL, stdout="token\n")

    assert kubectl.run(machine, ADMIN, "create", "token", "viewer") == "token\n"


def test_given_a_machine_that_loses_power_when_asked_then_nothing_hides_it(world, node):
    world.machines["0"].power_off()

    with pytest.raises(pi.PowerCut):
        kubectl.nodes(node, ADMIN)


def test_given_little_time_when_asked_then_kubectl_and_its_request_have_no_more(node):
    node.machine.faults.add(pi.Fault(("kubectl",), pi.hang()))
    began = node.now()

    with pytest.raises(kubectl.KubectlError, match="took longer than 5 s"):
        kubectl.get_json(node, ADMIN, "node", "pi-0", within_s=5)

    assert node.now() - began == pytest.approx(5, abs=0.1)
    assert "--request-timeout=5s" in node.machine.world.calls[-1].argv
