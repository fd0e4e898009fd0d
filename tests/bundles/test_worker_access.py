"""What a worker may do to its own node, by a token that only it was given."""

import pathlib

import pytest

from edgecloud.agent import draining, kube, settings
from edgecloud.host import kubectl
from edgecloud.interfaces.edge_component import Component
from edgecloud.rollout import terms
from edgecloud.testing import decoded

HERE = pathlib.Path(__file__).parent
CHARM = HERE.parents[1] / "charms" / "edge-microk8s"
FILE = "/var/lib/edge-microk8s/worker.config"
POLICY = terms.Drain(timeout_s=60)


@pytest.fixture(params=range(1, 4), ids=lambda seed: f"seed-{seed}")
def seed(request):
    """Few: the order of hooks is what the tests of membership cover."""
    return request.param


@pytest.fixture
def make(make_site):
    """Make a settled site with workers of another application, and an edge-node beside each."""

    def build(seed, *, pis=1, workers=1):
        site = make_site(seed=seed, pis=pis)
        site.add_application("kiosk-a", CHARM, config={"role": "worker"})
        for _ in range(workers):
            site.add_unit("kiosk-a")
        site.integrate("edge-microk8s:workers", "kiosk-a:control-plane")
        site.add_application("beside", HERE / "wishful_node")
        site.integrate("kiosk-a:component", "beside:principal")
        site.settle()
        return site

    return build


def machine(site, unit):
    return site.world.machines[site.units[unit].machine]


def told(site, unit):
    (relation,) = [r for r in site.relations.values() if r.interface == "edge_component"]
    return decoded(Component, relation.unit_bags[unit].data)


def agent(site, unit):
    """The settings with which the agent beside a worker works."""
    name = machine(site, unit).hostname
    return settings.Settings(name, name, worker=True, kubeconfig=told(site, unit).kubeconfig or "")


def handed_out(site):
    return [s for s in site.secrets.values() if (s.label or "").endswith("node-access")]


def test_given_a_worker_when_settled_then_it_may_drain_its_own_node(make, seed):
    site = make(seed)
    host, mine = machine(site, "kiosk-a/0").host(), agent(site, "kiosk-a/0")

    kube.cordon(host, mine, "plan/1")
    draining.drain(host, mine, POLICY)
    kube.quarantine(host, mine, "plan/1", "it failed")
    tainted = kube.look(host, mine).tainted
    kube.restart_network_pods(host, mine)
    kube.uncordon(host, mine, "plan/1")
    site.settle()

    assert kubectl.get_json(host, mine.kubeconfig, "pv")["items"] == []
    assert mine.kubeconfig == FILE
    assert host.path(FILE).stat().st_mode & 0o777 == 0o600
    assert tainted
    assert not kube.look(host, mine).tainted
    assert [secret.grants for secret in handed_out(site)] == [{3: {"kiosk-a/0"}}]


@pytest.mark.parametrize(
    "words",
    [
        ("cordon", "pi-1"),
        ("get", "nodes"),
        ("get", "secrets", "--all-namespaces"),
        ("delete", "pod", "any", "--namespace=default"),
        ("delete", "node", "pi-2"),
        ("create", "namespace", "mine"),
    ],
    ids=" ".join,
)
def test_given_a_workers_file_when_more_is_asked_for_then_it_is_forbidden(make, words):
    site = make(0)
    host, mine = machine(site, "kiosk-a/0").host(), agent(site, "kiosk-a/0")

    with pytest.raises(kubectl.KubectlError, match="orbidden"):
        kubectl.run(host, mine.kubeconfig, *words)


def test_given_a_steward_that_goes_when_settled_then_the_next_one_made_a_token(make, seed):
    site = make(seed, pis=3)
    before = machine(site, "kiosk-a/0").host().read(FILE)

    site.remove_unit(site.leader())
    site.settle()

    host, mine = machine(site, "kiosk-a/0").host(), agent(site, "kiosk-a/0")
    assert host.read(FILE) != before
    draining.drain(host, mine, POLICY)
    kubectl.uncordon(host, mine.kubeconfig, mine.node)
    assert len(handed_out(site)) == 1


def test_given_a_worker_when_it_is_removed_then_its_account_and_its_secret_are_gone(make, seed):
    site = make(seed, workers=2)
    accounts = site.cluster().kind("serviceaccounts")
    before = {name for name in accounts if "worker-" in name}

    site.remove_unit("kiosk-a/0")
    site.settle()

    assert len(before) == 2
    assert [name for name in accounts if "worker-" in name] == [
        f"edge-access/worker-{machine(site, 'kiosk-a/1').hostname}"
    ]
    assert len(handed_out(site)) == 1
    for kind in ("clusterroles", "clusterrolebindings", "roles", "rolebindings"):
        assert sum("worker-" in name for name in site.cluster().kind(kind)) == 1
