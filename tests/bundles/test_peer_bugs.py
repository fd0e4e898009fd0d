"""What charms of the same kind get wrong: each behaviour here was once seen to fail elsewhere.

Applications carry odd names, because a name is the operator's.
"""

import json
import pathlib
import textwrap

import invariants
import pytest

from edgelab import model, pi

REPOSITORY = pathlib.Path(__file__).parents[2]
CHARM = REPOSITORY / "charms" / "edge-microk8s"
CERTS = "/var/snap/microk8s/current/certs"
ARGS = "/var/snap/microk8s/current/args"

AGENT = {
    "charmcraft.yaml": """
        name: agent
        type: charm
        summary: Reads what there is to scrape.
        description: For tests.
        subordinate: true
        requires:
          cos-agent: {interface: cos_agent, scope: container}
        parts:
          shared:
            plugin: dump
            source: %s/lib
            organize: {edgecloud: lib/edgecloud}
    """,
    "src/charm.py": """
        import ops

        class AgentCharm(ops.CharmBase):
            pass
    """,
}


class Lab(model.Model):
    """A model that is watched, with short ways to ask it things."""

    def __init__(self, folder, seed):
        super().__init__(folder, seed=seed)
        self.watch = invariants.Watch(self)
        self.offers = []
        self.record.watchers.append(self._note_offers)

    def deploy_pis(self, app, count, *, role="control-plane", options=None, **hardware):
        """Deploy the charm under a name of somebody's choice, each unit on a Pi of its own."""
        self.add_application(app, CHARM, config={"role": role, **(options or {})})
        for _ in range(count):
            self.add_unit(app, self.add_machine(**hardware))
        return self

    def host(self, unit):
        return self.world.machines[self.units[unit].machine].host()

    def leader(self, app):
        return self.applications[app].leader

    def follower(self, app):
        names = sorted(unit.name for unit in self.units.values() if unit.app == app)
        return next(name for name in names if name != self.leader(app))

    def node(self, unit):
        return self.world.machines[self.units[unit].machine].hostname

    def nodes(self):
        return {name for cluster in self.world.clusters.values() for name in cluster.nodes}

    def members(self):
        return {m.ip for cluster in self.world.clusters.values() for m in cluster.members}

    def status(self, unit):
        return str(self.units[unit].status)

    def ran(self, *words):
        """The commands that hold all of these words, in order."""
        return [call for call in self.world.calls if set(words) <= set(call.argv)]

    def _note_offers(self, _):
        for secret in self.secrets.values():
            content = secret.revisions[secret.latest]
            grantees = {unit for to in secret.grants.values() for unit in to}
            if "url" in content and (content["url"], grantees) not in self.offers:
                self.offers.append((content["url"], grantees))


@pytest.fixture
def lab(tmp_path, request):
    with Lab(tmp_path / "lab", seed=getattr(request, "param", 3)) as lab:
        yield lab


IN_ANY_ORDER = pytest.mark.parametrize("lab", range(4), indirect=True, ids="seed-{}".format)
"""For what hooks in another order might break, and no other test on all seeds covers."""


@pytest.fixture
def agent(tmp_path):
    for name, text in AGENT.items():
        path = tmp_path / "agent" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).replace("%s", str(REPOSITORY)))
    return tmp_path / "agent"


def settle(lab):
    lab.settle()
    lab.watch.settled()


# --- who is in, and who goes out ----------------------------------------------------------------


@pytest.mark.parametrize("app", ["kubernetes", "edge-a", "k8s-worker-gpu"])
def test_given_any_application_name_when_a_unit_is_removed_then_its_node_leaves(lab, app):
    lab.deploy_pis(app, 2)
    settle(lab)
    gone = lab.node(f"{app}/1")

    lab.remove_unit(f"{app}/1")
    settle(lab)

    assert lab.nodes() == {lab.node(f"{app}/0")}
    assert gone not in lab.nodes()


def test_given_a_leader_whose_machine_dies_when_removed_then_the_next_leader_removes_its_node(lab):
    lab.deploy_pis("kubernetes", 3)
    settle(lab)
    leader = lab.leader("kubernetes")
    node, address = lab.node(leader), lab.address(lab.units[leader])

    lab.power_off(lab.units[leader].machine)
    lab.advance(300)
    lab.remove_unit(leader, force=True)
    settle(lab)

    assert node not in lab.nodes()
    assert address not in lab.members()
    assert len(lab.nodes()) == 2


@IN_ANY_ORDER
def test_given_a_leader_that_is_removed_when_it_sees_the_others_depart_then_it_removes_nobody(lab):
    lab.deploy_pis("edge-a", 3)
    settle(lab)
    leader = lab.leader("edge-a")
    staying = lab.nodes() - {lab.node(leader)}

    lab.remove_unit(leader)
    settle(lab)

    assert lab.nodes() == staying


@IN_ANY_ORDER
def test_given_no_leader_when_a_member_dies_then_a_later_leader_removes_it(lab):
    lab.deploy_pis("kubernetes", 4)
    settle(lab)
    leader = lab.leader("kubernetes")
    dead = lab.follower("kubernetes")
    node = lab.node(dead)

    lab.cut_controller(lab.units[leader].machine)
    lab.power_off(lab.units[dead].machine)
    lab.remove_unit(dead, force=True)
    lab.advance(900)
    lab.heal_controller()
    settle(lab)

    assert node not in lab.nodes()
    assert len(lab.nodes()) == 3


@IN_ANY_ORDER
def test_given_a_removal_that_fails_when_tried_again_then_the_dead_node_is_not_forgotten(lab):
    lab.deploy_pis("edge-a", 3)
    settle(lab)
    dead = lab.follower("edge-a")
    node = lab.node(dead)
    for machine in lab.world.machines.values():
        fault = pi.Fault(("microk8s", "remove-node"), pi.fail(1, "database is locked"), times=2)
        machine.faults.add(fault)

    lab.power_off(lab.units[dead].machine)
    lab.remove_unit(dead, force=True)
    settle(lab)

    assert node not in lab.nodes()


def test_given_a_dead_machine_when_another_takes_its_address_then_it_joins(lab):
    lab.deploy_pis("edge-a", 3)
    settle(lab)
    dead = lab.follower("edge-a")
    machine = lab.world.machines[lab.units[dead].machine]
    lab.power_off(machine.id)
    lab.remove_unit(dead, force=True)
    lab.world.remove_machine(machine.id)

    lab.add_unit("edge-a", lab.add_machine(hostname="pi-new", address=machine.address))
    settle(lab)

    assert machine.hostname not in lab.nodes()
    assert "pi-new" in lab.nodes()
    assert len(lab.members()) == 3


def test_given_a_unit_that_is_removed_when_it_leaves_then_its_pods_move_away_first(lab):
    lab.deploy_pis("edge-a", 3)
    settle(lab)
    gone = lab.follower("edge-a")

    lab.remove_unit(gone)
    settle(lab)

    drained, left = lab.ran("drain")[0], lab.ran("leave")[0]
    assert drained.time < left.time
    assert drained.machine == left.machine


def test_given_a_unit_that_is_removed_when_it_is_gone_then_no_key_is_left_on_its_disk(lab):
    lab.deploy_pis("edge-a", 2)
    settle(lab)
    gone = lab.host("edge-a/1")

    lab.remove_unit("edge-a/1")
    settle(lab)

    assert not gone.glob("/var/snap/microk8s/**/*.key")
    assert not gone.glob("/var/lib/edge-microk8s/*.json")


# --- one cluster, by tokens that nobody else can use ---------------------------------------------


@IN_ANY_ORDER
def test_given_a_leader_that_changes_after_every_hook_when_installed_then_there_is_one_cluster(
    lab,
):
    lab.deploy_pis("kubernetes", 3)
    units = sorted(lab.units)
    lab.record.watchers.append(
        lambda _: (
            lab.move_leader("kubernetes", units[len(lab.record.hooks) % 3])
            if len(lab.record.hooks) < 60
            else None
        )
    )

    settle(lab)

    assert [len(cluster.nodes) for cluster in lab.world.clusters.values() if cluster.nodes] == [3]


@IN_ANY_ORDER
def test_given_two_applications_when_deployed_then_each_has_a_cluster_of_its_own(lab):
    lab.deploy_pis("kubernetes", 2)
    lab.deploy_pis("edge-a", 1)

    settle(lab)

    clusters = [set(cluster.nodes) for cluster in lab.world.clusters.values() if cluster.nodes]
    assert sorted(clusters, key=len) == [{"pi-3"}, {"pi-1", "pi-2"}]


@IN_ANY_ORDER
def test_given_units_that_join_when_offered_then_each_gets_a_token_of_its_own(lab):
    lab.deploy_pis("edge-a", 3)

    settle(lab)

    tokens = [url.split("/")[1] for url, _ in lab.offers]
    assert len(set(tokens)) == len(tokens) >= 2
    assert [len(grantees) for _, grantees in lab.offers] == [1] * len(tokens)


def test_given_an_offer_when_looked_at_then_it_names_the_certificate_to_trust(lab):
    lab.deploy_pis("edge-a", 2)

    settle(lab)

    assert lab.offers
    assert all(len(url.split("/")) == 3 for url, _ in lab.offers)


def test_given_a_join_that_is_refused_when_tried_again_then_the_token_is_a_new_one(lab):
    lab.deploy_pis("edge-a", 1)
    settle(lab)
    joiner = lab.add_unit("edge-a")
    refused = pi.fail(1, "Connection failed. The node is already known to dqlite (504).")
    lab.world.machines[joiner.machine].faults.add(pi.Fault(("snap", "run"), refused))

    settle(lab)

    assert len({url for url, _ in lab.offers}) >= 2
    assert lab.node(joiner.name) in lab.nodes()
    assert lab.units[joiner.name].failed is None


@IN_ANY_ORDER
def test_given_machines_of_the_same_host_name_when_deployed_then_the_second_is_told_to_rename(lab):
    lab.deploy_pis("edge-a", 1, hostname="raspberrypi")
    settle(lab)

    lab.add_unit("edge-a", lab.add_machine(hostname="raspberrypi", address="10.20.0.99"))
    lab.settle()

    assert lab.status("edge-a/0").startswith("active")
    assert lab.status("edge-a/1").startswith("blocked: host name raspberrypi is taken by edge-a/0")
    assert not lab.offers


def test_given_a_board_with_too_little_memory_when_deployed_then_it_says_so_and_installs_nothing(
    lab,
):
    lab.deploy_pis("edge-a", 1, mem_kb=430_000)

    lab.settle()

    assert lab.status("edge-a/0").startswith("blocked")
    assert "memory" in lab.status("edge-a/0").lower()
    assert not lab.ran("install")


def test_given_a_role_that_does_not_exist_when_it_is_corrected_then_the_unit_installs(lab):
    lab.deploy_pis("edge-a", 1, role="controlplane")
    lab.settle()
    blocked = lab.status("edge-a/0")

    lab.set_config("edge-a", {"role": "control-plane"})
    settle(lab)

    assert blocked.startswith("blocked")
    assert lab.status("edge-a/0").startswith("active")


def test_given_a_role_that_is_changed_when_settled_then_the_unit_says_what_to_revert_to(lab):
    lab.deploy_pis("edge-a", 1)
    settle(lab)

    lab.set_config("edge-a", {"role": "worker"})
    lab.settle()

    assert lab.status("edge-a/0").startswith("blocked")
    assert "control-plane" in lab.status("edge-a/0")


# --- the truth about a node, without waiting for it ---------------------------------------------


def test_given_a_worker_that_kubernetes_does_not_hear_when_looked_at_then_it_is_not_active(lab):
    lab.deploy_pis("edge-a", 1)
    lab.deploy_pis("kiosk-a", 1, role="worker")
    lab.integrate("edge-a:workers", "kiosk-a:control-plane")
    settle(lab)

    lab.cut_peers(lab.units["kiosk-a/0"].machine)
    lab.advance(900)

    assert not lab.status("kiosk-a/0").startswith("active")
    assert "1/2 nodes ready" in lab.status("edge-a/0")


def test_given_a_cluster_that_does_not_answer_when_hooks_run_then_none_of_them_waits(lab):
    lab.deploy_pis("edge-a", 3)
    settle(lab)
    silent = lab.units[lab.follower("edge-a")].machine
    before = len(lab.record.hooks)

    lab.cut_peers(silent)
    lab.advance(900)

    hooks = [hook for hook in lab.record.hooks[before:] if hook.machine == silent]
    assert hooks
    assert max(hook.seconds for hook in hooks) < 120
    assert not lab.status(hooks[-1].unit).startswith("active")


def test_given_a_charm_that_is_refreshed_when_settled_then_the_snap_stays_as_it_is(lab):
    lab.deploy_pis("edge-a", 2)
    settle(lab)

    lab.refresh("edge-a")
    settle(lab)

    moves = [call for call in lab.ran("refresh") if "--hold" not in " ".join(call.argv)]
    assert not moves


def test_given_a_machine_when_installed_then_its_snap_does_not_refresh_by_itself(lab):
    lab.deploy_pis("edge-a", 1)

    settle(lab)

    held = lab.ran("refresh") + lab.ran("set")
    assert any("hold" in " ".join(call.argv) for call in held)


# --- options that can be taken back --------------------------------------------------------------


UNDOABLE = {
    "containerd-http-proxy": "http://proxy.lan:3128",
    "containerd-no-proxy": "10.0.0.0/8",
    "extra-sans": "site.lan",
    "registries": json.dumps([{"host": "docker.io", "mirrors": ["http://mirror.lan:5000"]}]),
    "node-labels": "rack=a",
    "autonomy": "forever",
    "datastore": "ssd",
}


def files(host):
    """What the node's arguments and templates say."""
    names = [name for name in host.glob(f"{ARGS}/**/*") if host.path(name).is_file()]
    return {name: host.read(name) for name in names if "edge-microk8s" not in name}


def test_given_options_when_taken_back_then_the_nodes_files_are_as_before(lab):
    lab.deploy_pis("edge-a", 1)
    settle(lab)
    before = files(lab.host("edge-a/0"))

    lab.set_config("edge-a", UNDOABLE)
    settle(lab)
    between = files(lab.host("edge-a/0"))
    lab.reset_config("edge-a", *UNDOABLE)
    settle(lab)

    assert "proxy.lan" in "".join(between.values())
    assert "mirror.lan" in "".join(between.values())
    assert files(lab.host("edge-a/0")) == before


def test_given_two_options_when_changed_at_once_then_both_take_effect(lab):
    lab.deploy_pis("edge-a", 1)
    settle(lab)

    changed = {"containerd-https-proxy": "http://proxy.lan:3128", "node-labels": "rack=b"}
    lab.set_config("edge-a", changed)
    settle(lab)

    (cluster,) = (cluster for cluster in lab.world.clusters.values() if cluster.nodes)
    assert "proxy.lan" in lab.host("edge-a/0").read(f"{ARGS}/containerd-env")
    assert cluster.nodes[lab.node("edge-a/0")].labels["rack"] == "b"


def test_given_a_deployment_without_options_when_settled_then_access_control_is_on(lab):
    lab.deploy_pis("edge-a", 1)

    settle(lab)

    assert "RBAC" in lab.host("edge-a/0").read(f"{ARGS}/kube-apiserver")


# --- telemetry -----------------------------------------------------------------------------------


@pytest.fixture
def scraped(lab, agent):
    """The scrape jobs that a worker offers to the agent beside it."""
    lab.deploy_pis("edge-a", 1)
    lab.deploy_pis("kiosk-a", 1, role="worker")
    lab.integrate("edge-a:workers", "kiosk-a:control-plane")
    lab.add_application("agent", agent)
    lab.integrate("kiosk-a:cos-agent", "agent:cos-agent")
    settle(lab)
    (relation,) = (r for r in lab.relations.values() if r.interface == "cos_agent")
    return json.loads(relation.unit_bags["kiosk-a/0"].data["config"])["metrics_scrape_jobs"]


def test_given_a_worker_with_an_agent_when_settled_then_its_kubelet_is_scraped(scraped):
    assert {job["metrics_path"] for job in scraped} >= {"/metrics", "/metrics/cadvisor"}


def test_given_scrape_jobs_when_offered_then_their_names_are_whole_and_each_is_there_once(scraped):
    names = [job["job_name"] for job in scraped]

    assert len(set(names)) == len(names)
    assert "kubelite-cadvisor" in names


def test_given_scrape_jobs_when_offered_then_certificates_are_checked_and_no_token_is_shown(
    scraped,
):
    assert not [job for job in scraped if job.get("tls_config", {}).get("insecure_skip_verify")]
    assert not [job for job in scraped if "credentials" in job.get("authorization", {})]
