import json
import pathlib
import re

import pytest
import yaml

import access
import actions
import backup
import microk8s
from edgecloud.host import failures
from edgelab import pi
from node_config import NodeConfig


@pytest.fixture
def run(pis, cluster):
    """Run an action on a machine, with the parameters' defaults filled in."""

    def run(name, number=0, record=None, **params):
        context = actions.Context(
            host=pis.host(number),
            config=params.pop("config", NodeConfig()),
            role=params.pop("role", "control-plane"),
            blockers=params.pop("blockers", ()),
            params=params,
            address=pis.address(number),
            record=record or cluster(0),
        )
        return actions.ACTIONS[name](context)

    return run


def kill(pis, *numbers):
    for number in numbers:
        pis.world.machines[str(number)].power_off()
    return pis.settle()


def test_given_wrong_options_when_asked_then_only_what_needs_them_is_refused(trio, run):
    wrong = {"config": None, "blockers": ("backup-keep: set it to 1 or more",)}

    assert run("uncordon", **wrong)["node"] == "pi-0"
    assert run("cluster-status", format="text", **wrong)["status"]
    assert "FAIL  option: backup-keep" in run("preflight", **wrong)["report"]
    with pytest.raises(actions.ActionError, match="backup-keep: set it to 1 or more"):
        run("backup", **wrong)


# --- what everybody may ask ----------------------------------------------------------------------


def test_given_a_cluster_when_its_status_is_asked_for_then_all_of_it_is_told(trio, run, cluster):
    found = json.loads(run("cluster-status", record=cluster(0, 1, 2), format="json")["status"])

    assert [node["readiness"] for node in found["nodes"]] == ["ready"] * 3
    assert [member["role"] for member in found["members"]] == ["voter"] * 3
    assert found["summary"] == "3/3 nodes ready, 3 voters"
    assert found["steward"] == "edge-a/0"


def test_given_a_dead_node_when_the_status_is_asked_for_as_text_then_it_is_told(
    trio, run, cluster
):
    kill(trio, 2)

    lines = run("cluster-status", record=cluster(0, 1, 2), format="text")["status"].splitlines()

    assert [line.split()[2] for line in lines if line.startswith("node ")][2].startswith("unknown")
    assert "does not answer" in next(line for line in lines if "10.20.0.13" in line)


def test_given_a_cluster_that_is_down_when_its_status_is_asked_for_then_what_is_known_is_told(
    trio, run, cluster
):
    kill(trio, 1, 2)

    text = run("cluster-status", record=cluster(0, 1, 2), format="text")["status"]
    found = json.loads(run("cluster-status", record=cluster(0, 1, 2), format="json")["status"])

    assert found["summary"].startswith("the cluster does not answer: ")
    assert [member["alive"] for member in found["members"]] == [True, False, False]
    assert "server" in text
    assert text.count("does not answer") == 3


@pytest.mark.parametrize(
    "name", ["backup", "cluster-status", "get-kubeconfig", "refresh-certificates", "uncordon"]
)
def test_given_a_machine_without_microk8s_when_asked_for_more_then_it_says_where_to_look(
    pis, run, name
):
    pis.add(0)

    with pytest.raises(actions.ActionError, match=r"not installed .* preflight says"):
        run(name, record=object())


@pytest.mark.parametrize("action", ["drain", "uncordon", "remove-stale-node"])
def test_given_the_name_of_a_node_when_it_is_an_option_of_kubectl_then_juju_refuses_it(action):
    text = (pathlib.Path(actions.__file__).parents[1] / "charmcraft.yaml").read_text()
    shape = re.compile(yaml.safe_load(text)["actions"][action]["params"]["node"]["pattern"])

    assert not any(map(shape.search, ("--all", "-l=a", "a b", "a;b")))
    assert all(map(shape.search, ("pi-1", "pi-1.lan", "10.20.0.11")))


def test_given_options_that_cannot_be_when_checked_then_they_are_on_the_list(single, run):
    blockers = ("role=worker cannot be changed", "channel=1.30 is below the installed 1.35")

    results = run("preflight", blockers=blockers)

    assert results["result"] == "2 to mend"
    assert results["report"].splitlines()[:3] == [
        "FAIL  option: role=worker cannot be changed",
        "FAIL  option: channel=1.30 is below the installed 1.35",
        "ok    64-bit",
    ]


def test_given_a_machine_that_is_fit_when_checked_then_it_says_so(single, run):
    assert run("preflight")["result"] == "this machine is fit"


def test_given_a_machine_that_is_not_fit_when_checked_then_there_is_a_report(pis, run, cluster):
    pis.add(0, mem_kb=430_000)

    results = run("preflight", record=object())

    assert results["result"].endswith("to mend")
    assert "memory" in results["report"].lower()


def test_given_a_node_when_drained_and_uncordoned_then_it_is_cordoned_in_between(trio, run):
    run("drain", timeout=60)
    cordoned = trio.nodes()["pi-0"]

    run("uncordon")

    assert (cordoned, trio.nodes()["pi-0"]) == (True, False)


def test_given_a_worker_when_a_control_plane_drains_it_then_it_is_cordoned(with_worker, run):
    run("drain", node="pi-1", timeout=60)
    cordoned = with_worker.nodes()["pi-1"]

    run("uncordon", node="pi-1")

    assert (cordoned, with_worker.nodes()["pi-1"]) == (True, False)


WORKERS_CANNOT = [
    "backup",
    "drain",
    "get-kubeconfig",
    "refresh-certificates",
    "remove-stale-node",
    "restore",
    "restore-quorum",
    "uncordon",
]


@pytest.mark.parametrize("name", WORKERS_CANNOT)
def test_given_a_worker_when_asked_for_what_it_cannot_do_then_it_says_where(
    with_worker, run, name
):
    with pytest.raises(actions.ActionError, match="run the action on a control plane"):
        run(name, number=1, role="worker")


# --- stale nodes ---------------------------------------------------------------------------------


@pytest.fixture
def stale(trio):
    """A cluster of three whose third machine is gone for good."""
    return kill(trio, 2)


def test_given_a_stale_node_when_only_rehearsed_then_nothing_is_removed(stale, run, cluster):
    results = run("remove-stale-node", record=cluster(0, 1), node="pi-2", **{"dry-run": True})

    assert "would remove pi-2 (10.20.0.13)" in results["result"]
    assert "pi-2" in stale.nodes()


@pytest.mark.parametrize("name", ["pi-2", "10.20.0.13"])
def test_given_a_stale_node_when_removed_by_name_or_address_then_nothing_of_it_is_left(
    stale, run, cluster, name
):
    run("remove-stale-node", record=cluster(0, 1), node=name, **{"dry-run": False})

    assert sorted(stale.nodes()) == ["pi-0", "pi-1"]
    assert stale.members() == ["10.20.0.11", "10.20.0.12"]


@pytest.mark.parametrize(
    ("members", "dead", "name", "reason"),
    [
        pytest.param((0, 1, 2), (2,), "pi-2", "juju remove-unit edge-a/2", id="of a unit"),
        pytest.param((0, 1), (), "pi-2", "is ready", id="ready"),
        pytest.param((0, 1), (2,), "pi-9", "neither Kubernetes nor the datastore", id="unknown"),
    ],
)
def test_given_a_node_that_is_not_stale_when_removed_then_it_is_refused(
    trio, run, cluster, members, dead, name, reason
):
    kill(trio, *dead)

    with pytest.raises(actions.ActionError, match=reason):
        run("remove-stale-node", record=cluster(*members), node=name, **{"dry-run": False})

    assert "pi-2" in trio.nodes()


def test_given_a_node_whose_unit_is_leaving_when_removed_then_it_may_be(
    stale, run, cluster, member
):
    record = cluster(0, members=(member(0), member(1), member(2, "leaving")))

    run("remove-stale-node", record=record, node="pi-2", **{"dry-run": False})

    assert "pi-2" not in stale.nodes()


# --- access, backups, certificates ---------------------------------------------------------------


def test_given_a_scope_when_a_kubeconfig_is_asked_for_then_it_holds_a_token_that_expires(
    single, run
):
    results = run("get-kubeconfig", admin=False, scope="view", namespace="", hours=8)

    (text,) = [value for value in results.values() if "apiVersion" in value]
    assert "10.20.0.11:16443" in text
    assert "client-key-data" not in text


def test_given_too_many_rights_for_all_namespaces_when_asked_for_then_they_are_refused(
    single, run
):
    with pytest.raises(access.AccessError):
        run("get-kubeconfig", admin=False, scope="admin", namespace="", hours=8)


def test_given_a_backup_when_taken_then_it_is_listed(single, run):
    taken = run("backup")

    listed = run("list-backups")
    assert any(name in repr(listed) for name in taken.values() if name.endswith((".gz", ".zst")))


def test_given_no_such_archive_when_restored_then_it_is_refused(single, run):
    with pytest.raises(backup.BackupError):
        run("restore", backup="none.tar.gz", **{"dry-run": True})


def test_given_a_healthy_quorum_when_its_restoration_is_planned_then_the_steps_are_shown(
    trio, run
):
    results = run("restore-quorum", step="plan", survivors="", archive="", confirm="")

    assert results["survivors"] == "10.20.0.11"


def test_given_certificates_that_are_good_when_refreshed_then_force_decides(single, run):
    before = single.host(0).read(f"{microk8s.CERTS}/server.crt")

    run("refresh-certificates", force=True)

    assert single.host(0).read(f"{microk8s.CERTS}/server.crt") != before


def test_given_any_failure_when_an_action_ends_then_the_charm_knows_it(single, run):
    single.fail(0, "/snap/microk8s/current/kubectl", effect=pi.fail(1, "forbidden"), times=0)

    with pytest.raises(failures.WorkloadError, match="forbidden"):
        run("uncordon")


# --- restart kubelite ----------------------------------------------------------------------------

KUBELITE = ("/usr/bin/snap", "restart", "microk8s.daemon-kubelite")


def test_given_a_healthy_site_when_kubelite_is_restarted_then_it_is_on_this_machine_only(
    trio, run
):
    found = run("restart-kubelite", force=False)

    assert found["node"] == "pi-0"
    assert [call.machine for call in trio.ran(*KUBELITE)] == ["0"]


def test_given_another_node_away_when_a_restart_is_asked_for_then_only_force_does_it(trio, run):
    kill(trio, 2)

    with pytest.raises(actions.ActionError, match="pi-2 not ready: mend that first"):
        run("restart-kubelite", force=False)
    before = trio.ran(*KUBELITE)
    run("restart-kubelite", force=True)

    assert (len(before), len(trio.ran(*KUBELITE))) == (0, 1)


def test_given_a_dead_node_that_is_held_for_ready_when_restarted_then_it_is_no_reason_to_refuse(
    trio, run, cluster
):
    trio.world.clusters[trio.world.machines["0"].node.cluster].wedged = True
    kill(trio, 2)
    for _ in range(3):
        text = run("cluster-status", record=cluster(0, 1, 2), format="text")["status"]
        trio.settle(300)

    run("restart-kubelite", force=False)
    trio.settle()
    after = json.loads(run("cluster-status", record=cluster(0, 1, 2), format="json")["status"])

    assert "2/3 nodes ready, 2 voters" in text
    assert "mind      pi-2 is silent but Kubernetes holds it for ready: run restart-kube" in text
    assert after["remarks"] == []
    assert after["nodes"][2]["readiness"] == "unknown"


def test_given_a_cluster_that_is_down_when_a_restart_is_asked_for_then_only_force_does_it(
    trio, run
):
    kill(trio, 1, 2)

    with pytest.raises(actions.ActionError, match=r"the cluster does not answer .* force=true"):
        run("restart-kubelite", force=False)
    run("restart-kubelite", force=True)

    assert len(trio.ran(*KUBELITE)) == 1


def test_given_a_restart_that_snapd_refuses_when_asked_for_then_it_says_so(trio, run):
    trio.fail(0, "snap", "restart")

    with pytest.raises(microk8s.MicroK8sError, match="told to fail"):
        run("restart-kubelite", force=False)
