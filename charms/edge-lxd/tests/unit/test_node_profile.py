import pytest

import node_profile
from edgecloud import host as machines
from edgecloud.lxd import instances
from node_profile import Shape


@pytest.fixture
def machine(tmp_path):
    """Return a machine of files only."""
    found = machines.LocalHost(tmp_path)
    found.write("/proc/sys/kernel/osrelease", "6.8.0-raspi\n")
    return found


def test_given_a_container_when_profiled_then_limits_are_hard_and_swap_is_no_way_out():
    config = node_profile.config(Shape(cpu=2, memory="512MiB"))

    assert config["limits.memory"] == "512MiB"
    assert (config["limits.memory.enforce"], config["limits.memory.swap"]) == ("hard", "false")
    assert config["limits.cpu"] == "2"


def test_given_a_container_when_profiled_then_microk8s_can_be_installed_in_it():
    config, devices = node_profile.config(Shape()), node_profile.devices(Shape(), "nvme")

    assert devices["kmsg"]["path"] == "/dev/kmsg"
    assert devices["root"] == {"type": "disk", "path": "/", "pool": "nvme", "size": "16GiB"}
    assert config["security.nesting"] == "true"


def test_given_a_virtual_machine_when_profiled_then_it_has_nothing_that_only_containers_know():
    shape = Shape(instances.VIRTUAL_MACHINE)

    config = node_profile.config(shape)

    assert not {"raw.lxc", "security.nesting", "limits.memory.swap"} & set(config)
    assert (config["security.secureboot"], config["limits.memory"]) == ("false", "2GiB")
    assert set(node_profile.devices(shape, "nvme")) == {"root"}


def test_given_an_evacuation_when_profiled_then_a_node_stops_instead_of_being_copied():
    assert node_profile.config(Shape())["cluster.evacuate"] == "stop"


def test_given_modules_loaded_built_in_and_on_disk_when_looked_for_then_only_those_are_named(
    machine,
):
    machine.write("/sys/module/overlay/initstate", "live")
    folder = "/lib/modules/6.8.0-raspi"
    machine.write(f"{folder}/modules.dep", "kernel/net/bridge/br_netfilter.ko.zst: x.ko\n")
    machine.write(f"{folder}/modules.builtin", "kernel/net/netfilter/nf_conntrack.ko\n")

    assert node_profile.modules(machine) == ("br_netfilter", "nf_conntrack", "overlay")


def test_given_a_kernel_without_lists_when_looked_for_then_there_are_none(machine):
    assert node_profile.modules(machine) == ()
