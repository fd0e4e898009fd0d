"""The bundles with LXD in the lab."""

import pathlib

import pytest

from edgelab import bundle, model

BUNDLES = pathlib.Path(__file__).parents[2] / "bundles"


@pytest.fixture
def deploy(tmp_path):
    made = []

    def deploy(name, *overlays, seed):
        made.append(model.Model(tmp_path / str(len(made)), seed=seed))
        files = [BUNDLES / "overlays" / f"{overlay}.yaml" for overlay in overlays]
        made[-1].deploy(bundle.read(BUNDLES / f"{name}.yaml", files))
        made[-1].settle()
        return made[-1]

    yield deploy
    for one in made:
        one.close()


def lines(juju, app):
    return [unit.status for unit in juju.units.values() if unit.app == app]


@pytest.mark.parametrize("seed", range(3))
def test_given_the_lxd_lab_when_deployed_then_three_nodes_live_in_one_machine(deploy, seed):
    juju = deploy("lxd-lab", seed=seed)

    assert {unit.status.name for unit in juju.units.values()} == {"active"}
    nodes = [line.message for line in lines(juju, "edge-microk8s")]
    assert "3/3 nodes ready, 3 voters" in nodes
    [host] = lines(juju, "edge-lxd")
    assert host.message.startswith("1/1 members online, 1 voter; nodes are privileged")
    inside = [m for m in juju.world.machines.values() if m.container_of == "0"]
    assert all(machine.path("/dev/kmsg").exists() for machine in inside)
    assert len(inside) == 3


@pytest.mark.parametrize("seed", range(3))
def test_given_two_storeys_when_deployed_then_a_cloud_of_three_pis_is_offered(deploy, seed):
    juju = deploy("lxd-lab", "two-storey", seed=seed)

    offered = juju.run("edge-lxd/leader", "get-cloud")

    assert set(juju.applications) == {"edge-lxd"}
    assert "3/3 members online, 3 voters" in str(
        [line.message for line in lines(juju, "edge-lxd")]
    )
    assert offered.results["token"]
    assert "project=microk8s" in offered.results["commands"]
