import re
import subprocess

import pytest

from edgelab import pi

TOKEN = "0123456789abcdef0123456789abcdef"


def test_given_seed_when_joined_then_the_node_is_a_member_and_ready(pair):
    assert pair.readiness() == {"pi-0": "True", "pi-1": "True"}
    assert [item.ip for item in pair.cluster().members] == ["10.20.0.11", "10.20.0.12"]
    assert len(pair.world.clusters) == 1


def test_given_first_join_when_done_then_the_seed_is_bound_to_the_url_s_address(site):
    site.machine(0).extra_addresses = ["192.0.2.7"]
    site.install(0, 1)
    before = site.cluster().members[0].address
    url = site.mint(0).replace("10.20.0.11", "192.0.2.7")

    site.join(1, url=url)

    assert before == "127.0.0.1:19001"
    assert site.cluster().members[0].address == "192.0.2.7:19001"


def test_given_bound_seed_when_joined_by_another_address_then_the_binding_stays(site):
    site.machine(0).extra_addresses = ["192.0.2.7"]
    site.install(0, 1, 2)
    site.join(1)

    site.join(2, url=site.mint(0).replace("10.20.0.11", "192.0.2.7"))

    assert site.cluster().members[0].address == "10.20.0.11:19001"


def test_given_worker_first_when_joined_then_the_seed_is_bound_too(site):
    site.install(0, 1)

    site.join(1, 0, "--worker")

    assert site.cluster().members[0].address == "10.20.0.11:19001"
    assert site.has_lock(0, "no-cert-reissue")


def test_given_join_when_done_then_the_joiner_s_own_workloads_are_gone(site):
    site.install(0, 1)
    site.kubectl(1, "create", "namespace", "mine")

    site.join(1)
    site.wait(60)

    assert "/mine" not in site.cluster(1).kind("namespaces")
    assert site.host(1).exists(
        "/var/snap/microk8s/current/var/kubernetes/backend.backup/info.yaml"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"pi-0:25000/{TOKEN}", "Invalid master IP"),
        (f"[fd00::1]:25000/{TOKEN}", "Expected format"),
        ("10.20.0.11:25000", "Expected format"),
        ("10.20.0.11:25000/short", "at least 32 bytes"),
        (f"10.20.0.11:99999/{TOKEN}", "Master PORT not"),
        (f"10.20.0.11:x/{TOKEN}", "Master PORT not"),
    ],
)
def test_given_malformed_string_when_joined_then_exit_1_and_no_lock(single, text, said):
    result = single.join(0, url=text)

    assert result.returncode == 1 and said in result.stdout
    assert not single.has_lock(0, "join-in-progress")


@pytest.mark.parametrize("why", ["agent is down", "no power", "cut"])
def test_given_silent_seed_when_joined_then_exit_1_with_a_traceback_and_the_lock_stays(site, why):
    site.install(0, 1)
    url = site.mint(0)
    if why == "agent is down":
        site.snap(0, "stop", "microk8s.daemon-cluster-agent")
    elif why == "no power":
        site.machine(0).power_off()
    else:
        site.world.cut("0", "1")

    result = site.join(1, url=url)

    assert result.returncode == 1 and "Traceback" in result.stderr
    assert site.has_lock(1, "join-in-progress")


def test_given_wrong_fingerprint_when_joined_then_exit_4_and_the_token_still_works(site):
    site.install(0, 1)
    url = site.mint(0)

    wrong = site.join(1, url=url[:-12] + "0" * 12)

    assert wrong.returncode == 4 and "Could not verify the identity" in wrong.stdout
    assert site.join(1, url=url).returncode == 0


def test_given_short_fingerprint_when_joined_then_exit_4(site):
    site.install(0, 1)

    assert site.join(1, url=site.mint(0)[:-1]).returncode == 4


def test_given_no_fingerprint_when_joined_then_nothing_is_verified(site):
    site.install(0, 1)

    url = site.mint(0).rpartition("/")[0]

    assert site.join(1, url=url).returncode == 0


def test_given_renewed_certificate_when_old_url_is_used_then_exit_4(site):
    site.install(0, 1)
    url = site.mint(0)

    site.microk8s(0, "refresh-certs", "-e", "server.crt")

    assert site.join(1, url=url).returncode == 4


def test_given_used_token_when_joined_again_then_exit_6(site):
    site.install(0, 1, 2)
    url = site.mint(0)
    site.join(1, url=url)

    result = site.join(2, url=url)

    assert result.returncode == 6 and "Invalid token (500)" in result.stdout
    assert site.has_lock(2, "join-in-progress")


def test_given_token_with_lifetime_when_joined_twice_then_both_succeed_until_it_expires(site):
    site.install(0, 1, 2, 3)
    url = site.mint(0, "--token-ttl", "7200")

    codes = [site.join(at, url=url).returncode for at in (1, 2)]
    site.wait(7300)

    assert codes == [0, 0]
    assert site.join(3, url=url).returncode == 6


def test_given_expired_token_when_looked_at_then_nobody_pruned_it(site):
    site.install(0)
    site.mint(0, "--token-ttl", "60")

    site.wait(120)

    path = "/var/snap/microk8s/current/credentials/cluster-tokens.txt"
    assert "|" in site.host(0).read(path)
    assert site.world.tokens() == []


def test_given_persistent_token_when_joined_twice_then_it_is_never_used_up(site):
    site.host(0).write("/etc/microk8s.yaml", f"version: 0.1.0\npersistentClusterToken: {TOKEN}\n")
    site.install(0, 1, 2)

    codes = [site.join(at, url=f"10.20.0.11:25000/{TOKEN}").returncode for at in (1, 2)]

    assert codes == [0, 0]


def refuse_port(site):
    args = site.arguments(1, "cluster-agent").replace(":25000", ":25001")
    site.host(1).write("/var/snap/microk8s/current/args/cluster-agent", args)


def refuse_etcd(site):
    site.host(0).remove("/var/snap/microk8s/current/var/lock/ha-cluster")


def refuse_name(site):
    args = re.sub("--kubelet-preferred.*\n", "", site.arguments(0, "kube-apiserver"))
    site.host(0).write("/var/snap/microk8s/current/args/kube-apiserver", args)


def refuse_known(site):
    site.join(1)
    site.snap(1, "remove", "microk8s", "--purge")
    site.install(1)


@pytest.mark.parametrize(
    ("prepare", "status", "said"),
    [
        (refuse_etcd, 501, "not an HA MicroK8s cluster"),
        (refuse_port, 502, "has to be set to 25000"),
        (refuse_name, 400, "does not resolve"),
        (refuse_known, 500, "already known to dqlite"),
    ],
)
def test_given_refusal_after_the_token_when_joined_then_exit_6_and_the_token_is_burnt(
    site, prepare, status, said
):
    site.install(0, 1)
    prepare(site)
    url = site.mint(0)

    result = site.join(1, url=url)

    assert result.returncode == 6
    assert said in result.stdout and f"({status})" in result.stdout
    assert site.world.tokens() == []
    assert "Invalid token" in site.join(1, url=url).stdout


def test_given_own_address_when_joined_then_503(site):
    site.install(0)

    result = site.join(0, url=site.mint(0))

    assert result.returncode == 6 and "same IP" in result.stdout


def test_given_old_cluster_when_the_name_is_in_hosts_then_joining_works(site):
    site.install(0, 1)
    refuse_name(site)
    hosts = site.host(0).read("/etc/hosts")
    site.host(0).write("/etc/hosts", f"{hosts}10.20.0.12 pi-1\n")

    assert site.join(1).returncode == 0


def test_given_silent_datastore_when_joined_then_exit_0_without_membership(site):
    site.install(0, 1)
    site.machine(1).faults.add(pi.Fault(("microk8s", "join"), pi.silent_datastore()))

    result = site.join(1)
    site.wait(60)

    assert result.returncode == 0 and "Successfully joined" in result.stdout
    assert ".. .." in result.stdout
    assert site.roles() == {"0": "voter"}
    assert "pi-1" not in site.readiness()


def test_given_leader_out_of_reach_when_joined_then_exit_0_without_membership(trio):
    trio.install(3)
    trio.world.cut("3", str(trio.world.machines["0"].id))
    lead = next(item for item in trio.cluster().members if item.id == trio.cluster().leader)
    trio.world.heal()
    trio.world.cut("3", lead.machine)
    seed = next(at for at in (0, 1, 2) if str(at) != lead.machine)

    result = trio.join(3, seed)

    assert result.returncode == 0
    assert "3" not in trio.roles()


def test_given_no_quorum_when_joined_then_the_agent_refuses_after_burning_the_token(trio):
    trio.install(3)
    url = trio.mint(0)
    for at in (1, 2):
        trio.machine(at).power_off()

    result = trio.join(3, url=url)

    assert result.returncode == 6 and "no available dqlite leader" in result.stdout
    assert trio.world.tokens() == []


def test_given_bad_failure_domain_when_joined_then_exit_0_without_membership(site):
    site.install(0, 1)
    site.host(1).write("/var/snap/microk8s/current/args/ha-conf", "failure-domain=rack-a\n")

    result = site.join(1)

    assert result.returncode == 0
    assert "1" not in site.roles()


def test_given_own_kubelet_arguments_when_joined_then_the_seed_s_overwrite_them(site):
    site.install(0, 1)
    path = "/var/snap/microk8s/current/args/kubelet"
    site.host(0).write(
        path, site.arguments(0, "kubelet") + "--node-ip=10.20.0.11\n--max-pods=20\n"
    )
    site.host(1).write(path, site.arguments(1, "kubelet") + "--max-pods=55\n")

    site.join(1)

    assert "--max-pods=20" in site.arguments(1, "kubelet")
    assert "--max-pods=55" not in site.arguments(1, "kubelet")
    assert "--node-ip=10.20.0.12" in site.arguments(1, "kubelet")


def test_given_other_service_range_when_joined_then_it_is_not_synchronised(site):
    config = (
        "version: 0.1.0\nextraKubeAPIServerArgs:\n  --service-cluster-ip-range: 10.99.0.0/24\n"
    )
    site.host(0).write("/etc/microk8s.yaml", config)
    site.install(0, 1)

    site.join(1)

    assert "10.152.183.0/24" in site.arguments(1, "kube-apiserver")


def test_given_secure_seed_when_joined_then_the_authorization_mode_is_taken_over(site):
    site.install(0, 1)
    site.microk8s(0, "enable", "rbac")
    site.wait(30)

    site.join(1)

    assert "--authorization-mode=RBAC,Node" in site.arguments(1, "kube-apiserver")


def test_given_guard_when_joining_as_control_plane_then_exit_1_but_a_worker_may(site):
    site.world.add_machine("zero", mem_kb=500000)
    site.install(0, "zero")

    refused = site.join("zero")
    worker = site.join("zero", 0, "--worker")
    site.wait(60)

    assert refused.returncode == 1 and "does not have enough RAM" in refused.stdout
    assert worker.returncode == 0
    assert site.readiness()["pi-zero"] == "True"


def test_given_guard_when_disabled_then_a_control_plane_joins(site):
    site.world.add_machine("zero", mem_kb=500000)
    site.install(0, "zero")

    assert site.join("zero", 0, "--disable-low-memory-guard").returncode == 0
    assert not site.has_lock("zero", "low-memory-guard.lock")


def test_given_worker_when_joined_then_its_files_are_a_worker_s(quartet):
    host = quartet.host(3)

    locks = ("clustered.lock", "no-k8s-dqlite", "no-cert-reissue")
    assert all(quartet.has_lock(3, name) for name in locks)
    assert not quartet.has_lock(3, "no-apiserver-proxy")
    assert "node.kubernetes.io/microk8s-worker" in quartet.arguments(3, "kubelet")
    assert host.exists("/var/snap/microk8s/current/certs/ca.remote.crt")
    assert quartet.roles().keys() == {"0", "1", "2"}


def test_given_worker_when_it_joins_again_then_it_simply_runs_again(quartet):
    assert quartet.join(3, 0, "--worker").returncode == 0


def test_given_worker_when_looked_at_then_other_services_run_than_on_a_control_plane(quartet):
    services = quartet.machine(3).node.services

    active = {name for name, service in services.items() if service.active}
    assert active == {"apiserver-proxy", "cluster-agent", "containerd", "kubelite"}


def test_given_worker_when_half_a_minute_passed_then_its_proxy_knows_all_api_servers(quartet):
    text = quartet.host(3).read("/var/snap/microk8s/current/args/traefik/provider.yaml")

    assert re.findall(r"address: (\S+)", text) == [f"10.20.0.{n}:16443" for n in (11, 12, 13)]


def test_given_worker_just_joined_when_looked_at_then_it_knows_only_the_seed(site):
    site.install(0, 1, 2)
    site.join(1)
    site.wait(90)

    site.join(2, 1, "--worker")

    text = site.host(2).read("/var/snap/microk8s/current/args/traefik/provider.yaml")
    assert re.findall(r"address: (\S+)", text) == ["10.20.0.12:16443"]


def test_given_empty_provider_when_the_proxy_starts_then_it_dies(quartet):
    quartet.host(3).write("/var/snap/microk8s/current/args/traefik/provider.yaml", "tcp: {}\n")

    quartet.snap(3, "restart", "microk8s.daemon-apiserver-proxy")
    quartet.wait(60)

    assert not quartet.machine(3).node.services["apiserver-proxy"].active
    assert quartet.readiness()["pi-3"] == "Unknown"


def test_given_fixed_provider_when_control_planes_change_then_it_stays(site):
    site.install(0, 1, 2)
    site.join(2, 0, "--worker")
    path = "/var/snap/microk8s/current/args/apiserver-proxy"
    site.host(2).write(path, "--refresh-interval=0s\n")
    site.join(1)

    site.wait(120)

    text = site.host(2).read("/var/snap/microk8s/current/args/traefik/provider.yaml")
    assert re.findall(r"address: (\S+)", text) == ["10.20.0.11:16443"]


def test_given_agent_init_when_it_joins_then_no_token_is_in_any_argument(site):
    site.install(0, 1)
    url = site.mint(0)

    launch = f"version: 0.2.0\njoin:\n  url: {url}\n"
    command = ("run", "--shell", "microk8s.daemon-cluster-agent", "-c")
    result = site.snap(1, *command, "$SNAP/bin/cluster-agent init --config-file -", stdin=launch)

    assert result.returncode == 0
    assert "1" in site.roles()
    token = url.split("/")[1]
    assert not any(token in word for call in site.world.calls for word in call.argv)


def test_given_refused_join_when_asked_by_the_agent_then_init_fails_with_it(site):
    site.install(0, 1)
    launch = f"version: 0.2.0\njoin:\n  url: 10.20.0.11:25000/{TOKEN}\n  worker: true\n"

    command = ("run", "--shell", "microk8s.daemon-cluster-agent", "-c")
    result = site.snap(1, *command, "$SNAP/bin/cluster-agent init --config-file -", stdin=launch)

    assert result.returncode == 1
    assert "Invalid token" in result.stdout and "exit status 6" in result.stderr


def test_given_same_name_when_joined_then_one_node_object_stands_for_both(site):
    site.world.add_machine("twin", hostname="pi-0")
    site.install(0, "twin")

    site.join("twin")
    site.wait(90)

    assert len(site.cluster().members) == 2
    assert list(site.readiness()) == ["pi-0"]


@pytest.mark.parametrize("name", ["Pi-0", "pi_0"])
def test_given_illegal_host_name_when_installed_then_no_node_registers(site, name):
    site.world.add_machine("odd", hostname=name)
    site.install("odd")

    assert site.readiness("odd") == {}


def test_given_no_sudo_when_joined_then_it_cannot(site):
    site.world.add_machine("bare", has_sudo=False)
    site.install(0, "bare")

    assert site.join("bare").returncode == 127
    assert not site.host("bare").exists("/usr/bin/sudo")


def test_given_packet_filter_when_a_stranger_joins_then_it_times_out(site):
    site.install(0, 1, 2)
    rules = (
        "table inet edge {\n chain input {\n  type filter hook input priority 0; policy accept;\n"
        "  ip saddr { 10.20.0.12 } tcp dport { 19001, 25000 } accept\n"
        "  tcp dport { 19001, 25000 } drop\n }\n}\n"
    )
    site.run(0, "/usr/sbin/nft", "-f", "-", stdin=rules)

    assert site.join(2).returncode == 1
    assert site.join(1).returncode == 0


def test_given_full_disk_when_joined_then_it_fails(site):
    site.install(0, 1)
    site.machine(1).fill_disk()

    result = site.join(1)

    assert result.returncode == 1 and "No space left" in result.stderr


def test_given_join_killed_after_the_answer_when_retried_with_its_token_then_it_is_burnt(site):
    site.install(0, 1)
    url = site.mint(0)
    with pytest.raises(subprocess.TimeoutExpired):
        site.microk8s(1, "join", url, timeout_s=5)

    assert site.join(1, url=url).returncode == 6
    assert site.join(1).returncode == 0


@pytest.mark.parametrize(
    ("style", "shape"),
    [
        ("token", r"[0-9a-f]{32}\n"),
        ("token-check", r"[0-9a-f]{32}/[0-9a-f]{12}\n"),
        ("short", r"microk8s join 10\.20\.0\.11:25000/\S+\n"),
        ("yaml", r"token: \S+\nurls:\n- 10\.20\.0\.11:25000/\S+\n"),
    ],
)
def test_given_format_when_minted_then_it_looks_so(single, style, shape):
    assert re.fullmatch(shape, single.microk8s(0, "add-node", "--format", style).stdout)


def test_given_short_token_when_minted_then_exit_1(single):
    result = single.microk8s(0, "add-node", "--token", "short")

    assert result.returncode == 1 and "Invalid token size" in result.stdout


def test_given_several_addresses_when_minted_then_each_has_a_url(single):
    single.machine(0).extra_addresses = ["192.0.2.7", "fd00::1"]

    text = single.microk8s(0, "add-node", "--format", "json").stdout

    assert "192.0.2.7:25000/" in text and "fd00::1:25000/" in text


def test_given_mixed_versions_when_joined_then_nobody_notices(site):
    site.install(0, channel="1.34/stable")
    site.install(1, channel="1.36/stable")

    assert site.join(1).returncode == 0
