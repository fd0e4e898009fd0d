"""The charm and its pool: options, instances on a simulated LXD, status, removal."""

import dataclasses

import pytest
from conftest import defaults, grow_pool, with_image
from ops import testing

import lxd_config
import node_image
import node_pool
import pool_care
import pool_memory
import pool_plan
import pools
import renewing
from edgecloud import testing as relations
from edgecloud.interfaces import edge_component
from edgecloud.interfaces.cluster_join import ClusterRecord, HostedNode, NodeReport
from edgecloud.lxd import cluster, errors, images, instances, networks, profiles
from edgecloud.lxd_member import renewal
from edgelab.pi.lxd import daemon as lxd_snap

OPTIONS = {"nodes": 2, "privileged-nodes": True, "node-memory": "1GiB", "node-cpu": 1}
FIRST, SECOND = "edge-lxd-0-1a", "edge-lxd-0-2a"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"nodes": -1}, "nodes=-1: set a number from 0 to 50"),
        ({"node_type": "pod"}, "node-type=pod: set container or vm"),
        ({"node_cpu": 0}, "node-cpu=0: set 1 or more"),
        ({"node_memory": "256MiB"}, "node-memory=256MiB: write a size from 512MiB"),
        ({"node_memory": "2"}, "node-memory=2: write a size"),
        ({"node_disk": "1GiB"}, "node-disk=1GiB: write a size from 4GiB"),
        ({"node_placement": "here"}, "node-placement=here: set each or spread"),
        ({"node_channel": "latest/edge"}, "node-channel=latest/edge: set a Kubernetes version"),
        ({"nodes": 1}, "privileged-nodes=false: MicroK8s in containers needs privileges"),
    ],
)
def test_given_a_wrong_option_when_checked_then_the_remedy_is_said(options, said):
    with pytest.raises(lxd_config.ConfigError, match=said):
        lxd_config.LxdConfig(**options)


def test_given_virtual_machines_when_checked_then_they_need_no_privileges():
    assert lxd_config.LxdConfig(nodes=1, node_type="vm").nodes == 1


def test_given_nodes_wanted_when_reconciled_then_they_run_within_their_limits(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)

    found = {one.name: one for one in instances.every(pis.api(0))}
    assert set(found) == {FIRST, SECOND}
    assert all(one.running for one in found.values())
    assert profiles.find(pis.api(0), "edge-lxd-nodes").config["limits.memory"] == "1GiB"
    assert "0/2 nodes joined; nodes wait for a control plane" in state.unit_status.message


@pytest.mark.parametrize("asked", ["cluster-status", "get-cloud", "replace-node"])
def test_given_a_status_with_notes_when_an_action_runs_then_it_stays_as_it_was(unit, pis, asked):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)
    params = {**defaults(asked), **({"node": FIRST} if asked == "replace-node" else {})}

    after = pi.dispatch(pi.ctx.on.action(asked, params=params), state)

    assert "0/2 nodes joined" in after.unit_status.message
    assert (after.unit_status, after.app_status) == (state.unit_status, state.app_status)


def test_given_a_status_with_notes_when_a_secret_expires_then_it_stays_as_it_was(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)
    mine = testing.Secret({"token": "t"}, owner="unit")
    with_secret = dataclasses.replace(state, secrets={*state.secrets, mine})

    after = pi.dispatch(pi.ctx.on.secret_expired(mine, revision=1), with_secret)

    assert "0/2 nodes joined" in after.unit_status.message


def test_given_a_pool_when_reconciled_again_then_lxd_is_asked_to_change_nothing(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)
    before = len(pis.wrote())

    pi.go_on(state)

    assert pis.wrote()[before:] == []


def test_given_somebodys_interface_without_an_address_when_reconciled_then_nodes_get_theirs(
    unit, pis
):
    pi = unit(0)
    state = grow_pool(pi, pis, {})
    with_image(pis)
    barred = {"type": "nic", "network": "lxdbr0", "name": "eth0", "ipv4.address": "none"}
    source = instances.Source.nothing()
    instances.create(pis.api(0), instances.Plan("till", source, devices={"eth0": barred}))

    state = pi.go_on(dataclasses.replace(state, config=OPTIONS))

    assert {one.name for one in instances.every(pis.api(0))} == {FIRST, SECOND, "till"}


def test_given_a_subnet_without_an_address_left_when_nodes_are_wanted_then_the_status_says_so(
    unit, pis
):
    pi = unit(0)
    state = grow_pool(pi, pis, {})
    with_image(pis)
    networks.ensure(pis.api(0), "lxdbr0", {"ipv4.address": "10.9.9.1/30"}, members=["edge-lxd-0"])

    state = pi.go_on(dataclasses.replace(state, config=OPTIONS))

    assert (
        "10.9.9.0/30 has no address left: give LXD's bridge a larger subnet"
        in state.unit_status.message
    )


@pytest.fixture
def no_disk(monkeypatch):
    """Have LXD be unable to start the first node once it was stopped."""
    start = instances.ensure_running

    def refuse(client, name, **options):
        if name == FIRST and instances.find(client, name).status == instances.STOPPED:
            raise errors.LxdError("Failed to mount the root disk")
        return start(client, name, **options)

    return lambda: monkeypatch.setattr(instances, "ensure_running", refuse)


def broken(pi, pis, no_disk, *found):
    """A pool whose first node LXD cannot start, and whose second one is not there yet."""
    state = grow_pool(pi, pis, {**OPTIONS, "nodes": 1}, *found)
    instances.ensure_stopped(pis.api(0), FIRST)
    no_disk()
    return dataclasses.replace(state, config=OPTIONS)


def test_given_a_node_that_cannot_start_when_reconciled_then_the_others_are_tended(
    unit, pis, no_disk
):
    pi = unit(0)
    state = broken(pi, pis, no_disk)

    state = pi.go_on(state)

    assert [one.name for one in instances.every(pis.api(0)) if one.running] == [SECOND]
    assert state.unit_status.name == "waiting"
    assert f"{FIRST}: " in state.unit_status.message
    assert "Failed to mount the root disk" in state.unit_status.message


def test_given_a_node_that_cannot_start_when_a_plan_wishes_then_it_fails_for_that(
    unit, pis, no_disk
):
    pi = unit(0)
    state = broken(pi, pis, no_disk, beside())

    for _ in range(2):
        state = pi.go_on(state)
        pis.world.clock.advance(renewing.PATIENCE_S + 1)

    assert "Failed to mount the root disk" in renewal.answer(pis.host(0)).failed


def test_given_a_server_of_images_that_is_away_when_reconciled_then_nodes_are_tended(
    unit, pis, monkeypatch
):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)
    images.ensure_absent(pis.api(0), images.every(pis.api(0))[0].fingerprint)
    options = {**OPTIONS, "node-image-server": "https://images.example", "nodes": 1}
    monkeypatch.setattr(images, "fetch", no_route)

    state = pi.go_on(dataclasses.replace(state, config=options))

    assert [one.name for one in instances.every(pis.api(0))] == [FIRST]
    assert "no route to images.example" in state.unit_status.message


def no_route(*_, **__):
    raise errors.LxdError("no route to images.example")


def test_given_an_image_that_is_gone_when_looked_at_then_no_node_is_called_outdated(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)
    images.ensure_absent(pis.api(0), images.every(pis.api(0))[0].fingerprint)

    state = pi.go_on(state)

    assert "0/2 nodes joined" in state.unit_status.message
    assert "outdated" not in state.unit_status.message


def test_given_no_image_when_nodes_are_wanted_then_the_status_says_what_to_do(unit, pis):
    state = grow_pool(unit(0), pis, OPTIONS, image=False)

    assert "there is no image juju/ubuntu@24.04/arm64" in state.unit_status.message
    assert instances.every(pis.api(0)) == ()


def test_given_fewer_nodes_wanted_when_reconciled_then_the_last_one_goes(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)

    pi.go_on(dataclasses.replace(state, config={**OPTIONS, "nodes": 1}))

    assert [one.name for one in instances.every(pis.api(0))] == [FIRST]


def test_given_privileges_agreed_to_when_no_nodes_are_wanted_any_more_then_all_go(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)

    state = pi.go_on(dataclasses.replace(state, config={**OPTIONS, "nodes": 0}))

    assert instances.every(pis.api(0)) == ()
    assert state.unit_status == testing.ActiveStatus("1/1 members online, 1 voter")


def test_given_a_unit_that_stops_when_it_hosts_nodes_then_nothing_of_them_is_left(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)

    pi.dispatch(pi.ctx.on.stop(), state)

    assert instances.every(pis.api(0)) == ()
    assert profiles.find(pis.api(0), "edge-lxd-nodes") is None
    assert pis.host(0).glob("/var/lib/edge-lxd/joins*") == []


def test_given_a_daemon_that_hangs_when_a_unit_stops_then_nothing_of_its_nodes_is_left(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)
    pis.world.machines["0"].lxd.hung = True
    lxd_snap.sync(pis.world)

    pi.dispatch(pi.ctx.on.stop(), state)
    left = instances.every(pis.api(0))
    pi.dispatch(pi.ctx.on.remove(), state)

    assert left == ()
    assert "lxd" not in pis.world.machines["0"].snaps


def test_given_somebodys_instance_when_the_last_unit_stops_then_its_nodes_run_on(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)
    instances.create(pis.api(0), instances.Plan("till", instances.Source.nothing()))

    with pytest.raises(SystemExit):
        pi.dispatch(pi.ctx.on.stop(), state)

    assert {one.name for one in instances.every(pis.api(0))} == {FIRST, SECOND, "till"}


def test_given_a_pool_of_containers_when_vms_are_wanted_then_it_is_refused(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)
    before = profiles.find(pis.api(0), "edge-lxd-nodes").config

    state = pi.go_on(dataclasses.replace(state, config={**OPTIONS, "node-type": "vm"}))

    assert state.unit_status.name == "blocked"
    assert f"{FIRST}, {SECOND} are of another, set nodes=0 first" in state.unit_status.message
    assert profiles.find(pis.api(0), "edge-lxd-nodes").config == before


def test_given_a_pool_of_containers_when_vms_are_to_follow_then_none_are_left_in_between(
    unit, pis
):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)
    options = {**OPTIONS, "node-type": "vm"}
    state = pi.go_on(dataclasses.replace(state, config=options))

    state = pi.go_on(dataclasses.replace(state, config={**options, "nodes": 0}))

    assert instances.every(pis.api(0)) == ()
    assert state.unit_status.name == "active"


def test_given_a_node_when_it_shall_be_replaced_then_the_new_name_is_told(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)

    pi.dispatch(pi.ctx.on.action("replace-node", params={"node": FIRST}), state)

    assert pi.ctx.action_results == {"old": FIRST, "new": "edge-lxd-0-1b"}
    with pytest.raises(testing.ActionFailed, match=f"{FIRST} is being replaced"):
        pi.dispatch(pi.ctx.on.action("replace-node", params={"node": SECOND}), state)


def test_given_too_little_memory_when_a_node_shall_be_replaced_then_the_remedy_is_said(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)
    pis.host(0).write("/proc/meminfo", "MemAvailable:     500000 kB\n")

    with pytest.raises(testing.ActionFailed, match="node-memory=1GiB: less is free"):
        pi.dispatch(pi.ctx.on.action("replace-node", params={"node": FIRST}), state)

    pi.go_on(state)
    assert "node-memory=1GiB: less is free" in renewal.answer(pis.host(0)).hindrance


def test_given_an_evacuated_machine_when_a_node_shall_be_replaced_then_it_is_refused(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)
    cluster.ensure_evacuated(pis.api(0), "edge-lxd-0", mode="stop")

    with pytest.raises(testing.ActionFailed, match="run restore before its nodes are replaced"):
        pi.dispatch(pi.ctx.on.action("replace-node", params={"node": FIRST}), state)

    assert pool_memory.Memory(pis.host(0), "edge-lxd/0").replacement() is None


def beside(**wish):
    """An edge-node that passes on what a plan wants."""
    hosted = edge_component.HostedWish(**{"id": "w", "version": "1.36", **wish})
    return relations.component_beside(edge_component.Wishes(hosted=hosted))


def test_given_a_plans_wish_when_the_pool_is_not_whole_then_it_is_taken_up_and_waits(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, OPTIONS)

    pi.go_on(dataclasses.replace(state, relations={*state.relations, beside()}))

    said = renewal.answer(pis.host(0))
    assert (said.wish, said.failed, said.reached) == (renewal.Wish("w", "1.36"), "", "")
    assert pool_memory.Memory(pis.host(0), "edge-lxd/0").replacement() is None
    assert {one.config[pool_plan.MADE_OF].split()[1] for one in instances.every(pis.api(0))} == {
        "1.35/stable"
    }


def test_given_no_nodes_when_a_plan_wishes_then_it_is_fulfilled_at_once(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, {})

    pi.go_on(dataclasses.replace(state, relations={*state.relations, beside(revision="7")}))

    assert renewal.answer(pis.host(0)).reached == "hosted:1.36:7"


def test_given_a_pool_that_was_hindered_when_it_is_gone_then_no_plan_is_held_up_by_it(unit, pis):
    pi = unit(0)
    state = grow_pool(pi, pis, {})
    before = renewal.Answer(renewal.Wish("v", "1.35"), reached="hosted:1.35", hindrance="no room")
    renewal.say(pis.host(0), before)

    pi.go_on(state)

    assert renewal.answer(pis.host(0)) == dataclasses.replace(before, hindrance="")


def test_given_a_control_plane_when_nothing_is_hosted_any_more_then_nothing_is_said(unit, pis):
    hosted = NodeReport(hosted=(HostedNode("1a", NodeReport(FIRST)),))
    there = relations.cluster_control_plane(record=ClusterRecord(cluster="x"), mine=hosted)
    pi = unit(0)
    state = grow_pool(pi, pis, {}, there)

    [relation] = state.get_relations("control-plane")
    assert relations.decoded(NodeReport, relation.local_unit_data) == NodeReport()


def test_given_an_image_that_is_there_when_ensured_then_no_server_is_asked(unit, pis, monkeypatch):
    grow_pool(unit(0), pis, {})
    alias = with_image(pis)
    monkeypatch.setattr(images, "fetch", lambda *_, **__: pytest.fail("asked the server"))

    kind = instances.CONTAINER
    assert not node_image.ensure(pis.api(0), alias, "https://images.example", kind=kind)
    assert not node_image.ensure(pis.api(0), "mine", "https://images.example", kind=kind)
    assert not node_image.ensure(pis.api(0), "juju/ubuntu@24.04/x", "", kind=kind)


def test_given_no_image_when_a_server_is_named_then_it_is_fetched_once(unit, pis, monkeypatch):
    grow_pool(unit(0), pis, {})
    fingerprint = images.every(pis.api(0))[0].fingerprint if with_image(pis, "mine") else ""
    asked = []

    def fetch(client, server, alias, *, timeout_s):
        asked.append((server, alias))
        return fingerprint

    monkeypatch.setattr(images, "fetch", fetch)
    alias, kind = node_image.default("arm64", is_vm=False), instances.CONTAINER
    assert node_image.ensure(pis.api(0), alias, "https://images.example", kind=kind)
    assert not node_image.ensure(pis.api(0), alias, "https://images.example", kind=kind)

    assert asked == [("https://images.example", "24.04")]


def test_given_a_plan_that_moved_nodes_when_noted_then_the_option_to_set_is_named():
    outcome = node_pool.Outcome(1, 1, note="a plan brought its nodes to 1.36")

    assert pool_care.notes(outcome) == ["1/1 nodes joined", "a plan brought its nodes to 1.36"]


def test_given_an_evacuated_machine_when_asked_then_no_node_is_replaced_there(pis, unit):
    grow_pool(unit(0), pis, OPTIONS)
    config = lxd_config.LxdConfig()

    assert "run restore before" in pool_care.hindrance(pis.host(0), config, away=True)
    assert pool_care.hindrance(pis.host(0), config) == ""


def test_given_an_outcome_when_noted_then_what_is_outdated_and_mended_is_named():
    outcome = node_pool.Outcome(2, 1, "x is joining", ("limits.cpu",), ("y",), "b took a")

    assert pool_care.notes(outcome) == [
        "1/2 nodes joined",
        "b took a",
        "x is joining",
        "mended the nodes' profile: limits.cpu",
        "outdated, use replace-node: y",
    ]


def test_given_no_root_disk_in_the_default_profile_when_ground_is_looked_for_then_it_says_so(
    single, pis
):
    with pytest.raises(pools.PoolError, match="no root disk or no network yet"):
        pools.ground(pis.api(0))


def test_given_an_agent_that_disturbs_the_machine_when_reconciled_then_a_stopped_node_stays_so(
    unit, pis
):
    pi = unit(0)
    beside = relations.component_beside(edge_component.Wishes(busy=True))
    state = grow_pool(pi, pis, OPTIONS)
    instances.ensure_stopped(pis.api(0), FIRST)

    disturbed = pi.go_on(dataclasses.replace(state, relations={*state.relations, beside}))

    assert not instances.find(pis.api(0), FIRST).running
    assert "the upgrade agent is at work" in disturbed.unit_status.message
    pi.go_on(state)
    assert instances.find(pis.api(0), FIRST).running
