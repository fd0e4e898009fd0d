import pool_profile
from edgecloud.lxd import instances
from pool_profile import Shape


def test_given_a_container_when_profiled_then_limits_are_hard_and_swap_is_no_way_out():
    config = pool_profile.config(Shape(cpu=2, memory="512MiB"))

    assert config["limits.memory"] == "512MiB"
    assert (config["limits.memory.enforce"], config["limits.memory.swap"]) == ("hard", "false")
    assert config["limits.cpu"] == "2"


def test_given_a_container_when_profiled_then_microk8s_can_be_installed_in_it():
    config, devices = pool_profile.config(Shape()), pool_profile.devices(Shape(), "nvme")

    assert devices["kmsg"]["path"] == "/dev/kmsg"
    assert devices["root"] == {"type": "disk", "path": "/", "pool": "nvme", "size": "16GiB"}
    assert config["security.nesting"] == "true"


def test_given_a_virtual_machine_when_profiled_then_it_has_nothing_that_only_containers_know():
    shape = Shape(instances.VIRTUAL_MACHINE)

    config = pool_profile.config(shape)

    assert not {"raw.lxc", "security.nesting", "limits.memory.swap"} & set(config)
    assert (config["security.secureboot"], config["limits.memory"]) == ("false", "2GiB")
    assert set(pool_profile.devices(shape, "nvme")) == {"root"}


def test_given_an_evacuation_when_profiled_then_a_node_stops_instead_of_being_copied():
    assert pool_profile.config(Shape())["cluster.evacuate"] == "stop"
