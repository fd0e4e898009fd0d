"""A reboot of a member of LXD, with what lives on it, and power cut wherever it hurts."""

import pytest

from edgecloud.agent import journal, kube, lxd_host
from edgecloud.host import kubectl
from edgecloud.lxd import cluster, instances
from edgecloud.lxd_member import evacuation, nodes
from edgecloud.rollout import audit, state
from edgelab import pi
from tests.agent import hosting_site
from tests.agent.cuts import BACK, Cut, boundaries, pulling
from tests.agent.hosting_site import HOST, INSIDE, MEMBER, NODE, PLAIN

State = state.State
ONLINE, EVACUATED = cluster.Status.ONLINE, cluster.Status.EVACUATED


@pytest.fixture
def hosting(pair, monkeypatch):
    """Two members of LXD; on one lives the worker of a pair of nodes."""
    made = hosting_site.build(pair)
    monkeypatch.setattr(nodes, "inside", made.inside)
    return made


@pytest.fixture
def bad(pair, monkeypatch):
    """The same, with packages that fail."""
    made = hosting_site.build(pair, "service")
    monkeypatch.setattr(nodes, "inside", made.inside)
    return made


def assert_as_before(hosting):
    """Nothing of an upgrade is left: not in LXD, not in Kubernetes, not on disk."""
    hosting.sleep(120)
    seen = hosting.site.kube(INSIDE)
    assert hosting.status() is ONLINE
    assert all(hosting.instance(name).running for name in (NODE, PLAIN))
    assert all(hosting.instance(n).member == MEMBER for n in (NODE, PLAIN))
    assert evacuation.RAN not in hosting.instance(PLAIN).config
    assert (seen.cordoned, kube.OWNER in seen.annotations) == (False, False)
    assert not hosting.site.host(HOST).exists(lxd_host.NOTE)
    assert audit.first_bad(journal.chain(hosting.site.host(HOST))) is None


def test_given_a_member_when_it_reboots_for_a_plan_then_all_goes_away_and_comes_back(hosting):
    seen = []

    def look(name):
        if name.startswith("before apply"):
            running = [hosting.instance(one).running for one in (NODE, PLAIN)]
            seen.append((hosting.status(), running, hosting.site.kube(INSIDE).cordoned))

    ended = hosting.upgrade(look)

    assert ended.state is State.DONE, ended
    assert seen == [(EVACUATED, [False, False], True)]
    assert len(hosting.reboots()) == 1
    assert_as_before(hosting)


def test_given_pods_on_a_node_here_when_drained_then_they_were_evicted_before_lxd_was_asked(
    hosting,
):
    hosting.upgrade()

    calls = [(call.machine, call.argv) for call in hosting.site.world.calls]
    drained = next(i for i, (at, argv) in enumerate(calls) if at == "1" and "drain" in argv)
    path = f"{MEMBER}/state"
    evacuated = next(i for i, (_, argv) in enumerate(calls) if argv[-1].endswith(path))
    assert drained < evacuated


FORWARD = (
    State.PREFLIGHT,
    State.WAITING,
    State.GRANTED,
    State.CORDONING,
    State.DRAINING,
    State.BACKING_UP,
    State.APPLYING,
    State.REBOOTING,
    State.VALIDATING,
    State.COMMITTING,
    State.UNCORDONING,
    State.SOAKING,
)
NEVER = {"after reboot in rebooting", "after roll-back in rolling-back"}
"""The reboot itself comes first."""


@pytest.mark.parametrize("boundary", sorted(set(boundaries(FORWARD)) - NEVER))
def test_given_a_power_cut_at_a_boundary_when_power_returns_then_the_member_is_back_upgraded(
    hosting, boundary
):
    cut(hosting, boundary)

    assert hosting.upgrade().state is State.DONE
    assert_as_before(hosting)


@pytest.mark.parametrize("boundary", sorted(set(boundaries(BACK)) - NEVER))
def test_given_a_power_cut_on_the_way_back_when_power_returns_then_the_member_is_back_as_it_was(
    bad, boundary
):
    cut(bad, boundary)

    assert bad.upgrade().state is State.ROLLED_BACK
    assert_as_before(bad)


def cut(hosting, boundary):
    with pytest.raises(Cut):
        hosting.upgrade(pulling(boundary))
    hosting.cut_power()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_given_a_power_cut_at_every_call_of_lxd_when_power_returns_then_it_always_ends_well(
    made, tmp_path, monkeypatch, moment
):
    effect = {"before": pi.cut_before(), "after": pi.cut_after()}[moment]

    def fresh(name):
        found = hosting_site.build(made.copy(tmp_path / name, 2, workers=1))
        monkeypatch.setattr(nodes, "inside", found.inside)
        return found

    counted = fresh("count")
    counted.site.world.calls.clear()
    counted.upgrade()
    changing = [(c.argv[1], c.argv[2]) for c in counted.site.world.calls if is_change(c)]
    for number, words in enumerate(changing):
        found = fresh(f"{number}")
        nth = changing[: number + 1].count(words)
        found.site.machine(HOST).faults.add(pi.Fault(("api", *words), effect, nth=nth))
        assert found.upgrade().state is State.DONE, words
        assert_as_before(found)
    assert number >= 5


def is_change(call):
    return call.machine == str(HOST) and call.argv[0].endswith("/api") and call.argv[1] != "GET"


def test_given_a_member_evacuated_by_somebody_when_it_rebooted_then_it_stays_evacuated(hosting):
    evacuation.evacuate(hosting.api(), MEMBER, mode=evacuation.STOP)

    ended = hosting.upgrade()

    assert ended.state is State.DONE, ended
    assert hosting.status() is EVACUATED
    assert not hosting.site.host(HOST).exists(lxd_host.NOTE)


def test_given_a_node_cordoned_by_somebody_when_the_member_rebooted_then_it_stays_cordoned(
    hosting,
):
    kubectl.cordon(hosting.site.host(INSIDE), nodes.KUBECONFIG, NODE)

    assert hosting.upgrade().state is State.DONE

    assert hosting.site.kube(INSIDE).cordoned
    assert hosting.status() is ONLINE


def test_given_a_restore_that_fails_when_rebooted_then_it_says_so_and_boots_no_more(hosting):
    words = ("api", "POST", f"/1.0/cluster/members/{MEMBER}/state")
    hosting.site.machine(HOST).faults.add(pi.Fault(words, pi.fail(1), nth=2, times=0))

    ended = hosting.upgrade()
    for _ in range(3):
        hosting.sleep(6 * 3600)
        said = hosting.wake()

    assert ended.state is State.QUARANTINED, ended
    assert said.reason.startswith("LXD: ")
    assert len(hosting.reboots()) == 2  # There, and back to what ran before.
    hosting.site.machine(HOST).faults.clear()
    assert hosting.wake().isolated
    assert hosting.status() is ONLINE
    assert hosting.instance(PLAIN).running
    hosting.sleep(60)
    assert not hosting.site.kube(INSIDE).cordoned
    assert kube.TAINT in {taint["key"] for taint in hosting.site.kube(INSIDE).taints}


def test_given_a_pod_that_does_not_yield_when_drained_then_the_member_was_never_out(hosting):
    words = ("kubectl", f"--kubeconfig={nodes.KUBECONFIG}", "--request-timeout=10s", "drain")
    hosting.site.machine(INSIDE).faults.add(pi.Fault(words, pi.fail(1, "a budget")))

    ended = hosting.upgrade(drain={"timeout": "60s", "on-block": "skip-node"})

    assert ended.state is State.SKIPPED, ended
    assert "a budget" in ended.reason
    assert hosting.reboots() == []
    assert_as_before(hosting)


def test_given_a_node_without_an_account_when_granted_then_nothing_is_touched(hosting):
    hosting.site.host(INSIDE).remove(nodes.KUBECONFIG)
    hosting.order("prepare")
    hosting.wake()
    hosting.order("grant")

    found = hosting.wake()

    assert found.state is State.WAITING
    assert f"{NODE}, which lives here, has no account" in found.reason


def test_given_another_member_that_is_silent_when_granted_then_this_one_stays(hosting):
    hosting.order("prepare")
    hosting.wake()
    hosting.site.machine(hosting_site.OTHER).power_off()
    hosting.order("grant")

    found = hosting.wake()

    assert found.state is State.WAITING
    assert "LXD" in found.reason


def test_given_a_machine_that_is_all_of_its_cluster_when_it_reboots_then_all_stops_in_order(
    hosting,
):
    for name, order in ((PLAIN, "9"), (NODE, "1")):
        instances.ensure_keys(hosting.api(), name, {"boot.stop.priority": order}, {})
    cluster.remove(hosting.api(HOST), "lxd-3")
    hosting.api = lambda at=HOST: type(hosting).api(hosting, HOST)
    hosting.site.world.calls.clear()

    ended = hosting.upgrade()

    stops = [c.argv[2] for c in hosting.site.world.calls if is_change(c) and "/state" in c.argv[2]]
    assert ended.state is State.DONE, ended
    assert [PLAIN in stops[0], NODE in stops[1]] == [True, True]
    assert_as_before(hosting)
