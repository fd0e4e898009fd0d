import pytest
from ops import testing

from edgecloud.interfaces import edge_component
from edgecloud.interfaces.edge_component import Component
from edgecloud.testing import component_of, decoded, encoded

V1 = {
    "kind": '"microk8s"',
    "snap": '"microk8s"',
    "channel": '"1.35/stable"',
    "node": '"pi-1"',
    "role": '"control-plane"',
    "voter": "true",
    "failure_domain": '"rack-a"',
    "kubeconfig": '"/var/snap/microk8s/current/credentials/client.config"',
    "drain_timeout_s": "120",
    "ready": "false",
}
FULL = Component(
    kind="microk8s",
    snap="microk8s",
    channel="1.35/stable",
    node="pi-1",
    role="control-plane",
    voter=True,
    failure_domain="rack-a",
    kubeconfig="/var/snap/microk8s/current/credentials/client.config",
    drain_timeout_s=120,
    ready=False,
)
VECTORS = {
    "empty": ({}, Component()),
    "v1": (V1, FULL),
    "future field": ({"node": '"pi-1"', "firmware": '"2027"'}, Component(node="pi-1")),
}


@pytest.mark.parametrize(("bag", "meaning"), VECTORS.values(), ids=VECTORS.keys())
def test_given_any_released_databag_when_loaded_then_it_means_the_same_as_ever(bag, meaning):
    assert decoded(Component, bag) == meaning


def test_given_a_component_when_saved_then_the_wire_is_the_same_as_ever():
    assert encoded(FULL) == V1


def test_given_a_principal_when_it_publishes_then_the_unit_beside_it_reads_the_same(inside):
    published = inside(
        lambda charm: edge_component.ComponentProvider(charm).publish(FULL),
        testing.SubordinateRelation("component", remote_app_name="edge-node"),
        app="edge-a",
    )
    wire = published.relation("component").local_unit_data

    read = inside(
        lambda charm: edge_component.ComponentRequirer(charm, "principal").components(),
        testing.SubordinateRelation("principal", remote_app_name="edge-a", remote_unit_data=wire),
        app="edge-node",
    )

    assert published.result is True
    assert read.result == [FULL]


def test_given_two_principals_on_a_machine_when_read_then_they_come_in_the_order_of_kinds(inside):
    relations = [
        component_of(Component(kind=kind), principal=kind, endpoint="principal")
        for kind in ("microk8s", "lxd")
    ]

    read = inside(
        lambda charm: edge_component.ComponentRequirer(charm, "principal").components(), *relations
    )

    assert [component.kind for component in read.result] == ["lxd", "microk8s"]


def test_given_nobody_beside_it_when_a_principal_publishes_then_it_is_no_news(inside):
    published = inside(lambda charm: edge_component.ComponentProvider(charm).publish(FULL))

    assert published.result is False
