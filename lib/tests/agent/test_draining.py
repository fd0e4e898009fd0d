"""What a drain moves, what it leaves alone, and what follows when a pod does not yield."""

import dataclasses
import json

import pytest

from edgecloud.agent import kube, settings
from edgecloud.rollout import state

State = state.State
KUBECTL = "/snap/microk8s/current/kubectl"
DATA = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
SCRATCH = [{"name": "scratch", "emptyDir": {}}]


def put(site, kind, name, version="v1", **parts):
    manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **parts}
    manifest["metadata"].setdefault("namespace", "default")
    done = site.run(0, KUBECTL, "apply", "-f", "-", stdin=json.dumps(manifest))
    assert done.returncode == 0, done.stderr


def deploy(site, replicas=2, at=None, **spec):
    """Run an application, and let its pods find their nodes."""
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web"}], **spec}}
    wanted = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}
    put(site, "Deployment", "web", "apps/v1", spec=wanted)
    site.wait(10)


def protect(site, **spec):
    spec["selector"] = {"matchLabels": {"app": "web"}}
    put(site, "PodDisruptionBudget", "web", "policy/v1", spec=spec)


def claim(site, **volume):
    """Give the application a volume of some kind."""
    owner = {"namespace": "default", "name": "data"}
    put(site, "PersistentVolume", "pv-1", spec={"claimRef": owner, **volume})


def pods(site, at):
    words = ("get", "pods", "-A", "-l", "app=web", "-o", "json")
    found = json.loads(site.run(0, KUBECTL, *words).stdout)["items"]
    return [pod for pod in found if pod["spec"].get("nodeName") == f"pi-{at}"]


def upgrade(site, **drain):
    accepted = site.plan(drain={"timeout": "60s", **drain})
    site.upgrade(1, accepted)
    return site.node(1)


def grants(site, count, **drain):
    """Grant a node again whenever it waits."""
    accepted = site.plan(drain={"timeout": "60s", **drain})
    site.upgrade(1, accepted)
    for _ in range(count - 1):
        site.order(1, "grant", accepted)
        site.wake(1)
    return site.node(1)


def words_of_drain(site):
    return [call.argv for call in site.world.calls if "drain" in call.argv]


@pytest.fixture
def stuck(trio):
    """A site with a budget that never yields."""
    deploy(trio, replicas=3)
    protect(trio, maxUnavailable=0)
    assert pods(trio, 1)
    return trio


@pytest.mark.parametrize(
    ("policy", "ends"),
    [("wait", State.WAITING), ("skip-node", State.SKIPPED), ("abort", State.FAILED_SAFE)],
)
def test_given_a_budget_that_never_yields_when_drained_then_the_policy_decides(
    stuck, policy, ends
):
    found = upgrade(stuck, **{"on-block": policy})

    assert found.state is ends
    assert "disruption budget" in found.reason
    assert not stuck.kube(1).cordoned
    assert kube.OWNER not in stuck.kube(1).annotations
    assert stuck.running(1) == stuck.revision("1.35")


def test_given_a_node_that_waits_when_it_was_blocked_three_times_then_it_gives_up(stuck):
    assert grants(stuck, 3, **{"on-block": "wait"}).state is State.FAILED_SAFE


def test_given_leave_to_force_when_a_budget_never_yields_then_it_is_overruled_only_at_the_end(
    stuck,
):
    found = upgrade(stuck, **{"on-block": "evict-force"})

    assert found.state is State.SOAKING, found
    orderly, forced = words_of_drain(stuck)
    assert "--disable-eviction" not in orderly
    assert {"--disable-eviction", "--force"} <= set(forced)


def test_given_a_worker_when_forced_then_its_account_evicts_and_budgets_still_hold(stuck):
    known = settings.read(stuck.host(1))
    settings.write(stuck.host(1), dataclasses.replace(known, worker=True))

    found = upgrade(stuck, **{"on-block": "evict-force"})

    assert found.state is State.FAILED_SAFE
    assert "disruption budget" in found.reason
    _, forced = words_of_drain(stuck)
    assert "--force" in forced
    assert "--disable-eviction" not in forced
    assert not stuck.kube(1).cordoned


def test_given_a_pod_that_nobody_would_start_again_when_not_forced_then_it_stays(trio):
    lone = {"containers": [{"name": "x"}], "nodeName": "pi-1"}
    put(trio, "Pod", "lone", spec=lone, status={"phase": "Running"})
    trio.wait(10)

    assert upgrade(trio, **{"on-block": "abort"}).state is State.FAILED_SAFE


@pytest.mark.parametrize(
    ("empty_dir", "ends"), [("delete", State.SOAKING), ("keep", State.FAILED_SAFE)]
)
def test_given_scratch_space_when_drained_then_it_is_lost_only_if_the_plan_says_so(
    trio, empty_dir, ends
):
    deploy(trio, replicas=3, volumes=SCRATCH)

    found = upgrade(trio, **{"empty-dir": empty_dir, "on-block": "abort"})

    assert found.state is ends


@pytest.mark.parametrize("volume", [{"hostPath": {"path": "/x"}}, {"local": {"path": "/x"}}])
@pytest.mark.parametrize(
    ("local_pv", "ends"), [("allow", State.SOAKING), ("block", State.FAILED_SAFE)]
)
def test_given_data_on_a_disk_of_the_node_when_drained_then_the_plan_decides(
    trio, volume, local_pv, ends
):
    claim(trio, **volume)
    deploy(trio, replicas=3, volumes=DATA)

    found = upgrade(trio, **{"local-pv": local_pv, "on-block": "abort"})

    assert found.state is ends
    if local_pv == "block":
        assert "data on a disk of this node: default/web-" in found.reason


def test_given_data_on_the_network_when_drained_then_its_pod_moves(trio):
    claim(trio, nfs={"server": "nas", "path": "/x"})
    deploy(trio, replicas=3, volumes=DATA)

    assert upgrade(trio).state is State.SOAKING
    assert not pods(trio, 1)


@pytest.mark.parametrize("kept", ["local-pv", "empty-dir"])
def test_given_leave_to_force_when_the_plan_keeps_data_then_nothing_is_removed(trio, kept):
    if kept == "local-pv":
        claim(trio, hostPath={"path": "/x"})
    deploy(trio, replicas=3, volumes=DATA if kept == "local-pv" else SCRATCH)
    before = [pod["metadata"]["name"] for pod in pods(trio, 1)]

    found = upgrade(trio, **{"on-block": "evict-force", "empty-dir": "keep"})

    assert found.state is State.FAILED_SAFE
    assert [pod["metadata"]["name"] for pod in pods(trio, 1)] == before


def test_given_a_grace_when_drained_then_pods_are_told_how_long_they_have(trio):
    upgrade(trio, grace="45s")

    assert "--grace-period=45" in words_of_drain(trio)[0]
