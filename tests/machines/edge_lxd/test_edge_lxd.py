"""The charm on real daemons: who becomes a member, who does not yet, and who leaves."""

import pytest

from edgecloud.lxd import cluster, errors, images, instances, profiles, server, storage

ONLINE = cluster.Status.ONLINE


@pytest.fixture(autouse=True)
def cloud_is_well(cloud):
    """See that every test leaves all units as content as it found them."""
    yield
    assert set(cloud.statuses().values()) == {"active"}, cloud.messages()


def member(unit):
    return unit.replace("/", "-")


def test_given_three_units_when_deployed_then_real_daemons_are_one_cluster(cloud):
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


def test_given_an_instance_when_its_unit_is_removed_then_it_moves_and_the_member_goes(
    cloud, instance_on
):
    last = sorted(cloud.units)[-1]
    instance_on("moves", last)

    cloud.remove_unit(last)
    cloud.settle()

    assert member(last) not in cloud.names("edge-lxd/0")
    assert instances.find(cloud.api("edge-lxd/0"), "moves").running
    assert cloud.site.left(cloud.real[last]) == {}


def test_given_the_leader_when_its_unit_is_removed_then_only_it_goes_and_another_comes(cloud):
    leader = cloud.leader()

    cloud.remove_unit(leader)
    cloud.settle()

    left = sorted(cloud.units)
    assert leader not in left
    assert cloud.names(left[0]) == [member(unit) for unit in left]
    cloud.add_pi()
    cloud.settle()
    assert len(cloud.names(left[0])) == 3


def test_given_a_token_that_expires_on_the_way_when_joining_then_another_one_serves(cloud):
    api = cloud.api(cloud.leader())
    server.ensure_config(api, {"cluster.join_token_expiry": "2S"})

    added = cloud.add_pi(delays=[2.5])
    cloud.settle()

    server.ensure_config(api, {"cluster.join_token_expiry": None})
    joins = [call for call in cloud.world.calls if call.machine == added.machine]
    assert sum(call.argv[:2] == ("lxd", "init") for call in joins) == 2
    assert member(added.name) in cloud.names(cloud.leader())
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
    assert member(added.name) in cloud.names(cloud.leader())
    cloud.remove_unit(added.name)
    cloud.settle()
