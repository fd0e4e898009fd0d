"""Which nodes could not be drained now, by what their cluster says of disruption budgets."""

import json

import pytest

import budget_sight
from edgecloud.host import kubectl
from edgecloud.interfaces.node_upgrade import Blocked, BudgetView
from edgelab import pi

ADMIN = "/var/snap/microk8s/current/credentials/client.config"
NOT_IN = "NotIn"  # codespell:ignore
ON_PI_0 = (Blocked("pi-0", ("default/web",)),)


@pytest.fixture
def alone(node):
    install = ("/usr/bin/snap", "install", "microk8s", "--classic", "--channel=1.35/stable")
    node.host.run(install, timeout_s=900)
    return later(node, 120)


def later(node, seconds):
    node.world.clock.advance(seconds)
    node.world.tick()
    return node


def protect(node, **spec):
    """Run two pods, and protect them by a budget."""
    labels = {"matchLabels": {"app": "web"}}
    pods = {
        "metadata": {"labels": labels["matchLabels"]},
        "spec": {"containers": [{"name": "web"}]},
    }
    for kind, version, wanted in (
        ("Deployment", "apps/v1", {"replicas": 2, "selector": labels, "template": pods}),
        ("PodDisruptionBudget", "policy/v1", {"selector": labels, **spec}),
    ):
        named = {"name": "web", "namespace": "default"}
        text = {"apiVersion": version, "kind": kind, "metadata": named, "spec": wanted}
        node.host.run((kubectl.KUBECTL, "apply", "-f", "-"), timeout_s=60, stdin=json.dumps(text))
    return later(node, 60)


def pod(node="pi-0", namespace="default", phase="Running", owner="ReplicaSet", **labels):
    about = {"namespace": namespace, "labels": labels, "ownerReferences": [{"kind": owner}]}
    return {"metadata": about, "spec": {"nodeName": node}, "status": {"phase": phase}}


def budget(name="web", **selector):
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"selector": selector}}


def test_given_a_budget_that_allows_nothing_when_looked_at_then_its_node_is_named(alone):
    protect(alone, minAvailable=2)

    assert budget_sight.look(alone.host, ADMIN, None).blocked == ON_PI_0


def test_given_a_budget_that_lets_one_go_when_looked_at_then_nobody_asks_for_pods(alone):
    protect(alone, minAvailable=1)
    before = len(alone.world.calls)

    seen = budget_sight.look(alone.host, ADMIN, None)

    asked = [call.argv for call in alone.world.calls[before:]]
    assert seen.blocked == ()
    assert ["pods" in argv for argv in asked] == [False]


def test_given_a_look_within_the_hour_when_asked_again_then_the_cluster_is_left_alone(alone):
    first = budget_sight.look(alone.host, ADMIN, None)
    protect(alone, minAvailable=2)
    before = len(alone.world.calls)

    again = budget_sight.look(alone.host, ADMIN, first)
    asked = alone.world.calls[before:]
    after = budget_sight.look(later(alone, 3600).host, ADMIN, first)

    assert (again, asked) == (first, [])
    assert after.blocked == ON_PI_0


def test_given_a_cluster_that_does_not_answer_when_looked_at_then_the_last_look_stands(alone):
    said = BudgetView(at=1000, blocked=ON_PI_0)
    alone.machine.faults.add(pi.Fault((kubectl.KUBECTL,), pi.fail(1, "refused")))

    assert budget_sight.look(alone.host, ADMIN, said) is said


@pytest.mark.parametrize(
    ("selector", "takes"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "front"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": NOT_IN, "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": NOT_IN, "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_given_a_selector_when_compared_then_it_takes_pods_as_kubernetes_does(selector, takes):
    assert budget_sight.selects(selector, pod(app="web")) == takes
    assert budget_sight.blocked([budget(**selector)], [pod(app="web")]) == ON_PI_0 * takes


@pytest.mark.parametrize(
    "other",
    [pod(namespace="farm"), pod(phase="Succeeded"), pod(owner="DaemonSet"), pod(node="")],
    ids=["elsewhere", "ended", "of a daemon", "not placed"],
)
def test_given_pods_that_no_drain_moves_when_looked_at_then_they_hold_nobody(other):
    assert budget_sight.blocked([budget()], [other]) == ()


def test_given_two_budgets_when_looked_at_then_each_node_has_its_own():
    pods = [pod("pi-1", app="web"), pod("pi-2", app="web"), pod("pi-2", app="db")]
    both = [budget(matchLabels={"app": "web"}), budget("db", matchLabels={"app": "db"})]

    assert budget_sight.blocked(both, pods) == (
        Blocked("pi-1", ("default/web",)),
        Blocked("pi-2", ("default/db", "default/web")),
    )
