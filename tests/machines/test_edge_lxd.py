"""The charm on real daemons: the lab's Juju, simulated Pis, and real LXD on each."""

import json
import threading
import time

import lxd_site
import pytest
import real_lxd

from edgecloud.lxd import (
    client,
    cluster,
    errors,
    images,
    instances,
    profiles,
    server,
    storage,
    transport,
)

ONLINE = cluster.Status.ONLINE
NO_NETWORK = {"eth0": {"type": "none"}}


@pytest.fixture
def make_cloud(site, tmp_path_factory, progress):
    made = []

    def make(pis=0, **config):
        cloud = real_lxd.RealSite(tmp_path_factory.mktemp("cloud"), site, **config)
        made.append(cloud)
        for _ in range(pis):
            cloud.add_pi()
        cloud.settle()
        return cloud

    yield make
    for cloud in made:
        cloud.close()


@pytest.fixture(scope="module")
def cloud(site, tmp_path_factory, progress):
    """Return a site of three units that has settled."""
    made = real_lxd.RealSite(tmp_path_factory.mktemp("cloud"), site)
    for _ in range(3):
        made.add_pi()
    made.settle()
    progress("the charm has formed a cluster of three")
    yield made
    made.close()


@pytest.fixture(scope="module")
def image(cloud, image_files):
    """Return the alias of a tiny image in the cluster."""
    fingerprint, _ = images.ensure(cloud.api(cloud.leader()), image_files[0])
    images.ensure_alias(cloud.api(cloud.leader()), "tiny", fingerprint)
    return "tiny"


@pytest.fixture
def instance_on(cloud, image):
    """Return a function that makes a running instance on a unit's member."""
    made = []

    def make(name, unit, **config):
        member = unit.replace("/", "-")
        source = instances.Source.alias(image)
        plan = instances.Plan(name, source, devices=NO_NETWORK, config=config, member=member)
        instances.create(cloud.api(unit), plan, timeout_s=60)
        made.append(name)
        instances.ensure_running(cloud.api(unit), name)

    yield make
    for name in made:
        instances.ensure_absent(cloud.api(cloud.leader()), name)


def settled(cloud):
    assert set(cloud.statuses().values()) == {"active"}, cloud.messages()


def test_given_three_units_when_deployed_then_real_daemons_are_one_cluster(cloud):
    settled(cloud)
    assert cloud.names("edge-lxd/0") == ["edge-lxd-0", "edge-lxd-1", "edge-lxd-2"]
    assert {one.status for one in cluster.members(cloud.api("edge-lxd/0"))} == {ONLINE}
    assert cloud.messages()[cloud.leader()].startswith("3/3 members online, 3 voters")


def test_given_a_cluster_when_grown_then_pools_and_profiles_are_on_every_member(cloud):
    pool = storage.find(cloud.api("edge-lxd/2"), "local")

    assert (pool.driver, pool.ready, len(pool.members)) == ("btrfs", True, 3)
    assert len(storage.find(cloud.api("edge-lxd/2"), "juju").members) == 3
    devices = profiles.find(cloud.api("edge-lxd/1"), "default").devices
    assert devices["eth0"]["parent"] == "br0"


def test_given_all_is_well_when_every_unit_runs_again_then_nothing_changes(cloud):
    before = {unit: server.get(cloud.api(unit)).config for unit in cloud.units}
    calls = len(cloud.world.calls)

    cloud.advance(400)

    assert {unit: server.get(cloud.api(unit)).config for unit in cloud.units} == before
    assert not [call for call in cloud.world.calls[calls:] if call.argv[0] == "lxd"]


def test_given_everybody_joined_when_looked_for_then_no_token_is_left(cloud):
    assert cluster.tokens(cloud.api("edge-lxd/0")) == ()
    assert not [one for one in cloud.secrets.values() if one.revisions]


def test_given_another_leader_when_one_more_comes_then_there_is_no_second_cluster(cloud):
    before = server.get(cloud.api("edge-lxd/0")).fingerprint
    cloud.move_leader("edge-lxd", "edge-lxd/2")

    added = cloud.add_pi()
    cloud.settle()

    assert server.get(cloud.api(added.name)).fingerprint == before
    with pytest.raises(errors.AlreadyClusteredError):
        cluster.bootstrap(cloud.api(added.name), "again")
    settled(cloud)


def test_given_an_instance_when_its_unit_is_removed_then_it_moves_and_the_member_goes(
    cloud, instance_on
):
    last = sorted(cloud.units)[-1]
    instance_on("moves", last)

    cloud.remove_unit(last)
    cloud.settle()

    assert last.replace("/", "-") not in cloud.names("edge-lxd/0")
    assert instances.find(cloud.api("edge-lxd/0"), "moves").running
    settled(cloud)


def test_given_the_leader_when_its_unit_is_removed_then_only_it_goes_and_another_comes(
    cloud, progress
):
    leader = cloud.leader()

    cloud.remove_unit(leader)
    cloud.settle()
    progress("the leader's unit has left")

    left = sorted(cloud.units)
    assert leader not in left
    assert cloud.names(left[0]) == [unit.replace("/", "-") for unit in left]
    cloud.add_pi()
    cloud.settle()
    assert len(cloud.names(left[0])) == 3
    settled(cloud)


def test_given_a_token_that_expires_on_the_way_when_joining_then_another_one_serves(
    cloud, progress
):
    api = cloud.api(cloud.leader())
    server.ensure_config(api, {"cluster.join_token_expiry": "2S"})

    added = cloud.add_pi(delays=[3])
    cloud.settle()
    progress("joined by the second token")

    assert cloud.names(added.name)[-1] == added.name.replace("/", "-")
    assert json.loads(cloud.real_state(added.name, "join.json"))["attempt"] == 2
    server.ensure_config(api, {"cluster.join_token_expiry": None})
    settled(cloud)
    cloud.remove_unit(added.name)
    cloud.settle()


def test_given_a_daemon_that_holds_something_when_added_then_it_joins_only_once_it_is_empty(
    cloud, image_files
):
    added = cloud.add_pi(prepare=lambda real: images.ensure(real.api, image_files[0]))
    cloud.settle()
    refused = cloud.messages()[added.name]
    [image] = images.every(cloud.api(added.name))

    images.ensure_absent(cloud.api(added.name), image.fingerprint)
    cloud.advance(400)
    cloud.settle()

    assert "which joining would make it forget" in refused
    assert added.name.replace("/", "-") in cloud.names(cloud.leader())
    cloud.remove_unit(added.name)
    cloud.settle()


def test_given_an_evacuation_when_its_daemon_is_killed_then_running_it_again_ends_well(
    cloud, instance_on, progress
):
    unit = next(name for name in sorted(cloud.units) if name != cloud.leader())
    member = unit.replace("/", "-")
    instance_on("one", unit)
    instance_on("two", unit)

    killer = threading.Timer(0.4, cloud.real[unit].kill)
    killer.start()
    cloud.run(cloud.leader(), "evacuate", {"member": member})
    killer.join()
    cloud.real[unit].start()
    lxd_site.until(lambda: _is_served(cloud, member))
    first = cloud.do(cloud.leader(), "evacuate", member=member)
    again = cloud.do(cloud.leader(), "evacuate", member=member)
    progress("evacuated, over a kill -9")
    assert first["member"] == member
    assert again["result"].startswith("was evacuated already")
    assert not [one for one in _running(cloud) if one.member == member]

    cloud.do(cloud.leader(), "restore", member=member)
    assert cloud.do(cloud.leader(), "restore", member=member)["result"].startswith("was")
    assert {one.member for one in _running(cloud)} == {member}


def _running(cloud):
    found = instances.every(cloud.api(cloud.leader()))
    return [one for one in found if one.running and one.name in ("one", "two")]


def _is_served(cloud, member):
    try:
        found = {one.name: one.status for one in cluster.members(cloud.api(cloud.leader()))}
    except errors.LxdError:
        return False
    return found[member] is not cluster.Status.OFFLINE


def test_given_an_instance_when_a_snapshot_is_restored_then_it_runs_again(cloud, instance_on):
    unit = cloud.leader()
    instance_on("node", unit)

    taken = cloud.do(unit, "snapshot-node", instance="node", snapshot="pre")
    cloud.do(unit, "restore-node", instance="node", snapshot="pre")

    assert taken["result"].startswith("taken")
    assert instances.find(cloud.api(unit), "node").running


def test_given_a_backup_when_taken_then_it_holds_the_database_and_reads_back(cloud):
    found = cloud.do(cloud.leader(), "backup")

    held = json.loads(cloud.host(cloud.leader()).read(found["backup"]))
    assert "INSERT INTO nodes" in held["global"]


def test_given_the_metrics_certificate_when_used_then_it_is_good_for_metrics_only(cloud):
    unit = cloud.leader()
    host = cloud.host(unit)
    at = transport.TlsAddress(
        cloud.real[unit].address.partition(":")[0],
        8444,
        server.get(cloud.api(unit)).fingerprint,
        host.path("/var/lib/edge-lxd/metrics-client.crt"),
        host.path("/var/lib/edge-lxd/metrics-client.key"),
    )

    assert "lxd_" in server.metrics(client.Client(at))
    elsewhere = transport.TlsAddress(at.host, 8443, at.fingerprint, at.certificate, at.key)
    with pytest.raises(errors.ForbiddenError):
        instances.every(client.Client(elsewhere))


def test_given_a_cloud_when_offered_then_its_token_is_for_one_project(cloud):
    unit = cloud.leader()

    found = cloud.do(unit, "get-cloud")

    assert json.loads(found["cloud"])["clouds"]["edge-lxd"]["endpoint"].startswith("https://127.")
    node = profiles.find(cloud.api(unit).in_project("microk8s"), "default")
    assert node.config["security.nesting"] == "true"


def test_given_one_member_upgraded_when_it_waits_then_its_unit_names_the_others(cloud, progress):
    unit = next(name for name in sorted(cloud.units) if name != cloud.leader())
    member, real = unit.replace("/", "-"), cloud.real[unit]
    where = f"WHERE name != '{member}'"
    cloud.real[cloud.leader()].sql(f"UPDATE nodes SET api_extensions=api_extensions-1 {where}")
    cloud.upgrade_snap(unit)
    real.stop()
    real.launch()
    time.sleep(1)

    cloud.advance(400)
    said = cloud.messages()[unit]
    progress("blocked: " + said)

    cloud.real[cloud.leader()].sql(f"UPDATE nodes SET api_extensions=api_extensions+1 {where}")
    assert cloud.statuses()[unit] == "blocked"
    assert "LXD waits for the same build on" in said
    assert cloud.leader() in said
    real.stop()
    real.start()


def test_given_the_majority_lost_when_recovered_then_the_survivor_goes_on_and_grows(
    make_cloud, progress
):
    cloud = make_cloud(pis=3)
    survivor, *lost = sorted(cloud.units, key=lambda name: name != cloud.leader())
    for unit in lost:
        cloud.unplug(unit)
    time.sleep(12)
    cloud.advance(400)
    blocked = cloud.messages()[survivor]
    plan = cloud.do(survivor, "recover-quorum")["plan"]
    identity = plan.partition("confirm=")[2].split(".")[0]

    done = cloud.do(survivor, "recover-quorum", confirm=identity)
    progress("the survivor serves alone")
    for unit in lost:
        cloud.remove_unit(unit, force=True)
    cloud.advance(60)
    for unit in lost:
        name = unit.replace("/", "-")
        lxd_site.until(lambda name=name: _is_offline(cloud, survivor, name), timeout_s=60)
        cloud.do(survivor, "remove-member", member=name, dry_run=False)
    cloud.add_pi()
    cloud.settle()

    assert "has lost its majority" in blocked
    assert "serves alone" in done["result"]
    assert len(cloud.names(survivor)) == 2
    settled(cloud)


def _is_offline(cloud, unit, name):
    found = {one.name: one.status for one in cluster.members(cloud.api(unit))}
    return found[name] is cluster.Status.OFFLINE


def test_given_a_dead_card_when_its_disk_is_recovered_then_the_instances_live_on(
    make_cloud, image_files, progress
):
    old = make_cloud(pis=1)
    api = old.api("edge-lxd/0")
    fingerprint, _ = images.ensure(api, image_files[0])
    plan = instances.Plan("kept", instances.Source.image(fingerprint), devices=NO_NETWORK)
    instances.create(api, plan, timeout_s=60)
    old.real["edge-lxd/0"].stop()
    disk = old.real["edge-lxd/0"].folder / "disks" / "local.img"

    new = make_cloud(pis=1, disk="/dev/that-died")
    waits = new.messages()["edge-lxd/0"]
    found = new.do("edge-lxd/0", "recover-disk", disk=str(disk))
    progress("recovered " + found["recovered"])
    new.advance(400)
    new.settle()

    assert "disk=/dev/that-died is not there" in waits
    assert found["recovered"] == "kept"
    assert new.names("edge-lxd/0") == ["edge-lxd-0"]
    assert instances.find(new.api("edge-lxd/0"), "kept") is not None
    settled(new)
