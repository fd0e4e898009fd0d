"""The charm on real daemons: the lab's Juju, simulated Pis, and real LXD on each."""

import pytest
import real_lxd

from edgecloud.lxd import cluster, profiles, server, storage

ONLINE = cluster.Status.ONLINE


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
