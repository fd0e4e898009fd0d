import pytest

from edgelab import bundle, model


def deploy(folder, path):
    juju = model.Model(folder, seed=1)
    juju.deploy(bundle.read(path))
    return juju


@pytest.fixture
def placed(tmp_path, make_bundle):
    def place(old, new):
        juju = deploy(tmp_path / "placed", make_bundle(old, new))
        return {name: unit.machine for name, unit in juju.units.items()}, juju

    return place


def test_given_a_bundle_when_deployed_then_units_are_where_it_says(placed):
    where, juju = placed("to: [0, 1]", "to: [1, 0]")

    assert where == {"greeter-a/0": "1", "greeter-a/1": "0"}
    assert sorted(juju.world.machines) == ["0", "1"]


def test_given_a_container_when_deployed_then_it_is_a_machine_inside_another(placed):
    where, juju = placed("to: [0, 1]", 'to: [0, "lxd:1"]')

    assert where == {"greeter-a/0": "0", "greeter-a/1": "1/lxd/0"}
    assert juju.world.machines["1/lxd/0"].container_of == "1"


def test_given_no_placement_when_deployed_then_each_unit_has_a_new_machine(tmp_path, make_bundle):
    path = make_bundle("    to: [0, 1]\n", "")
    text = path.read_text()
    path.write_text(text[: text.index("machines:")])

    juju = deploy(tmp_path / "placed", path)

    assert len({unit.machine for unit in juju.units.values()}) == 2


def test_given_constraints_when_deployed_then_the_machine_has_them(placed):
    _, juju = placed('"1": {constraints: arch=arm64}', '"1": {constraints: arch=arm64 mem=8G}')

    memory = {name: machine.mem_kb for name, machine in juju.world.machines.items()}
    assert memory["1"] == 8 * 1024 * 1024
    assert {machine.arch for machine in juju.world.machines.values()} == {"arm64"}


def test_given_options_when_deployed_then_the_application_has_them(placed):
    _, juju = placed("greeting: hello", "greeting: servus")

    assert juju.applications["greeter-a"].config["greeting"] == "servus"
