import subprocess

import pytest

from edgelab import pi

TARGET = "--channel=1.36/stable"


def publish(site, mood, revision="9100"):
    site.world.store.publish("microk8s", "1.36/stable", "arm64", revision, "v1.36.9")
    site.world.bad_revisions[revision] = mood


def version(site, at):
    return site.machine(at).snaps["microk8s"].version


def test_given_refresh_when_done_then_kubelet_version_and_data_folder_are_new(single):
    single.host(0).write("/var/snap/microk8s/current/mine", "kept")
    old = single.machine(0).snaps["microk8s"].revision

    single.snap(0, "refresh", "microk8s", TARGET)
    single.wait(60)

    new = single.machine(0).snaps["microk8s"].revision
    assert single.cluster().nodes["pi-0"].kubelet_version == "v1.36.2"
    assert single.host(0).read(f"/var/snap/microk8s/{new}/mine") == "kept"
    assert single.host(0).read(f"/var/snap/microk8s/{old}/mine") == "kept"


def test_given_refresh_when_running_then_the_node_is_not_ready_for_a_while(single):
    single.snap(0, "refresh", "microk8s", TARGET)
    single.wait(6)

    during = single.readiness()
    single.wait(30)

    assert during == {"pi-0": "False"}
    assert single.readiness() == {"pi-0": "True"}


def test_given_refresh_when_done_then_old_default_arguments_stay(site):
    site.install(0, channel="1.34/stable")

    site.snap(0, "refresh", "microk8s", "--channel=1.35/stable")

    assert "--pod-infra-container-image" in site.arguments(0, "kubelet")


def test_given_refreshed_lone_node_when_reverted_then_later_writes_are_lost(single):
    single.snap(0, "refresh", "microk8s", TARGET)
    single.wait(60)
    single.kubectl(0, "create", "namespace", "late")

    single.snap(0, "revert", "microk8s")
    single.wait(60)

    assert "/late" not in single.cluster().kind("namespaces")
    assert single.cluster().nodes["pi-0"].kubelet_version == "v1.35.2"
    assert single.cluster().regressions


def test_given_member_of_three_when_reverted_then_nothing_is_lost_but_it_is_noted(trio):
    trio.snap(1, "refresh", "microk8s", TARGET)
    trio.wait(60)
    trio.kubectl(0, "create", "namespace", "late")

    trio.snap(1, "revert", "microk8s")
    trio.wait(60)

    assert "/late" in trio.cluster().kind("namespaces")
    assert trio.cluster().regressions[0].startswith("1@")


def test_given_worker_when_reverted_then_nothing_is_noted(quartet):
    quartet.snap(3, "refresh", "microk8s", TARGET)
    quartet.snap(3, "revert", "microk8s")
    quartet.wait(60)

    assert quartet.cluster().regressions == []
    assert quartet.readiness()["pi-3"] == "True"


def test_given_join_after_refresh_when_reverted_then_the_node_is_alone_again(site):
    site.install(0, 1)
    site.snap(1, "refresh", "microk8s", TARGET)
    site.wait(60)
    site.join(1)
    site.wait(60)

    site.snap(1, "revert", "microk8s")
    site.wait(60)

    assert site.cluster(1) is not site.cluster(0)
    assert len(site.cluster(0).members) == 2


def test_given_files_when_reverted_then_they_are_as_before_the_refresh(single):
    path = "/var/snap/microk8s/current/args/kubelet"
    single.snap(0, "refresh", "microk8s", TARGET)
    single.host(0).write(path, single.host(0).read(path) + "--max-pods=5\n")

    single.snap(0, "revert", "microk8s")

    assert "--max-pods" not in single.host(0).read(path)


def test_given_nothing_older_when_reverted_then_it_fails(single):
    assert single.snap(0, "revert", "microk8s").returncode == 1


def test_given_two_refreshes_when_retained_then_the_oldest_is_gone(single):
    oldest = single.machine(0).snaps["microk8s"].revision
    for channel in ("1.36/stable", "1.36/edge"):
        single.snap(0, "refresh", "microk8s", f"--channel={channel}")

    assert oldest not in single.machine(0).snaps["microk8s"].revisions
    assert not single.host(0).exists(f"/var/snap/microk8s/{oldest}")


def test_given_failing_revision_when_refreshed_then_snapd_undoes_it(trio):
    publish(trio, "fails")

    result = trio.snap(1, "refresh", "microk8s", TARGET)
    trio.wait(60)

    assert result.returncode == 1 and 'Run configure hook of "microk8s" snap' in result.stderr
    assert version(trio, 1) == "v1.35.2"
    assert set(trio.readiness().values()) == {"True"}
    assert trio.cluster().regressions


def test_given_hanging_revision_when_refreshed_then_the_client_waits_for_ever(single):
    publish(single, "hangs")

    with pytest.raises(subprocess.TimeoutExpired):
        single.snap(0, "refresh", "microk8s", TARGET, timeout_s=3600)

    single.wait(86400)
    assert version(single, 0) == "v1.35.2"
    assert "Doing" in single.snap(0, "changes").stdout


def test_given_sick_revision_when_refreshed_then_the_node_never_gets_ready(single):
    publish(single, "sick")

    assert single.snap(0, "refresh", "microk8s", TARGET).returncode == 0
    single.wait(3600)

    assert single.readiness() == {"pi-0": "False"}
    assert single.machine(0).node.services["kubelite"].active


def test_given_sick_revision_when_reverted_then_the_node_gets_ready(single):
    publish(single, "sick")
    single.snap(0, "refresh", "microk8s", TARGET)

    single.snap(0, "revert", "microk8s")
    single.wait(60)

    assert single.readiness() == {"pi-0": "True"}


def test_given_crashing_revision_when_refreshed_then_its_kubelite_does_not_run(trio):
    publish(trio, "crash")

    trio.snap(1, "refresh", "microk8s", TARGET)
    trio.wait(120)

    assert not trio.machine(1).node.services["kubelite"].active
    assert trio.readiness()["pi-1"] == "Unknown"


def test_given_late_crash_when_refreshed_then_it_runs_for_so_long(trio):
    publish(trio, "crash:60")
    trio.snap(1, "refresh", "microk8s", TARGET)
    trio.wait(40)
    early = trio.readiness()["pi-1"]

    trio.wait(120)

    assert early == "True"
    assert trio.readiness()["pi-1"] == "Unknown"


def test_given_bad_on_one_machine_when_another_refreshes_then_it_is_well(trio):
    trio.world.bad_revisions["1/9100"] = "sick"
    trio.world.store.publish("microk8s", "1.36/stable", "arm64", "9100", "v1.36.9")

    for at in (1, 2):
        trio.snap(at, "refresh", "microk8s", TARGET)
    trio.wait(60)

    assert (trio.readiness()["pi-1"], trio.readiness()["pi-2"]) == ("False", "True")


def test_given_full_disk_when_refreshed_then_it_fails_and_the_old_one_runs(single):
    single.machine(0).fill_disk()

    result = single.snap(0, "refresh", "microk8s", TARGET)

    assert result.returncode == 1 and "no space left" in result.stderr
    assert single.machine(0).node.services["kubelite"].active


def test_given_room_for_the_snap_but_not_the_data_when_refreshed_then_copying_fails(single):
    machine = single.machine(0)
    machine.disk_used = machine.disk_bytes - 190 * 1000**2

    result = single.snap(0, "refresh", "microk8s", TARGET)

    assert 'Copy snap "microk8s" data' in result.stderr


def test_given_refreshed_control_plane_when_done_then_its_calico_pod_is_new(trio):
    def pods():
        return {key for key, pod in trio.cluster().kind("pods").items()
                if pod["spec"].get("nodeName") == "pi-1" and "calico-node" in key}  # fmt: skip

    before = pods()
    trio.snap(1, "refresh", "microk8s", TARGET)
    trio.wait(60)

    assert pods() and pods() != before


def test_given_refreshed_worker_when_a_day_passed_then_its_calico_pod_fails(quartet):
    quartet.snap(3, "refresh", "microk8s", TARGET)
    quartet.wait(3600)
    early = calico_ready(quartet)

    quartet.wait(86400)

    assert early
    assert not calico_ready(quartet)


def test_given_refreshed_worker_when_calico_is_restarted_then_it_stays_well(quartet):
    quartet.snap(3, "refresh", "microk8s", TARGET)
    quartet.wait(60)

    quartet.kubectl(0, "-n", "kube-system", "delete", "pod", "-l", "k8s-app=calico-node")
    quartet.wait(2 * 86400)

    assert calico_ready(quartet)


def calico_ready(site):
    from edgelab.pi import kube_pods

    return all(
        kube_pods.is_ready(pod)
        for key, pod in site.cluster().kind("pods").items()
        if pod["spec"].get("nodeName") == "pi-3" and "calico-node" in key
    )


@pytest.mark.parametrize(("channel", "restarts"), [("1.33/stable", False), ("1.34/stable", True)])
def test_given_snap_set_when_made_then_newer_revisions_restart_kubelite(site, channel, restarts):
    site.install(0, channel=channel)
    before = site.machine(0).node.services["kubelite"].since

    site.snap(0, "set", "microk8s", "config=version: 0.1.0")

    assert (site.machine(0).node.services["kubelite"].since > before) is restarts


def test_given_power_cut_in_a_refresh_when_power_returns_then_it_is_finished(single):
    single.machine(0).faults.add(pi.Fault(("snap", "refresh"), pi.cut_during()))
    with pytest.raises(pi.PowerCut):
        single.snap(0, "refresh", "microk8s", TARGET)
    single.machine(0).power_on()
    again = single.snap(0, "refresh", "microk8s", TARGET)

    single.wait(200)

    assert again.returncode in (0, 10)
    assert single.readiness() == {"pi-0": "True"}


def test_given_client_killed_in_a_refresh_when_power_is_cut_then_snapd_goes_on_after_boot(single):
    with pytest.raises(subprocess.TimeoutExpired):
        single.snap(0, "refresh", "microk8s", TARGET, timeout_s=5)
    single.machine(0).power_off()
    single.wait(600)
    during = version(single, 0)

    single.machine(0).power_on()
    single.wait(200)

    assert during == "v1.35.2"
    assert version(single, 0) == "v1.36.2"


def test_given_older_channel_when_refreshed_then_nothing_stops_the_downgrade(single):
    assert single.snap(0, "refresh", "microk8s", "--channel=1.34/stable").returncode == 0
    assert version(single, 0) == "v1.34.2"
