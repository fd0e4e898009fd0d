import dataclasses

import pytest
from ops import testing

from edgecloud.interfaces import edge_component
from edgecloud.interfaces.edge_component import Component, HostedWish, Wishes
from edgecloud.testing import component_beside, component_of, decoded, encoded

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
V2 = {**V1, "way_back_until": "1900000000"}
VECTORS = {
    "empty": ({}, Component()),
    "v1": (V1, FULL),
    "v2": (V2, dataclasses.replace(FULL, way_back_until=1_900_000_000)),
    "v3": (
        {"kind": '"lxd"', "hosted": '["1.35.2", "1.36.0"]'},
        Component(kind="lxd", hosted=("1.35.2", "1.36.0")),
    ),
    "future field": ({"node": '"pi-1"', "firmware": '"2027"'}, Component(node="pi-1")),
}

WISHES = {
    "of an edge-node that writes nothing": ({}, Wishes()),
    "v1": ({"way_back": "true", "busy": "false"}, Wishes(way_back=True)),
    "v1 at work": ({"way_back": "true", "busy": "true"}, Wishes(way_back=True, busy=True)),
    "v2": (
        {"hosted": '{"id": "d/hosted/1.36/0", "version": "1.36", "revision": "8512"}'},
        Wishes(hosted=HostedWish("d/hosted/1.36/0", "1.36", "8512")),
    ),
    "future field": ({"busy": "true", "quiet_until": "7"}, Wishes(busy=True)),
    "unfit value": ({"way_back": '"yes"', "busy": "true"}, Wishes(busy=True)),
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


@pytest.mark.parametrize(("bag", "meaning"), WISHES.values(), ids=WISHES.keys())
def test_given_any_released_wishes_when_loaded_then_they_mean_the_same_as_ever(bag, meaning):
    assert decoded(Wishes, bag) == meaning


def test_given_an_edge_node_when_it_asks_then_the_principal_beside_it_reads_the_same(inside):
    asked = inside(
        lambda charm: edge_component.ComponentRequirer(charm, "principal").ask(
            Wishes(way_back=True, busy=True)
        ),
        testing.SubordinateRelation("principal", remote_app_name="edge-a"),
        app="edge-node",
    )
    wire = asked.relation("principal").local_unit_data

    read = inside(
        lambda charm: edge_component.ComponentProvider(charm).wishes(),
        testing.SubordinateRelation(
            "component", remote_app_name="edge-node", remote_unit_data=wire
        ),
        app="edge-a",
    )

    assert asked.result is True
    assert read.result == Wishes(way_back=True, busy=True)


def test_given_the_same_wishes_when_asked_again_then_it_is_no_news(inside):
    asked = inside(
        lambda charm: [
            edge_component.ComponentRequirer(charm, "principal").ask(Wishes(busy=True))
            for _ in range(2)
        ],
        testing.SubordinateRelation("principal", remote_app_name="edge-a"),
    )

    assert asked.result == [True, False]


def test_given_a_unit_beside_it_that_wishes_when_a_principal_reads_then_it_knows(inside):
    read = inside(
        lambda charm: edge_component.ComponentProvider(charm).wishes(),
        component_beside(Wishes(way_back=True)),
    )

    assert read.result == Wishes(way_back=True)


def test_given_nobody_beside_it_when_a_principal_reads_then_nobody_wishes_anything(inside):
    read = inside(lambda charm: edge_component.ComponentProvider(charm).wishes())

    assert read.result == Wishes()
