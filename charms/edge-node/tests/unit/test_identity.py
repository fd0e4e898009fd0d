"""What a machine is, out of what principals and the board say."""

import pytest
from conftest import PLANE, WORKER

import identity
from edgecloud.interfaces import edge_component, node_upgrade
from edgecloud.rollout import audit
from node_options import NodeOptions

BOARD = identity.Board("pi-0", "arm64", "Raspberry Pi 5 Model B Rev 1.0", "ubuntu-24.04")
LXD = edge_component.Component(kind="lxd", node="member-0", failure_domain="rack-l")


def chain(*entries):
    link = None
    for at, to in entries:
        link = audit.extend(link, {"at": at, "to": to})
        yield link


def machine(who, **options):
    return identity.machine(who, BOARD, NodeOptions(**options), "v1.35.2", 0)


def test_given_no_component_when_asked_then_nobody_is_known():
    assert identity.identify([edge_component.Component()], BOARD) is None


def test_given_both_kinds_when_asked_then_the_name_in_kubernetes_counts():
    who = identity.identify([LXD, PLANE], BOARD)

    assert who.name == "pi-0"
    assert machine(who).lxd


@pytest.mark.parametrize(("component", "voter"), [(PLANE, True), (WORKER, False)])
def test_given_a_role_when_described_then_only_a_control_plane_votes(component, voter):
    who = identity.identify([component], BOARD)

    assert (machine(who).voter, machine(who).role) == (voter, component.role)


def test_given_a_board_when_described_then_plans_can_select_by_model_and_base():
    labels = machine(identity.identify([WORKER], BOARD), labels="room=cellar").labels

    assert labels == (
        node_upgrade.Label("base", "ubuntu-24.04"),
        node_upgrade.Label("model", "raspberry-pi-5"),
        node_upgrade.Label("room", "cellar"),
    )


def test_given_an_lxd_member_when_described_then_it_has_no_version_of_kubernetes():
    who = identity.identify([LXD], BOARD)

    assert machine(who).version == ""


def test_given_two_upgrades_when_measured_then_nothing_is_claimed():
    links = list(chain((0, "granted"), (50, "soaking"), (100, "granted"), (160, "soaking")))

    assert identity.measured_s(links) == 0


def test_given_three_upgrades_when_measured_then_the_longest_counts():
    ends = ("soaking", "rolled-back", "failed-safe")
    links = list(chain(*((n * 1000 + s, to) for n, (span, end) in enumerate(
        zip((50, 400, 70), ends, strict=True)
    ) for s, to in ((0, "granted"), (span, end)))))  # fmt: skip

    assert identity.measured_s(links) == 400


def test_given_an_lxd_member_when_settled_then_the_agent_knows_it_by_its_name_there():
    both, plain = (identity.identify(found, BOARD) for found in ([LXD, PLANE], [PLANE]))

    known = [identity.settings(who, BOARD, NodeOptions(), "edge-node/0") for who in (both, plain)]

    assert [each.lxd for each in known] == ["member-0", ""]


def test_given_an_lxd_member_when_described_then_the_nodes_that_it_hosts_are_told():
    hosting = edge_component.Component(kind="lxd", node="m", hosted=("1.35.2", "1.35.3"))

    assert machine(identity.identify([hosting, PLANE], BOARD)).hosted == ("1.35.2", "1.35.3")
    assert machine(identity.identify([PLANE], BOARD)).hosted == ()


def test_given_hosted_nodes_that_were_replaced_when_measured_then_that_does_not_count():
    entries = [(at, to) for at in (0, 1000, 2000) for to in ("granted", "soaking")]
    links, last = [], None
    for at, to in entries:
        entry = {"at": at + 400 * (to == "soaking"), "to": to, "part": "hosted/1.36"}
        last = audit.extend(last, entry)
        links.append(last)

    assert identity.measured_s(links) == 0
