import pytest

LAUNCHER = "/var/snap/microk8s/common/etc/launcher"
ARGS = "/var/snap/microk8s/current/args"


def apply(site, text, at=0):
    command = ("run", "--shell", "microk8s.daemon-cluster-agent", "-c")
    return site.snap(at, *command, "$SNAP/bin/cluster-agent init --config-file -", stdin=text)


def test_given_no_configuration_when_installed_then_dns_comes_by_default(single):
    assert "dns" in single.cluster().addons
    assert "--cluster-dns=10.152.183.10" in single.arguments(0, "kubelet")


def test_given_own_configuration_when_installed_then_it_replaces_the_default(site):
    site.host(0).write("/etc/microk8s.yaml", "version: 0.1.0\naddons:\n- name: metrics-server\n")
    site.install(0)

    assert "dns" not in site.cluster().addons
    assert "metrics-server" in site.cluster().addons
    assert "--cluster-dns" not in site.arguments(0, "kubelet")


def test_given_two_places_when_installed_then_the_first_counts(site):
    first, second = "/etc/microk8s.yaml", "/var/snap/microk8s/common/.microk8s.yaml"
    for path, flag in ((first, "11"), (second, "22")):
        site.host(0).write(path, f"version: 0.1.0\nextraKubeletArgs:\n  --max-pods: {flag}\n")
    site.install(0)

    assert "--max-pods=11" in site.arguments(0, "kubelet")


@pytest.mark.parametrize(
    "text", ["version: 0.3.0\n", "version: x\n", "- list\n", "{{", "addons: []\n"]
)
def test_given_bad_configuration_when_installed_then_the_hook_fails_and_nothing_is_left(
    site, text
):
    site.host(0).write("/etc/microk8s.yaml", text)

    result = site.snap(0, "install", "microk8s", "--classic", "--channel=1.35")

    assert result.returncode == 1 and "install hook" in result.stderr
    assert "microk8s" not in site.machine(0).snaps


def test_given_every_part_when_applied_then_each_lands_in_its_file(single):
    text = (
        "version: 0.2.0\n"
        "extraKubeAPIServerArgs: {--event-ttl: 10m}\n"
        "extraContainerdEnv: {HTTPS_PROXY: 'http://proxy:3128'}\n"
        "extraConfigFiles: {ha-conf: 'failure-domain=7'}\n"
        "containerdRegistryConfigs: {docker.io: 'server = x'}\n"
        "extraSANs: [pi.lan, 192.0.2.1]\n"
    )

    result = apply(single, text)

    assert result.returncode == 0
    assert "--event-ttl=10m" in single.arguments(0, "kube-apiserver")
    assert "HTTPS_PROXY=http://proxy:3128" in single.arguments(0, "containerd-env")
    assert single.arguments(0, "ha-conf") == "failure-domain=7"
    assert single.arguments(0, "certs.d/docker.io/hosts.toml") == "server = x"
    template = single.host(0).read("/var/snap/microk8s/current/certs/csr.conf.template")
    assert "= pi.lan\n" in template and "= 192.0.2.1\n" in template


def test_given_null_when_applied_then_the_flag_goes(single):
    apply(single, "version: 0.1.0\nextraKubeletArgs: {--max-pods: 9}\n")

    apply(single, "version: 0.1.0\nextraKubeletArgs: {--max-pods: null}\n")

    assert "--max-pods" not in single.arguments(0, "kubelet")


def test_given_changed_arguments_when_applied_then_kubelite_restarts_once(single):
    before = single.machine(0).node.services["kubelite"].restarts

    apply(
        single, "version: 0.1.0\nextraKubeletArgs: {--max-pods: 9}\nextraKubeProxyArgs: {--v: 2}\n"
    )

    assert single.machine(0).node.services["kubelite"].restarts == before + 1


def test_given_same_arguments_when_applied_again_then_nothing_restarts(single):
    text = "version: 0.1.0\nextraKubeletArgs: {--max-pods: 9}\n"
    apply(single, text)
    before = single.machine(0).node.services["kubelite"].restarts

    apply(single, text)

    assert single.machine(0).node.services["kubelite"].restarts == before


@pytest.mark.parametrize("name", ["../../certs/ca.key", "/etc/passwd"])
def test_given_path_that_leads_out_when_applied_then_it_is_refused(single, name):
    result = apply(single, f"version: 0.1.0\nextraConfigFiles:\n  {name}: x\n")

    assert result.returncode == 1 and "plain file name" in result.stderr


def test_given_file_in_the_folder_when_five_seconds_passed_then_it_is_applied_and_renamed(single):
    single.host(0).write(
        f"{LAUNCHER}/a.yaml", "version: 0.1.0\nextraKubeletArgs: {--max-pods: 9}\n"
    )
    single.wait(6)

    assert "--max-pods=9" in single.arguments(0, "kubelet")
    assert single.host(0).glob(f"{LAUNCHER}/a.*") == [f"{LAUNCHER}/a.yaml.applied"]


def test_given_broken_file_in_the_folder_when_time_passes_then_it_is_retried_for_ever(single):
    single.host(0).write(f"{LAUNCHER}/a.yaml", "version: 9.9.9\n")
    single.wait(60)

    tried = [line for line in single.machine(0).journal if "failed to apply a.yaml" in line]
    assert len(tried) == pytest.approx(12, abs=1)
    assert single.world.next_due() <= single.world.clock.now() + 5

    single.host(0).remove(f"{LAUNCHER}/a.yaml")
    single.wait(60)
    assert single.world.next_due() is None


def test_given_setting_when_it_is_the_same_then_it_is_applied_only_once(single):
    text = "config=version: 0.1.0\nextraKubeletArgs: {--max-pods: 9}\n"
    for _ in range(2):
        single.snap(0, "set", "microk8s", text)
        single.wait(30)

    assert single.host(0).glob(f"{LAUNCHER}/snap-set*") == [f"{LAUNCHER}/snap-set.yaml.applied"]
    assert "--max-pods=9" in single.arguments(0, "kubelet")


def test_given_unknown_addon_when_applied_then_init_fails(single):
    assert apply(single, "version: 0.1.0\naddons: [{name: typo}]\n").returncode == 1


def test_given_addon_when_disabled_by_configuration_then_it_is_gone(single):
    apply(single, "version: 0.1.0\naddons: [{name: dns, disable: true}]\n")

    assert "dns" not in single.cluster().addons


def test_given_repository_when_named_then_its_addons_are_offered(single):
    apply(single, "version: 0.1.0\naddonRepositories: [{name: community, url: x}]\n")

    assert "community/portainer" in single.microk8s(0, "status", "--format", "short").stdout


def test_given_other_programs_when_run_in_the_snap_s_shell_then_they_are_unknown(single):
    assert (
        single.snap(0, "run", "--shell", "microk8s.daemon-cluster-agent", "-c", "ls").returncode
        == 127
    )
    assert single.snap(0, "run", "microk8s.other").returncode == 46
