import subprocess

import pytest
import yaml

KUBELET = "/var/snap/microk8s/current/credentials/kubelet.config"

SENTENCE = "microk8s is not running. Use microk8s inspect for a deeper inspection."


def test_given_ready_node_when_asked_then_it_runs_and_names_the_datastore(single):
    result = single.microk8s(0, "status")

    assert result.returncode == 0
    assert result.stdout.splitlines()[:4] == [
        "microk8s is running",
        "high-availability: no",
        "  datastore master nodes: 127.0.0.1:19001",
        "  datastore standby nodes: none",
    ]


def test_given_cordoned_cluster_when_asked_then_it_does_not_run(single):
    single.kubectl(0, "cordon", "pi-0")

    result = single.microk8s(0, "status")

    assert (result.returncode, result.stdout) == (1, SENTENCE + "\n")


def test_given_cordoned_cluster_when_waited_for_then_it_waits_in_vain(single):
    single.kubectl(0, "cordon", "pi-0")

    with pytest.raises(subprocess.TimeoutExpired):
        single.microk8s(0, "status", "--wait-ready", timeout_s=600)

    assert single.microk8s(0, "status", "--wait-ready", "--timeout", "20").returncode == 1


def test_given_one_ready_node_when_asked_on_another_then_the_cluster_runs(trio):
    trio.machine(2).node.sick = "sick"
    trio.snap(2, "restart", "microk8s.daemon-kubelite")
    trio.wait(30)

    assert trio.readiness()["pi-2"] == "False"
    assert trio.microk8s(2, "status").returncode == 0


def test_given_dead_voter_when_asked_then_high_availability_still_says_yes(trio):
    trio.machine(2).power_off()
    trio.wait(100)

    assert "high-availability: yes" in trio.microk8s(0, "status").stdout


def test_given_stopped_node_when_asked_then_exit_0_and_plain_text_even_for_yaml(single):
    single.microk8s(0, "stop")

    result = single.microk8s(0, "status", "--format", "yaml")

    assert result.returncode == 0
    assert result.stdout == "microk8s is not running, try microk8s start\n"


def test_given_worker_when_asked_then_exit_0_and_a_sentence(quartet):
    result = quartet.microk8s(3, "status")

    assert result.returncode == 0 and "Please use the control plane node." in result.stdout


def test_given_ready_node_when_asked_for_yaml_then_it_parses(trio):
    found = yaml.safe_load(trio.microk8s(0, "status", "--format", "yaml").stdout)

    assert found["microk8s"]["running"] is True
    assert [node["role"] for node in found["high-availability"]["nodes"]] == ["voter"] * 3
    addons = {item["name"]: item for item in found["addons"]}
    assert addons["dns"]["status"] == "enabled"
    assert addons["ingress"]["version"] is None


def test_given_two_nodes_when_asked_for_yaml_then_enabled_does_not_mean_highly_available(pair):
    found = yaml.safe_load(pair.microk8s(0, "status", "--format", "yaml").stdout)

    assert found["high-availability"]["enabled"] is True
    assert "high-availability: no" in pair.microk8s(0, "status").stdout


def test_given_unready_node_when_asked_for_yaml_then_the_message_is_misplaced(single):
    single.kubectl(0, "cordon", "pi-0")

    found = yaml.safe_load(single.microk8s(0, "status", "--format", "yaml").stdout)

    assert found["microk8s"] == {"running": False}
    assert found["high-availability"]["message"] == SENTENCE
    assert "addons" not in found


def test_given_silent_datastore_when_asked_then_nodes_are_null_and_it_takes_its_time(single):
    single.snap(0, "stop", "microk8s.daemon-k8s-dqlite")
    before = single.world.clock.now()

    found = yaml.safe_load(single.microk8s(0, "status", "--format", "yaml").stdout)

    assert found["high-availability"]["nodes"] is None
    assert single.world.clock.now() - before >= 20


def test_given_missing_info_when_asked_then_it_dies_with_a_traceback(single):
    single.host(0).remove("/var/snap/microk8s/current/var/kubernetes/backend/info.yaml")

    result = single.microk8s(0, "status")

    assert result.returncode == 1 and "FileNotFoundError" in result.stderr


@pytest.mark.parametrize(
    ("addon", "said"), [("dns", "enabled"), ("registry", "disabled"), ("typo", "disabled")]
)
def test_given_addon_when_asked_for_then_only_its_state_is_printed(single, addon, said):
    result = single.microk8s(0, "status", "-a", addon)

    assert (result.returncode, result.stdout) == (0, said + "\n")


def test_given_unready_node_when_addon_is_asked_for_then_disabled_and_exit_1(single):
    single.kubectl(0, "cordon", "pi-0")

    result = single.microk8s(0, "status", "--addon", "dns")

    assert (result.returncode, result.stdout) == (1, "disabled\n")


def test_given_short_format_when_asked_then_each_addon_is_a_line(single):
    assert "core/dns: enabled" in single.microk8s(0, "status", "--format", "short").stdout


def test_given_old_flag_when_asked_then_the_layout_is_another(single):
    found = yaml.safe_load(single.microk8s(0, "status", "--yaml").stdout)

    assert found["microk8s"] == {"running": True}
    assert found["addons"]["core/dns"] == "enabled"


def test_given_bad_option_when_asked_then_exit_2(single):
    assert single.microk8s(0, "status", "--format", "toml").returncode == 2


def test_given_arm64_when_asked_then_amd64_addons_are_not_listed(single):
    assert "nvidia" not in single.microk8s(0, "status").stdout


@pytest.mark.parametrize(
    "command", ["kubectl", "config", "refresh-certs", "start", "stop", "helm"]
)
def test_given_worker_when_command_is_not_for_it_then_exit_0_and_a_sentence(quartet, command):
    before = quartet.machine(3).node.services["kubelite"].since

    result = quartet.microk8s(3, command, "get")

    assert result.returncode == 0
    assert "acting as a node in a cluster" in result.stdout
    assert quartet.machine(3).node.services["kubelite"].since == before


@pytest.mark.parametrize(
    ("command", "code", "stream"),
    [
        ("kubectl", 1, "stderr"),
        ("enable", 1, "stderr"),
        ("add-node", 1, "stdout"),
        ("leave", 1, "stdout"),
    ],
)
def test_given_stopped_node_when_command_is_run_then_it_says_so(single, command, code, stream):
    single.microk8s(0, "stop")

    result = single.microk8s(0, command, "x")

    assert result.returncode == code and "not running" in getattr(result, stream)


def test_given_stop_when_rebooted_then_it_stays_stopped_until_started(single):
    single.microk8s(0, "stop")
    single.machine(0).reboot()
    single.wait(120)
    stopped = single.machine(0).node.services["kubelite"].active

    single.microk8s(0, "start")
    single.wait(60)

    assert not stopped
    assert single.microk8s(0, "status").returncode == 0


def test_given_plain_snap_stop_when_rebooted_then_it_runs_again_and_there_is_no_lock(single):
    single.snap(0, "stop", "microk8s")
    locked = single.has_lock(0, "stopped.lock")

    single.machine(0).reboot()
    single.wait(120)

    assert not locked
    assert single.readiness() == {"pi-0": "True"}


def test_given_unknown_subcommand_when_run_then_exit_1(single):
    assert "not a valid" in single.microk8s(0, "upgrade").stdout
    assert single.microk8s(0).returncode == 1


def test_given_version_when_asked_then_it_names_version_and_revision(single):
    revision = single.machine(0).snaps["microk8s"].revision

    assert single.microk8s(0, "version").stdout == f"MicroK8s v1.35.2 revision {revision}\n"


def test_given_config_when_asked_then_loopback_is_replaced_unless_wanted(single):
    assert "https://10.20.0.11:16443" in single.microk8s(0, "config").stdout
    assert "https://127.0.0.1:16443" in single.microk8s(0, "config", "-l").stdout


def test_given_unreadable_credentials_when_run_then_permission_is_missing(single):
    single.host(0).remove("/var/snap/microk8s/current/credentials/client.config")

    assert "Insufficient permissions" in single.microk8s(0, "status").stderr


def test_given_inspection_when_a_service_is_down_then_exit_1(single):
    good = single.microk8s(0, "inspect").returncode
    single.snap(0, "stop", "microk8s.daemon-containerd")

    bad = single.microk8s(0, "inspect")

    assert good == 0 and bad.returncode == 1
    assert " FAIL:  Service snap.microk8s.daemon-containerd is not running" in bad.stdout


def test_given_lost_quorum_when_inspected_then_services_are_still_running(trio):
    for at in (1, 2):
        trio.machine(at).power_off()

    assert trio.microk8s(0, "inspect").returncode == 0


def test_given_cluster_when_reset_then_exit_0_and_nothing_is_done(pair):
    pair.kubectl(0, "create", "namespace", "mine")

    result = pair.microk8s(0, "reset")

    assert result.returncode == 0 and "multi-node" in result.stdout
    assert "/mine" in pair.cluster().kind("namespaces")


def test_given_lone_node_when_reset_then_it_is_as_new(single):
    single.kubectl(0, "create", "namespace", "mine")

    assert single.microk8s(0, "reset").returncode == 0
    assert "/mine" not in single.cluster().kind("namespaces")


def test_given_silent_node_when_images_are_imported_then_exit_0_all_the_same(trio):
    trio.machine(2).power_off()

    result = trio.microk8s(0, "images", "import", "pause.tar")

    assert result.returncode == 0 and "Failed to import" in result.stdout
    assert "pause.tar" in trio.microk8s(1, "ctr", "image", "ls").stdout


def test_given_worker_when_images_are_imported_then_it_fails(quartet):
    assert quartet.microk8s(3, "images", "import", "x.tar").returncode == 1


def test_given_worker_when_containers_are_asked_for_then_it_answers(quartet):
    assert quartet.microk8s(3, "ctr", "image", "ls").returncode == 0
    quartet.snap(3, "stop", "microk8s.daemon-containerd")
    assert quartet.microk8s(3, "ctr", "image", "ls").returncode == 1


def test_given_helm_when_listed_then_there_are_no_releases(single):
    assert single.microk8s(0, "helm3", "list").stdout.startswith("NAME")


def test_given_worker_when_the_api_is_asked_directly_then_it_answers(quartet):
    assert quartet.kubectl(3, "get", "nodes", config=KUBELET).returncode == 0
