import dataclasses

import hypothesis
import pytest
import yaml
from hypothesis import strategies

import footprint
import join_tokens
import microk8s
import node_args
from edgecloud.host import systemd
from edgelab import pi
from node_config import Birth, NodeConfig
from registries import Credential

STD = footprint.choose("std-2g", 0)
TINY = footprint.choose("tiny-1g", 0)
RACK = node_args.Domain("rack-a")
KUBELET = f"{microk8s.ARGS}/kubelet"
API_SERVER = f"{microk8s.ARGS}/kube-apiserver"


@pytest.fixture
def world(tmp_path):
    return pi.World(tmp_path, pi.Clock())


def node(world, number=0, config=None, profile=STD):
    """Return a machine with MicroK8s, installed and settled with this configuration."""
    host = world.add_machine(str(number)).host()
    config = config or NodeConfig()
    launch = node_args.launch(config, profile, RACK)
    microk8s.install(host, channel=config.full_channel, launch=launch)
    node_args.ensure(host, config, profile, RACK)
    node_args.restart(host)
    while not microk8s.is_launched(host):
        world.clock.advance(60)
        world.tick()
    return host


def launch(profile=STD, **fields):
    return yaml.safe_load(node_args.launch(NodeConfig(**fields), profile, RACK))


# --- the failure domain ---


@pytest.mark.parametrize(
    ("option", "zone", "name"),
    [("rack-a", "zone-1", "rack-a"), ("", "zone-1", "zone-1"), ("", "", "pi-1")],
    ids=["option", "zone", "machine"],
)
def test_given_an_option_a_zone_or_neither_when_asked_then_the_nearest_counts(option, zone, name):
    assert node_args.domain(option, zone=zone, hostname="pi-1").name == name


@hypothesis.given(strategies.text(min_size=1))
def test_given_any_zone_when_asked_then_name_and_number_are_what_others_accept(zone):
    domain = node_args.domain("", zone=zone, hostname="pi-1")

    config = NodeConfig(failure_domain=domain.name)
    assert config.failure_domain == domain.name
    assert 0 <= domain.number < 2**64 or domain.name.isdigit()


def test_given_a_name_when_numbered_then_it_is_the_same_on_every_machine():
    assert node_args.Domain("rack-a").number == 619979929
    assert node_args.Domain("7").number == 7


# --- the launch configuration ---


def test_given_the_defaults_when_launched_then_the_configuration_is_complete():
    assert launch() == {
        "version": "0.2.0",
        "addons": [{"name": "rbac"}, {"name": "dns"}],
        "extraKubeletArgs": {
            **footprint.kubelet_flags(STD),
            "--cluster-dns": "10.152.183.10",
            "--cluster-domain": "cluster.local",
        },
        "extraKubeAPIServerArgs": {
            "--service-cluster-ip-range": "10.152.183.0/24",
            "--event-ttl": "5m",
            "--default-not-ready-toleration-seconds": "300",
            "--default-unreachable-toleration-seconds": "300",
        },
        "extraKubeProxyArgs": {"--cluster-cidr": "10.1.0.0/16"},
        "extraCNIEnv": {
            "IPv4_SUPPORT": "true",
            "IPv4_CLUSTER_CIDR": "10.1.0.0/16",
            "IPv4_SERVICE_CIDR": "10.152.183.0/24",
        },
        "extraConfigFiles": {"ha-conf": "failure-domain=619979929\n"},
    }


def test_given_another_service_network_when_launched_then_all_of_it_follows():
    document = launch(service_cidr="172.20.0.0/16", extra_sans="k8s.example")

    assert document["extraSANs"] == ["k8s.example", "172.20.0.1"]
    assert document["extraKubeletArgs"]["--cluster-dns"] == "172.20.0.10"
    assert document["addons"][1] == {"name": "dns", "args": ["/etc/resolv.conf", "172.20.0.10"]}
    assert document["extraCNIEnv"]["IPv4_SERVICE_CIDR"] == "172.20.0.0/16"


def test_given_name_servers_when_launched_then_the_add_on_gets_them():
    document = launch(addons="dns:10.0.0.53 hostpath-storage")

    assert document["addons"] == [{"name": "rbac"}, {"name": "dns", "args": ["10.0.0.53"]}]


def test_given_dns_is_unwanted_when_launched_then_nothing_points_to_it():
    document = launch(addons="", rbac=False)

    assert "addons" not in document
    assert "--cluster-dns" not in document["extraKubeletArgs"]


def test_given_a_worker_when_launched_then_nothing_is_enabled_that_joining_throws_away():
    document = launch(role="worker")

    assert "addons" not in document
    assert "--cluster-dns" not in document["extraKubeletArgs"]


def test_given_mirrors_and_a_proxy_when_launched_then_the_first_image_comes_through_them():
    document = launch(
        registries='[{"host": "docker.io", "mirrors": ["http://10.0.0.5:5000"]}]',
        containerd_https_proxy="http://proxy:3128",
    )

    assert "http://10.0.0.5:5000" in document["containerdRegistryConfigs"]["docker.io"]
    assert document["extraContainerdEnv"]["HTTPS_PROXY"] == "http://proxy:3128"


@pytest.mark.parametrize("profile", footprint.PROFILES, ids=footprint.NAMES)
def test_given_a_profile_when_launched_then_its_flags_are_there(profile):
    assert footprint.kubelet_flags(profile).items() <= launch(profile)["extraKubeletArgs"].items()


def test_given_a_launch_configuration_when_installed_then_the_node_starts_with_it(world):
    host = node(world, config=NodeConfig(autonomy="forever"), profile=TINY)

    assert "--max-pods=30\n" in host.read(KUBELET)
    assert "--default-unreachable-toleration-seconds=315360000\n" in host.read(API_SERVER)
    assert host.read(f"{microk8s.ARGS}/ha-conf") == f"failure-domain={RACK.number}\n"


# --- ever after ---


def test_given_a_worker_when_asked_then_it_has_no_flags_of_the_control_plane():
    found = node_args.wanted(NodeConfig(), STD, RACK, worker=True)

    assert sorted(found) == ["containerd-env", "kubelet"]


def test_given_networks_labels_and_taints_when_asked_then_they_are_not_among_the_flags():
    config = NodeConfig(node_labels="site=north", node_taints="a=b:NoSchedule")

    found = node_args.wanted(config, STD, RACK, worker=False)

    flags = {flag for values in found.values() for flag in values}
    assert not flags & {"--node-labels", "--register-with-taints", "--cluster-cidr"}


def test_given_a_settled_node_when_ensured_then_nothing_is_due_and_no_process_runs(world):
    host = node(world)
    before = len(world.calls)

    assert node_args.ensure(host, NodeConfig(), STD, RACK) == set()
    assert len(world.calls) == before


def test_given_another_profile_when_ensured_then_kubelite_is_due_once(world):
    host = node(world)

    due = node_args.ensure(host, NodeConfig(), TINY, RACK)

    assert due == {"kubelite"}
    assert "--max-pods=30\n" in host.read(KUBELET)


def test_given_a_restart_that_is_due_when_the_hook_fails_then_it_is_still_due(world):
    host = node(world)
    node_args.ensure(host, NodeConfig(), TINY, RACK)

    later = node_args.ensure(host, NodeConfig(), TINY, RACK)
    done = node_args.restart(host)

    assert later == done == {"kubelite"}
    assert node_args.ensure(host, NodeConfig(), TINY, RACK) == set()


def test_given_everything_changed_when_restarted_then_it_is_one_command(world):
    host = node(world)
    config = NodeConfig(datastore="ssd", containerd_http_proxy="http://p:1", autonomy="60")
    node_args.ensure(host, config, TINY, RACK)
    before = len(world.calls)

    node_args.restart(host)

    (call,) = world.calls[before:]
    daemons = [f"microk8s.daemon-{name}" for name in ("containerd", "k8s-dqlite", "kubelite")]
    assert call.argv == ("/usr/bin/snap", "restart", *daemons)


def test_given_restarts_when_all_was_restarted_anyway_then_none_is_due(world):
    host = node(world)
    node_args.ensure(host, NodeConfig(), TINY, RACK)

    node_args.forget_restarts(host)

    assert node_args.ensure(host, NodeConfig(), TINY, RACK) == set()


def test_given_a_proxy_when_it_is_dropped_then_containerds_environment_is_as_before(world):
    host = node(world)
    before = host.read(f"{microk8s.ARGS}/containerd-env")
    node_args.ensure(host, NodeConfig(containerd_http_proxy="http://p:1"), STD, RACK)

    due = node_args.ensure(host, NodeConfig(), STD, RACK)

    assert due == {"containerd"}
    assert host.read(f"{microk8s.ARGS}/containerd-env") == before


def test_given_a_proxy_from_the_installation_when_it_is_dropped_then_it_is_gone(world):
    host = node(world, config=NodeConfig(containerd_http_proxy="http://p:1"))

    node_args.ensure(host, NodeConfig(), STD, RACK)

    assert "http://p:1" not in host.read(f"{microk8s.ARGS}/containerd-env")


def test_given_a_line_of_the_users_when_ensured_then_it_stays(world):
    host = node(world)
    host.write(KUBELET, host.read(KUBELET) + "--v=4\n", mode=0o660)

    node_args.ensure(host, NodeConfig(), TINY, RACK)

    assert "--v=4\n" in host.read(KUBELET)


def test_given_a_join_when_ensured_then_the_nodes_own_flags_are_back(world):
    seed, joiner = node(world, 0), node(world, 1, profile=TINY)
    microk8s.join(joiner, join_tokens.mint(seed, "10.20.0.11"), worker=False)
    copied = joiner.read(KUBELET)

    due = node_args.ensure(joiner, NodeConfig(), TINY, RACK)

    assert "--max-pods=60\n" in copied
    assert "--max-pods=30\n" in joiner.read(KUBELET)
    assert "kubelite" in due


def test_given_a_worker_that_joined_when_ensured_then_the_datastore_is_left_alone(world):
    seed, worker = node(world, 0), node(world, 1, config=NodeConfig(role="worker"))
    microk8s.join(worker, join_tokens.mint(seed, "10.20.0.11"), worker=True)

    node_args.ensure(worker, NodeConfig(role="worker"), TINY, RACK)
    due = node_args.restart(worker)

    assert "k8s-dqlite" not in due


def test_given_another_failure_domain_when_ensured_then_the_datastore_reads_it(world):
    host = node(world)

    due = node_args.ensure(host, NodeConfig(), STD, node_args.Domain("7"))
    node_args.restart(host)

    assert due == {"k8s-dqlite"}
    assert host.read(node_args.DOMAIN).strip() == "7"


def test_given_a_disk_of_another_kind_when_ensured_then_the_datastore_is_tuned_for_it(world):
    host = node(world)

    due = node_args.ensure(host, NodeConfig(datastore="ssd"), STD, RACK)

    assert due == {"k8s-dqlite"}
    assert host.read(node_args.TUNING) == footprint.tuning("ssd")


def test_given_credentials_when_ensured_then_only_containerd_is_due(world):
    host = node(world)

    due = node_args.ensure(host, NodeConfig(), STD, RACK, [Credential("a", "u", "p")])

    assert due == {"containerd"}


# --- the system log ---


def test_given_a_profile_when_the_log_is_limited_then_it_is_so_once(world):
    host = world.add_machine("0").host()

    changed = [node_args.ensure_journald(host, STD, "sd") for _ in range(2)]

    assert changed == [True, False]
    assert world.calls[-1].argv[1:] == ("restart", "systemd-journald.service")


def test_given_limits_when_removed_then_it_is_so_once(world):
    host = world.add_machine("0").host()
    node_args.ensure_journald(host, STD, "sd")

    removed = [node_args.remove_journald(host) for _ in range(2)]

    assert removed == [True, False]
    assert not host.exists(node_args.JOURNALD)


def test_given_a_log_that_does_not_restart_when_limited_then_it_is_tried_again(world):
    machine = world.add_machine("0")
    machine.faults.add(pi.Fault(("/usr/bin/systemctl", "restart"), pi.fail(1, "no")))

    with pytest.raises(systemd.SystemdError):
        node_args.ensure_journald(machine.host(), STD, "sd")

    assert node_args.ensure_journald(machine.host(), STD, "sd")


# --- what the node was born with ---


def test_given_a_new_node_when_born_then_its_configuration_is_remembered(world):
    host = world.add_machine("0").host()
    born = node_args.ensure_birth(host, NodeConfig(role="worker"))

    later = node_args.ensure_birth(host, NodeConfig(service_cidr="172.20.0.0/16"))

    assert born == later == Birth("worker", "10.152.183.0/24", "10.1.0.0/16")


def test_given_a_purged_node_when_forgotten_then_it_may_be_born_anew(world):
    host = world.add_machine("0").host()
    node_args.ensure_birth(host, NodeConfig(role="worker"))

    forgotten = [node_args.forget_birth(host) for _ in range(2)]

    assert forgotten == [True, False]
    assert dataclasses.astuple(node_args.ensure_birth(host, NodeConfig()))[0] == "control-plane"


def test_given_a_failure_domain_too_large_for_the_datastore_when_numbered_then_it_fits():
    assert node_args.Domain("9" * 30).number < 2**32
