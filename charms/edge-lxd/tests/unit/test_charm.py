"""One unit and its machine: what the charm does in a hook, and what it says."""

import dataclasses
import json

import pytest
from conftest import books, report, said
from ops import testing

from edgecloud import testing as relations
from edgecloud.host import snap
from edgecloud.interfaces import cos_agent, edge_component
from edgecloud.lxd import images, profiles, server, storage
from edgelab import pi as effects
from edgelab.pi import hardware


def grow(pi, hooks=4, **fields):
    """Let a unit that leads go on until it has nothing to do."""
    state = pi.update(leader=True, **fields)
    for _ in range(hooks - 1):
        state = pi.go_on(state)
    return state


def with_options(state, config):
    return dataclasses.replace(state, config=config)


def test_given_a_bare_pi_when_deployed_then_it_is_a_cluster_of_one(unit, pis):
    state = grow(unit(0))

    assert pis.members() == ["edge-lxd-0"]
    assert state.unit_status == testing.ActiveStatus("1/1 members online, 1 voter")
    assert books(state).cluster == pis.cluster()
    assert pis.world.machines["0"].snaps["lxd"].held_until > 0


def test_given_a_cluster_of_one_when_grown_then_instances_are_on_the_good_disk(unit, pis):
    grow(unit(0))

    pool = pis.api(0).get("/1.0/storage-pools/local", {"target": "edge-lxd-0"})
    assert (pool["driver"], pool["config"]["source"]) == ("btrfs", "/dev/nvme0n1")
    assert storage.find(pis.api(0), "juju").driver == "dir"
    assert server.get(pis.api(0)).config["storage.images_volume"] == "local/images"
    assert profiles.find(pis.api(0), "default").devices["root"]["pool"] == "local"


def test_given_all_is_well_when_reconciled_again_then_nothing_is_written(unit, pis):
    pi = unit(0)
    state = grow(pi)
    before = len(pis.wrote())

    pi.go_on(state)

    assert pis.wrote()[before:] == []


def test_given_a_machine_that_dawdles_when_its_kind_is_asked_then_the_hook_ends_well(unit, pis):
    pi = unit(0)
    pis.fail(0, "/usr/bin/dpkg", effect=effects.hang(), times=0)

    state = grow(pi)

    assert state.unit_status.name == "waiting"
    assert "dpkg --print-architecture took longer than 20 s" in state.unit_status.message


def test_given_no_uplink_when_installed_then_the_charm_says_so_and_comes_again(unit, pis):
    state = grow(unit(0, uplink=False))

    assert state.unit_status.name == "waiting"
    assert "unable to contact snap store" in state.unit_status.message
    assert pis.ran("/usr/bin/systemd-run")


def test_given_a_wrong_channel_when_reconciled_then_nothing_is_touched(unit, pis):
    state = unit(0).update(leader=True, config={"channel": "latest/stable"})

    assert state.unit_status == testing.BlockedStatus(
        "channel=latest/stable: set a track, such as 5.21 or 5.21/stable; never latest"
    )
    assert not pis.ran("install")


def test_given_two_options_changed_when_both_are_wrong_then_both_are_said(unit):
    config = {"storage-driver": "zfs", "network": "", "disk": "sda"}

    state = unit(0).update(leader=True, config=config)

    for option in config:
        assert f"{option}=" in state.unit_status.message


def test_given_two_options_changed_when_reconciled_then_both_count(unit, pis):
    pi = unit(0)
    state = grow(pi)
    config = {"node-profile": "default", "privileged-nodes": True}

    state = pi.go_on(with_options(state, config))

    assert profiles.find(pis.api(0), "default").config["security.privileged"] == "true"
    assert "nodes are privileged" in state.unit_status.message


def test_given_lxd_6_when_the_channel_is_lowered_then_it_is_refused(unit, pis):
    pi = unit(0)
    state = grow(pi, config={"channel": "6/stable"})

    state = pi.go_on(with_options(state, {"channel": "5.21/stable"}))

    assert state.unit_status.name == "blocked"
    assert state.unit_status.message.endswith("set 6/stable")


def test_given_a_later_channel_when_reconciled_then_no_machine_is_refreshed_by_a_hook(unit, pis):
    pi = unit(0)
    state = grow(pi)
    before = dict(vars(pis.world.machines["0"].snaps["lxd"]))

    state = pi.go_on(with_options(state, {"channel": "6/stable"}))

    # All members would move in the same minute, each into waiting for the others.
    assert vars(pis.world.machines["0"].snaps["lxd"]) == before
    assert pis.ran("/usr/bin/snap", "refresh") == [
        call for call in pis.ran("/usr/bin/snap", "refresh") if "--hold" in call.argv
    ]
    assert state.unit_status.name == "active"


def test_given_a_router_that_gave_another_address_when_lxd_is_silent_then_it_is_said(unit, pis):
    pi = unit(0)
    state = grow(pi)
    snap.stop(pis.host(0), "lxd")
    pis.world.machines["0"].address = "10.20.0.99"
    moved = {network for network in pi.state().networks if network.binding_name == "cluster"}

    state = pi.go_on(dataclasses.replace(state, networks=moved))

    assert state.unit_status.name == "blocked"
    assert "give it 10.20.0.11 back" in state.unit_status.message


def test_given_juju_lowered_lxd_when_reconciled_then_the_model_option_is_named(unit, pis):
    pi = unit(0)
    state = grow(pi)
    lxd = pis.world.machines["0"].snaps["lxd"]
    lxd.versions[lxd.revision] = "5.0.4-abc"

    state = pi.go_on(state)

    assert state.unit_status.name == "blocked"
    assert "juju model-config lxd-snap-channel=5.21/stable" in state.unit_status.message


def test_given_only_the_card_when_deployed_then_it_is_not_used_unasked(unit, pis):
    card = hardware.drive("mmcblk0", "", 64, partitions=("mmcblk0p1",))

    state = grow(unit(0, drives=[card]))

    assert state.unit_status.name == "blocked"
    assert "disk=boot" in state.unit_status.message
    assert not report(state).ready


def test_given_a_named_disk_that_is_not_there_when_deployed_then_it_is_said(unit):
    state = grow(unit(0), config={"disk": "/dev/sdz"})

    assert state.unit_status == testing.BlockedStatus(
        "disk=/dev/sdz is not there: attach it, or name another"
    )


def test_given_a_named_disk_when_deployed_then_it_is_used(unit, pis):
    drives = [hardware.drive("nvme0n1", "nvme", 256), hardware.drive("sda", "usb", 64)]

    grow(unit(0, drives=drives), config={"disk": "/dev/sda"})

    pool = pis.api(0).get("/1.0/storage-pools/local", {"target": "edge-lxd-0"})
    assert pool["config"]["source"] == "/dev/sda"


def test_given_consent_when_only_the_card_is_there_then_it_is_used(unit, pis):
    card = hardware.drive("mmcblk0", "", 64, partitions=("mmcblk0p1",))

    state = grow(unit(0, drives=[card]), config={"disk": "boot"})

    pool = pis.api(0).get("/1.0/storage-pools/local", {"target": "edge-lxd-0"})
    assert pool["config"]["size"] == "20GiB"
    assert "storage.images_volume" not in server.get(pis.api(0)).config
    assert state.unit_status.name == "active"


def test_given_no_memory_cgroup_when_deployed_then_nothing_is_installed(unit, pis):
    pi = unit(0)
    hardware.forget_memory_cgroup(pis.world.machines["0"])

    state = grow(pi)

    assert state.unit_status.name == "blocked"
    assert "cgroup_enable=memory" in state.unit_status.message
    assert not pis.ran("install")


@pytest.fixture
def with_image(unit, pis, tmp_path):
    """A unit whose LXD holds an image already."""

    def make(number):
        pi = unit(number)
        pis.install(number)
        tarball = tmp_path / "image.tar"
        tarball.write_bytes(b"image" * 100)
        images.ensure(pis.api(number), tarball)
        return pi

    return make


def test_given_an_lxd_that_holds_an_image_when_it_is_to_join_then_it_does_not(
    with_image, single, record
):
    peers = relations.lxd_peers(
        {0: said(single, 0, ready=None, cluster=single.cluster())}, record=record(0)
    )

    state = with_image(1).update(peers=peers, planned_units=2)

    assert state.unit_status.name == "blocked"
    assert "this LXD holds the image" in state.unit_status.message
    assert not report(state).ready


def test_given_an_lxd_that_holds_an_image_when_it_founds_then_it_keeps_it(with_image, pis):
    grow(with_image(0))

    assert server.get(pis.api(0)).clustered
    assert len(images.every(pis.api(0))) == 1


def test_given_an_edge_node_beside_it_when_reconciled_then_it_is_told_what_runs_here(unit):
    beside = testing.SubordinateRelation("component", interface="edge_component")
    pi = unit(0)

    state = grow(pi)
    state = pi.update(beside, peers=state.get_relations("cluster")[0], leader=True)

    bag = state.get_relation(beside.id).local_unit_data
    component = relations.decoded(edge_component.Component, bag)
    assert (component.kind, component.snap, component.node) == ("lxd", "lxd", "edge-lxd-0")
    assert component.ready
    assert component.voter


def test_given_an_agent_beside_it_when_reconciled_then_metrics_have_a_certificate(unit, pis):
    beside = testing.Relation("cos-agent", interface="cos_agent")
    pi = unit(0)

    state = grow(pi)
    state = pi.update(beside, peers=state.get_relations("cluster")[0], leader=True)

    bag = state.get_relation(beside.id).local_unit_data["config"]
    key = pis.host(0).read("/var/lib/edge-lxd/metrics-client.key")
    assert "10.20.0.11:8444" in bag
    assert "/var/lib/edge-lxd/metrics-client.key" in bag
    assert key not in bag
    assert "/var/lib/edge-lxd/metrics-server.crt" in bag
    assert "insecure_skip_verify" not in bag
    (dashboard,) = map(cos_agent.unpack, json.loads(bag)["dashboards"])
    assert json.loads(dashboard)["title"] == "Edge: LXD"
    config = server.get(pis.api(0)).config
    assert config["core.metrics_authentication"] == "true"


@pytest.mark.parametrize("leader", [True, False])
def test_given_nothing_decided_when_a_unit_comes_then_only_the_leader_decides(unit, leader):
    state = unit(0).update(leader=leader)

    assert bool(books(state).builds) is leader


def test_given_another_unit_that_goes_first_when_its_build_is_not_known_then_this_waits(unit, pis):
    pi = unit(1)
    peers = relations.lxd_peers({0: said(pis, 0, revision=None, ready=None)})

    pi.update(peers=peers)

    assert not pis.ran("install", "lxd")
