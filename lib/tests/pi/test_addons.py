import json

import pytest


def test_given_addon_when_enabled_then_its_pods_run(single):
    result = single.microk8s(0, "enable", "metrics-server")
    single.wait(10)

    assert result.returncode == 0
    assert "Infer repository core for addon metrics-server" in result.stderr
    names = [pod["metadata"]["name"] for pod in single.cluster().kind("pods").values()]
    assert any(name.startswith("metrics-server-") for name in names)


def test_given_enabled_addon_when_enabled_with_other_arguments_then_they_are_dropped(single):
    single.microk8s(0, "enable", "metallb:10.0.0.1-10.0.0.9")

    result = single.microk8s(0, "enable", "metallb:10.0.0.20-10.0.0.29")

    assert result.returncode == 0 and "already enabled" in result.stdout
    assert single.cluster().addons["metallb"] == ["10.0.0.1-10.0.0.9"]


def test_given_unknown_name_when_enabled_then_exit_1(single):
    result = single.microk8s(0, "enable", "typo")

    assert result.returncode == 1 and "was not found in any repository" in result.stderr


def test_given_unknown_prefixed_name_when_enabled_then_exit_0(single):
    result = single.microk8s(0, "enable", "core/typo")

    assert result.returncode == 0 and "Addon core/typo not found" in result.stdout


def test_given_community_addon_when_its_repository_is_missing_then_there_is_a_hint(single):
    missing = single.microk8s(0, "enable", "portainer")
    single.microk8s(0, "enable", "community")

    assert missing.returncode == 1 and "microk8s enable community" in missing.stderr
    assert single.microk8s(0, "enable", "portainer").returncode == 0


def test_given_amd64_addon_when_enabled_on_a_pi_then_it_is_unknown(single):
    assert single.microk8s(0, "enable", "nvidia").returncode == 1


def test_given_newest_track_when_dashboard_is_enabled_then_it_is_gone(site):
    site.install(0, channel="1.36/stable")

    assert site.microk8s(0, "enable", "dashboard").returncode == 1


@pytest.mark.parametrize(("channel", "code"), [("1.34/stable", 0), ("1.35/stable", 1)])
def test_given_no_uplink_when_ingress_is_enabled_then_only_older_tracks_can(site, channel, code):
    site.install(0, channel=channel)
    site.machine(0).uplink = False

    assert site.microk8s(0, "enable", "ingress").returncode == code
    assert ("ingress" in site.cluster().addons) is (code == 0)


def test_given_metallb_without_range_when_enabled_then_it_prompts_and_fails(single):
    assert single.microk8s(0, "enable", "metallb").returncode == 1
    assert single.microk8s(0, "enable", "metallb", stdin="10.0.0.1-10.0.0.9\n").returncode == 0


def test_given_hostpath_storage_when_disabled_then_it_prompts_about_the_data(single):
    single.microk8s(0, "enable", "hostpath-storage")

    assert single.microk8s(0, "disable", "hostpath-storage").returncode == 1
    assert single.microk8s(0, "disable", "hostpath-storage", stdin="N\n").returncode == 0


def test_given_alias_when_enabled_then_the_addon_is(single):
    single.microk8s(0, "enable", "storage")

    assert "hostpath-storage" in single.cluster().addons


def test_given_registry_when_enabled_then_storage_comes_along(single):
    single.microk8s(0, "enable", "registry", "--size", "20Gi")

    assert {"registry", "hostpath-storage"} <= single.cluster().addons.keys()


def test_given_disabled_addon_when_disabled_again_then_exit_0(single):
    result = single.microk8s(0, "disable", "metrics-server")

    assert result.returncode == 0 and "already disabled" in result.stdout


def test_given_addon_when_disabled_then_its_pods_go(single):
    single.microk8s(0, "disable", "dns")
    single.wait(10)

    assert not [key for key in single.cluster().kind("pods") if "coredns" in key]
    assert "cluster-dns" not in single.arguments(0, "kubelet")


def test_given_several_addons_when_enabled_at_once_then_a_warning(single):
    result = single.microk8s(0, "enable", "metrics-server", "registry")

    assert result.returncode == 0 and "WARNING" in result.stderr
    assert {"metrics-server", "registry"} <= single.cluster().addons.keys()


def test_given_rbac_when_enabled_then_every_control_plane_asks_for_roles(trio):
    trio.microk8s(0, "enable", "rbac")

    modes = [line for at in range(3) for line in trio.arguments(at, "kube-apiserver").splitlines()
             if "authorization-mode" in line]  # fmt: skip
    assert modes == ["--authorization-mode=RBAC,Node"] * 3


def test_given_no_api_when_enabled_then_it_waits_and_fails(single):
    single.snap(0, "stop", "microk8s.daemon-kubelite")
    before = single.world.clock.now()

    assert single.microk8s(0, "enable", "registry").returncode == 1
    assert single.world.clock.now() - before >= 30


def test_given_refresh_when_addons_are_listed_then_the_old_repository_still_rules(single):
    single.snap(0, "refresh", "microk8s", "--channel=1.36/stable")
    single.wait(60)
    before = single.microk8s(0, "status").stdout

    single.microk8s(0, "addons", "repo", "update", "core")

    assert "dashboard" in before
    assert "dashboard" not in single.microk8s(0, "status").stdout


def test_given_repositories_when_listed_then_rows_are_json(single):
    rows = json.loads(single.microk8s(0, "addons", "repo", "list", "--format=json").stdout)

    assert [row["name"] for row in rows] == ["core"]
    assert rows[0]["addons"] > 10


def test_given_repository_when_added_and_removed_then_it_is_gone(single):
    single.microk8s(0, "addons", "repo", "add", "community", "https://example.com")
    single.microk8s(0, "addons", "repo", "remove", "community")

    assert single.microk8s(0, "addons", "repo", "update", "community").returncode == 1


def test_given_no_name_when_enabled_then_exit_2(single):
    assert single.microk8s(0, "enable").returncode == 2
    assert single.microk8s(0, "disable").returncode == 2


def test_given_addons_file_when_read_then_it_tells_architectures(single):
    import yaml

    text = single.host(0).read("/var/snap/microk8s/common/addons/core/addons.yaml")

    addons = {item["name"]: item for item in yaml.safe_load(text)["microk8s-addons"]["addons"]}
    assert addons["nvidia"]["supported_architectures"] == ["amd64"]
    assert single.host(0).exists("/snap/microk8s/current/addons/core/addons.yaml")
