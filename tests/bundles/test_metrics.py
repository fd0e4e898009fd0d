"""What a machine tells of itself once a bundle is on it, with no controller at hand."""

import pathlib

import pytest

from edgecloud.metrics import node
from edgelab import bundle, model
from edgelab.pi import board

BUNDLE = pathlib.Path(__file__).parents[2] / "bundles/single-pi.yaml"


@pytest.fixture(scope="module")
def juju(tmp_path_factory):
    with model.Model(tmp_path_factory.mktemp("site") / "lab", seed=1) as made:
        made.deploy(bundle.read(BUNDLE))
        made.settle()
        yield made


def told(juju):
    (machine,) = juju.world.machines.values()
    return machine.path(f"{node.FOLDER}/{node.TEXTFILE}").read_text().splitlines()


def test_given_the_bundle_when_a_minute_has_passed_then_its_machine_tells_of_itself(juju):
    juju.advance(90)

    assert {
        "edge_kubernetes_ready 1",
        "edge_datastore_voters_answering 1",
        'edge_snap_held{snap="microk8s"} 1',
        'upgrade_node_state{state="idle"} 1',
    } <= set(told(juju))


def test_given_no_controller_when_the_supply_sags_then_it_is_told_without_a_hook(juju):
    (machine,) = juju.world.machines.values()
    juju.cut_controller(machine.id)
    board.sag(machine)
    hooks = len(juju.record.hooks)

    juju.advance(90)

    assert 'edge_power_fault{fault="under_voltage",since="now"} 1' in told(juju)
    assert len(juju.record.hooks) == hooks
