"""The bundles with LXD in the lab."""

import pathlib

import pytest

from edgelab import bundle, model, page

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


@pytest.mark.parametrize("seed", range(2))
def test_given_the_lxd_lab_when_deployed_then_three_nodes_live_in_one_machine(deploy, seed):
    juju = deploy("lxd-lab", seed=seed)

    assert {unit.status.name for unit in juju.units.values()} == {"active"}
    [plane] = lines(juju, "edge-microk8s")
    assert plane.message == "4/4 nodes ready, 1 voter"
    [host] = lines(juju, "edge-lxd")
    assert "3/3 nodes joined; nodes are privileged" in host.message
    inside = [m for m in juju.world.machines.values() if m.container_of == "0"]
    assert all(machine.path("/dev/kmsg").exists() for machine in inside)
    without_agent = {machine.hostname for machine in inside if machine.instance}
    assert without_agent == {f"edge-lxd-0-{slot}a" for slot in (1, 2, 3)}
    shown = page.render(juju, title="the lab")
    assert all(f"{name}</text>" in shown for name in without_agent)
    assert "started edge-lxd-0-3a" in shown


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
