"""One unit and its machine: what the charm does in a hook, and what it says."""

from ops import testing

from edgecloud import testing as relations
from edgecloud.interfaces import edge_component


def test_given_a_bare_pi_when_installed_then_lxd_is_there_and_held(unit, pis):
    state = unit(0).update()

    snap = pis.world.machines["0"].snaps["lxd"]
    assert snap.channel == "5.21/stable"
    assert snap.held_until > 0
    assert state.unit_status.name == "active"


def test_given_lxd_when_reconciled_again_then_nothing_is_changed(unit, pis):
    pi = unit(0)
    pi.update()
    before = len(pis.world.calls)

    pi.update()

    assert [call.argv[1:] for call in pis.world.calls[before:]] == [("list", "lxd")]


def test_given_no_uplink_when_installed_then_the_charm_says_so_and_comes_again(unit, pis):
    state = unit(0, uplink=False).update()

    assert state.unit_status.name == "waiting"
    assert "unable to contact snap store" in state.unit_status.message
    assert pis.ran("/usr/bin/systemd-run")


def test_given_a_wrong_channel_when_reconciled_then_nothing_is_touched(unit, pis):
    state = unit(0).update(config={"channel": "latest/stable"})

    assert state.unit_status == testing.BlockedStatus(
        "channel=latest/stable: set a track, such as 5.21 or 5.21/stable; never latest"
    )
    assert not pis.ran("install")


def test_given_lxd_6_when_the_channel_is_lowered_then_it_is_refused(unit, pis):
    pi = unit(0)
    pi.update(config={"channel": "6/stable"})

    state = pi.update(config={"channel": "5.21/stable"})

    assert state.unit_status.name == "blocked"
    assert state.unit_status.message.endswith("set 6/stable")


def test_given_an_edge_node_beside_it_when_reconciled_then_it_is_told_what_runs_here(unit):
    beside = testing.SubordinateRelation("component", interface="edge_component")

    state = unit(0).update(beside)

    said = state.get_relation(beside.id).local_unit_data
    component = relations.decoded(edge_component.Component, said)
    assert (component.kind, component.snap, component.node) == ("lxd", "lxd", "edge-lxd-0")
    assert component.ready
