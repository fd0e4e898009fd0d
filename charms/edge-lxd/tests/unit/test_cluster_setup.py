"""What a cluster has: pools, network, profiles, each key where it has to be."""

import dataclasses

import pytest
from conftest import name

import cluster_setup
import host_tuning
import metrics
import node_profile
from disks import Place
from edgecloud.lxd import networks, profiles, server, storage
from edgelab import pi

WISH = cluster_setup.Wish("btrfs", Place("/dev/nvme0n1"), "20GiB", "br0", "eth0")


def default(api):
    return profiles.find(api, "default")


def setup(api, wish):
    members = [name(0)]
    cluster_setup.ensure_pools(api, wish, name(0), members)
    cluster_setup.ensure_network(api, wish, name(0), members)
    return cluster_setup.ensure_profiles(api, wish)


def test_given_a_founder_when_set_up_then_pools_are_there_before_anybody_joins(single):
    setup(single.api(0), WISH)

    assert storage.find(single.api(0), "local").driver == "btrfs"
    assert storage.find(single.api(0), "juju").ready


def test_given_another_driver_when_set_up_then_it_is_refused_with_the_remedy(single):
    setup(single.api(0), WISH)

    with pytest.raises(cluster_setup.SetupError, match="the pool is btrfs already, set it back"):
        setup(single.api(0), dataclasses.replace(WISH, driver="dir"))


@pytest.mark.parametrize(
    ("wish", "own"),
    [
        (WISH, [("source", "/dev/nvme0n1")]),
        (dataclasses.replace(WISH, place=Place()), [("size", "20GiB")]),
        (dataclasses.replace(WISH, driver="dir"), []),
        (
            dataclasses.replace(WISH, network="macvlan", driver="dir"),
            [("parent", "eth0")],
        ),
    ],
)
def test_given_a_joiner_when_it_joins_then_it_brings_its_own_part(wish, own):
    found = [(one["key"], one["value"]) for one in cluster_setup.member_config(wish)]

    assert found == own


def test_given_macvlan_when_set_up_then_each_member_has_its_own_parent(single):
    setup(single.api(0), dataclasses.replace(WISH, network="macvlan"))

    assert networks.find(single.api(0), "edgelan").kind == "macvlan"
    assert default(single.api(0)).devices["eth0"]["network"] == "edgelan"


def test_given_a_managed_network_when_set_up_then_it_is_no_fan(single):
    setup(single.api(0), dataclasses.replace(WISH, network="managed"))

    config = networks.find(single.api(0), "lxdbr0").config
    assert "bridge.mode" not in config


def test_given_the_profile_of_a_project_when_set_up_then_the_host_keeps_its_own(single):
    setup(single.api(0), dataclasses.replace(WISH, node_profile="project", privileged=True))

    node = default(single.api(0).in_project("microk8s"))
    assert node.config["raw.lxc"].startswith("lxc.apparmor.profile=unconfined")
    assert node.config["cluster.evacuate"] == "stop"
    assert "linux.kernel_modules" not in node.config
    assert set(default(single.api(0)).config) == {"user.edge-lxd"}


def test_given_privileges_when_taken_back_then_the_keys_are_gone(single):
    wish = dataclasses.replace(WISH, node_profile="default")
    setup(single.api(0), dataclasses.replace(wish, privileged=True))

    setup(single.api(0), wish)

    assert "security.privileged" not in default(single.api(0)).config
    assert "raw.lxc" not in default(single.api(0)).config


@pytest.mark.parametrize("repair", [True, False])
def test_given_a_changed_profile_when_looked_at_then_it_is_repaired_or_reported(single, repair):
    wish = dataclasses.replace(WISH, node_profile="default", repair=repair)
    setup(single.api(0), wish)
    changed = {"security.nesting": "false", "user.mine": "1"}
    profiles.ensure_keys(single.api(0), "default", changed, {"kmsg": None})

    left = setup(single.api(0), wish)

    found = default(single.api(0))
    assert found.config["user.mine"] == "1"
    assert (found.config["security.nesting"] == "true") is repair
    reported = ("default: device kmsg", "default: security.nesting")
    assert left == (() if repair else reported)


@pytest.mark.parametrize("place", node_profile.PLACES)
def test_given_all_is_there_when_set_up_again_then_nothing_is_written(single, place):
    wish = dataclasses.replace(WISH, node_profile=place)
    setup(single.api(0), wish)
    cluster_setup.ensure_own(single.api(0), wish, name(0))
    before = len(single.wrote())

    setup(single.api(0), wish)
    cluster_setup.ensure_own(single.api(0), wish, name(0))

    assert single.wrote()[before:] == []


def test_given_the_boot_disk_when_looked_after_then_no_volume_is_made(single):
    wish = dataclasses.replace(WISH, place=Place())
    setup(single.api(0), wish)

    assert not cluster_setup.ensure_own(single.api(0), wish, name(0))


def test_given_volumes_when_released_then_a_member_may_leave(single):
    setup(single.api(0), WISH)
    cluster_setup.ensure_own(single.api(0), WISH, name(0))

    cluster_setup.release_own(single.api(0), name(0))

    assert "storage.images_volume" not in server.get(single.api(0)).config
    assert storage.volumes(single.api(0), "local", "custom") == ()


def test_given_a_machine_without_a_module_when_tuned_then_the_others_are_loaded(pis):
    pis.add(0, missing_modules=["ip_vs"])

    lacking = host_tuning.ensure_modules(pis.host(0), node_profile.MODULES)

    assert lacking == ("ip_vs",)
    assert "overlay" in pis.world.machines["0"].loaded_modules
    assert "ip_vs\n" not in pis.host(0).read(host_tuning.MODULES_FILE)


def test_given_a_module_that_takes_for_ever_when_tuned_then_the_others_are_loaded(pis):
    pis.add(0)
    pis.fail(0, "/usr/sbin/modprobe", "br_netfilter", effect=pi.hang(), times=0)

    lacking = host_tuning.ensure_modules(pis.host(0), node_profile.MODULES)

    assert lacking == ("br_netfilter",)
    assert "overlay" in pis.world.machines["0"].loaded_modules
    assert "br_netfilter\n" in pis.host(0).read(host_tuning.MODULES_FILE)


def test_given_kernel_settings_when_somebody_changes_one_then_it_is_known(pis):
    pis.add(0)
    assert host_tuning.ensure_sysctls(pis.host(0))
    assert not host_tuning.ensure_sysctls(pis.host(0))

    pis.host(0).write("/proc/sys/kernel/panic", "0\n")

    assert host_tuning.drifted(pis.host(0)) == ("kernel.panic=0",)


def test_given_sysctl_fails_when_tuned_then_the_next_hook_tries_again(pis):
    pis.add(0)
    pis.fail(0, "sysctl")

    with pytest.raises(host_tuning.TuningError):
        host_tuning.ensure_sysctls(pis.host(0))

    assert host_tuning.ensure_sysctls(pis.host(0))


def test_given_metrics_when_ensured_twice_then_one_certificate_is_trusted(single):
    arguments = (single.host(0), single.api(0), name(0), single.address(0))

    assert metrics.ensure(*arguments)
    assert not metrics.ensure(*arguments)

    key = single.host(0).path(metrics.KEY)
    assert key.stat().st_mode & 0o777 == 0o600
    assert metrics.revoke(single.host(0), single.api(0))
    assert not metrics.revoke(single.host(0), single.api(0))


def test_given_a_managed_bridge_when_it_goes_then_no_profile_refers_to_it(single):
    wish = dataclasses.replace(WISH, network="managed", node_profile="project")
    setup(single.api(0), wish)

    assert cluster_setup.remove_bridge(single.api(0))

    assert networks.find(single.api(0), "lxdbr0") is None
    assert set(default(single.api(0)).devices) == {"root"}
    assert "eth0" not in default(single.api(0).in_project("microk8s")).devices
    assert not cluster_setup.remove_bridge(single.api(0))
