"""Sites that upgrade themselves, from the plan to the kubelet, by real charms and real agents."""

import json

import agent_site
import pytest
import sites
import yaml

from edgecloud.host import kubectl
from edgecloud.rollout import ledger


@pytest.fixture(params=range(3), ids=lambda seed: f"seed-{seed}")
def seed(request):
    """Fewer than elsewhere: what depends on the order of hooks alone is in test_upgrades."""
    return request.param


@pytest.fixture
def make_site(tmp_path):
    yield from sites.making(agent_site.AgentSite, tmp_path)


def test_given_three_voters_when_upgraded_then_all_run_the_new_build_one_after_the_other(
    make_site, seed
):
    site = make_site(seed=seed)

    site.start()
    site.settle()

    assert site.phase == "completed"
    assert set(site.builds().values()) == {site.build()}
    assert set(site.versions().values()) == {"v1.36.2"}


def test_given_a_bad_build_when_the_canary_goes_back_then_the_repaired_plan_succeeds(
    make_site, seed
):
    site = make_site(seed=seed)
    before = site.builds()
    site.spoil("sick")

    site.start()
    site.settle()
    stopped, failed, between = site.phase, site.burnt(), site.builds()
    site.start(risk="candidate", generation=2)
    site.settle()

    assert (stopped, len(failed), between) == ("held", 1, before)
    assert site.phase == "completed"
    assert set(site.builds().values()) == {site.build("candidate")}


def test_given_a_plug_that_is_pulled_in_the_middle_when_it_is_back_then_the_site_is_whole(
    make_site, seed
):
    site = make_site(seed=seed)
    (name,) = site.start().until(site.disturbed).disturbed()
    machine = site.machine_of(name)
    site.schedule(site.clock.now() + 7 * seed, lambda: site.power_off(machine.id))
    site.schedule(site.clock.now() + 7 * seed + 120, lambda: site.power_on(machine.id))

    site.settle()

    assert site.rollout.phase in ledger.TERMINAL
    assert len(site.cluster().voters()) == 3
    assert set(site.states().values()) <= {"done", "idle", "rolled-back"}


def test_given_no_controller_in_the_middle_when_cut_then_the_node_finishes_alone(make_site, seed):
    site = make_site(seed=seed)
    (name,) = site.start().until(site.disturbed).disturbed()

    site.cut_controller()
    site.advance(3600)
    alone = site.states()[name]
    site.heal_controller()
    site.settle()

    assert alone == "done"
    assert site.phase == "completed"


def test_given_a_node_that_an_operator_cordoned_when_upgraded_then_it_waits_for_the_operator(
    make_site, seed
):
    site = make_site(seed=seed, planes=1, workers=1)
    worker = next(unit for unit in site.units.values() if unit.app == "worker")
    name = site.world.machines[worker.machine].hostname
    node = site.cluster().nodes[name]
    node.cordoned = True

    # It counts as unavailable, for whatever cause it is; a plan that allows one would wait.
    allowed = {"max-unavailable": "2"}
    site.start(limits=allowed, drain={"timeout": "60s", "single-node": "accept-downtime"})
    site.advance(2400)
    untouched = (site.states()[name], node.cordoned, site.versions()[name])
    node.cordoned = False
    site.settle()

    assert untouched == ("waiting", True, "v1.35.2")
    assert set(site.versions().values()) == {"v1.36.2"}


def test_given_a_budget_that_allows_nothing_when_the_plan_is_rehearsed_then_who_it_holds_is_named(
    make_site,
):
    site = make_site(seed=0)
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web"}]}}
    for kind, version, spec in (
        ("Deployment", "apps/v1", {"replicas": 3, "template": pod}),
        ("PodDisruptionBudget", "policy/v1", {"minAvailable": 3}),
    ):
        about = {"name": "web", "namespace": "default"}
        said = {"apiVersion": version, "kind": kind, "metadata": about}
        text = json.dumps({**said, "spec": {"selector": {"matchLabels": labels}, **spec}})
        host = next(iter(site.world.machines.values())).host()
        host.run((kubectl.KUBECTL, "apply", "-f", "-"), timeout_s=60, stdin=text)
    site.advance(agent_site.HOUR_S + 600)
    where = {
        item["spec"]["nodeName"]
        for item in site.cluster().kind("pods").values()
        if item["metadata"].get("labels") == labels
    }

    written = yaml.safe_dump(site.document())
    run = site.run(f"{agent_site.CONTROL}/leader", "rehearse", {"plan": written})

    lines = run.results["report"].splitlines()
    found = {line.split()[4].rstrip(",") for line in lines if line.startswith("would not drain")}
    assert where
    assert found == where
    assert all(line.endswith("default/web") for line in lines if line.startswith("would not"))
