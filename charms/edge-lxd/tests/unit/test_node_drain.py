"""Nodes of a unit that goes are emptied before they are deleted, in a bounded time."""

import subprocess

import pytest
from conftest import name

import node_drain
import pool_care
from edgecloud.host import kubectl
from edgecloud.lxd import instances
from edgecloud.lxd_member import nodes

UNIT = "edge-lxd/0"
FIRST, SECOND = "edge-lxd-0-1a", "edge-lxd-0-2a"


class Inside:
    """The machine inside a node, whose cluster answers as it is told to."""

    def __init__(self, log, clock, fails=None, takes_s=0.0, files=()):
        self.log, self.clock, self.fails, self.takes_s = log, clock, fails or {}, takes_s
        self.files = files or (
            nodes.KUBECONFIG,
            "/var/snap/microk8s/current/var/lock/clustered.lock",
        )

    def exists(self, path):
        return path in self.files

    def run(self, command, *, timeout_s, stdin=None, env=None, check=True):
        words = command[3:]
        assert command[:2] == (kubectl.KUBECTL, f"--kubeconfig={nodes.KUBECONFIG}")
        self.log.append((words[0], words[1], timeout_s))
        if words[0] == "drain":
            self.clock.advance(self.takes_s)
        if words[0] in self.fails:
            raise self.fails[words[0]]
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def hosting(single):
    """A machine with two nodes that run, and an instance of somebody else's."""
    owned = {FIRST: UNIT, SECOND: UNIT, "edge-lxd-1-1a": "edge-lxd/1", "till": ""}
    for node, unit in owned.items():
        config = {nodes.OWNER: unit} if unit else {}
        plan = instances.Plan(node, instances.Source.nothing(), config=config, member=name(0))
        instances.create(single.api(0), plan)
        instances.ensure_running(single.api(0), node)
    return single


class Drain:
    """A drain of a unit's nodes, with what was asked of each."""

    def __init__(self, pis, **insides):
        self.pis, self.log, self.insides = pis, [], insides

    def run(self):
        return node_drain.drain(self.pis.host(0), self.pis.api(0), UNIT, inside=self.inside)

    def inside(self, client, node):
        said = self.insides.get("first" if node.name == FIRST else "second", {})
        return Inside(self.log, self.pis.world.clock, **said)

    def asked(self):
        return [(verb, node) for verb, node, _ in self.log]


def test_given_two_nodes_when_their_unit_goes_then_both_are_cordoned_before_one_is_drained(
    hosting,
):
    drain = Drain(hosting)

    assert drain.run() == (FIRST, SECOND)

    assert drain.asked() == [
        ("cordon", FIRST),
        ("cordon", SECOND),
        ("drain", FIRST),
        ("drain", SECOND),
    ]


def test_given_a_node_that_never_joined_when_its_unit_goes_then_it_is_asked_nothing(hosting):
    drain = Drain(hosting, first={"files": ("/none",)}, second={"files": (nodes.KUBECONFIG,)})

    assert drain.run() == ()
    assert drain.asked() == []


def test_given_a_node_that_is_stopped_when_its_unit_goes_then_it_is_asked_nothing(hosting):
    instances.ensure_stopped(hosting.api(0), FIRST)
    drain = Drain(hosting)

    assert drain.run() == (SECOND,)


@pytest.mark.parametrize(
    "error",
    [
        subprocess.CalledProcessError(1, "kubectl", "", "connection refused"),
        subprocess.TimeoutExpired("kubectl", 30),
        OSError("the instance does not answer"),
    ],
)
def test_given_a_cluster_that_does_not_answer_when_the_unit_goes_then_nothing_holds_it(
    hosting, error, caplog
):
    drain = Drain(hosting, first={"fails": {"cordon": error}}, second={"fails": {"drain": error}})

    assert drain.run() == ()

    assert drain.asked() == [("cordon", FIRST), ("cordon", SECOND), ("drain", SECOND)]
    assert f"{FIRST} goes undrained" in caplog.text
    assert f"{SECOND} goes although not every pod moved away" in caplog.text


def test_given_budgets_that_take_all_the_time_when_the_unit_goes_then_it_has_an_end(
    hosting, caplog
):
    drain = Drain(hosting, first={"takes_s": node_drain.LIMIT_S - 30}, second={"takes_s": 60})

    drain.run()

    limits = [timeout_s for verb, _, timeout_s in drain.log if verb == "drain"]
    assert limits[0] > node_drain.DRAIN_S
    assert limits[1] < node_drain.DRAIN_S / 2
    late = Drain(hosting, first={"takes_s": node_drain.LIMIT_S})
    assert late.run() == (FIRST,)
    assert f"{SECOND} goes undrained: others took all the time" in caplog.text


def test_given_a_pool_when_it_is_removed_then_it_is_drained_while_its_nodes_are_there(
    hosting, monkeypatch
):
    there = []
    monkeypatch.setattr(
        node_drain,
        "drain",
        lambda host, client, unit: there.extend(one.name for one in instances.every(client)),
    )

    assert set(pool_care.remove(hosting.host(0), hosting.api(0), UNIT)) == {FIRST, SECOND}

    assert {FIRST, SECOND} <= set(there)
