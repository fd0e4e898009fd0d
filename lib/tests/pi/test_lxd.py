"""The stand-in for LXD, held to what the real daemon does, by the client of the charms."""

import pathlib

import pytest

from edgecloud.host import snap
from edgecloud.lxd import (
    certificates,
    cluster,
    daemon,
    errors,
    images,
    instances,
    profiles,
    projects,
    server,
    snapshots,
    storage,
)
from edgelab import pi

ONLINE, OFFLINE, EVACUATED = (
    cluster.Status.ONLINE,
    cluster.Status.OFFLINE,
    cluster.Status.EVACUATED,
)


class Site:
    """Machines with LXD, members of one cluster or not yet."""

    def __init__(self, root):
        self.world = pi.World(root, pi.Clock(1_800_000_000), seed=1)

    def add(self, *names, **facts):
        for name in names:
            self.world.add_machine(name, **facts)
            snap.install(self.host(name), "lxd", channel="5.21/stable")
        return self

    def host(self, name):
        return self.world.machines[name].host()

    def api(self, name):
        return daemon.connect(self.host(name), daemon.SNAP)

    def address(self, name):
        return f"{self.world.machines[name].address}:8443"

    def found(self, name):
        server.ensure_config(self.api(name), {"core.https_address": self.address(name)})
        cluster.bootstrap(self.api(name), name)
        return self

    def join(self, name, token, **fields):
        daemon.join(
            self.host(name), daemon.SNAP, daemon.Joining(token, self.address(name), **fields)
        )

    def mint(self, name, by="a"):
        return cluster.mint(self.api(by), name)

    def statuses(self, by="a"):
        return {one.name: one.status for one in cluster.members(self.api(by))}

    def power_off(self, name):
        self.world.machines[name].power_off()


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.fixture
def trio(site):
    site.add("a", "b", "c").found("a")
    for name in "bc":
        site.join(name, site.mint(name))
    return site


def make(site, name, *, on="", by="a", **plan):
    api = site.api(by)
    instances.create(api, instances.Plan(name, instances.Source.nothing(), member=on, **plan))
    return api


def test_given_the_snap_when_installed_then_its_daemon_is_found_and_empty(site):
    site.add("a")

    assert daemon.find(site.host("a")) == daemon.SNAP
    assert daemon.holdings(site.api("a")) == ()
    assert server.get(site.api("a")).version == "5.21.4"


def test_given_the_snap_when_removed_then_nobody_listens(site):
    site.add("a")

    snap.remove(site.host("a"), "lxd")

    assert daemon.find(site.host("a")) is None


def test_given_three_machines_when_two_join_then_all_are_online_and_vote(trio):
    assert trio.statuses("c") == dict.fromkeys("abc", ONLINE)
    assert all(one.votes for one in cluster.members(trio.api("b")))
    assert server.get(trio.api("b")).fingerprint == server.get(trio.api("a")).fingerprint


def test_given_a_fourth_member_when_it_joins_then_it_stands_by(trio):
    trio.add("d")

    trio.join("d", trio.mint("d"))

    assert [one.name for one in cluster.members(trio.api("a")) if not one.votes] == ["d"]


def test_given_a_cluster_when_founded_again_then_it_is_refused(site):
    site.add("a").found("a")

    with pytest.raises(errors.AlreadyClusteredError):
        cluster.bootstrap(site.api("a"), "a")


def test_given_a_used_token_when_used_again_then_it_is_refused(trio):
    trio.add("d", "e")
    token = trio.mint("d")
    trio.join("d", token)

    with pytest.raises(errors.TokenUsedError):
        trio.join("e", token)


def test_given_an_old_token_when_used_then_it_has_expired(trio):
    trio.add("d")
    token = trio.mint("d")
    trio.world.clock.advance(4 * 3600)

    with pytest.raises(errors.TokenExpiredError):
        trio.join("d", token)


def test_given_a_token_when_listed_and_revoked_then_it_is_of_no_use(trio):
    trio.add("d")
    token = trio.mint("d")
    listed = [one.server_name for one in cluster.tokens(trio.api("b"))]

    cluster.revoke(trio.api("b"), "d")

    assert listed == ["d"]
    with pytest.raises(errors.TokenUsedError):
        trio.join("d", token)


def test_given_something_on_a_machine_when_the_guard_is_missing_then_it_is_forgotten(trio):
    trio.add("d")
    storage.ensure(trio.api("d"), "mine", "dir", {})

    trio.join("d", trio.mint("d"), adopts=["mine"])

    assert storage.find(trio.api("d"), "mine") is None


def test_given_no_quorum_when_asked_then_only_the_daemon_itself_answers(trio):
    trio.power_off("b")
    trio.power_off("c")

    assert server.get(trio.api("a")).clustered
    with pytest.raises(errors.TimedOutError):
        cluster.members(trio.api("a"))
    with pytest.raises(errors.NoQuorumError):
        cluster.members(trio.api("a"), timeout_s=20)


def test_given_no_quorum_when_recovered_on_the_survivor_then_it_serves_alone(trio):
    trio.power_off("b")
    trio.power_off("c")
    snap.stop(trio.host("a"), "lxd")

    daemon.recover_quorum(trio.host("a"), daemon.SNAP)
    snap.start(trio.host("a"), "lxd")

    assert trio.statuses() == {"a": ONLINE, "b": OFFLINE, "c": OFFLINE}


def test_given_one_member_refreshed_when_it_waits_then_its_peers_show_it_online(trio):
    trio.world.store.publish("lxd", "5.21/stable", "arm64", "35900", "5.21.5-1")

    snap.refresh(trio.host("b"), "lxd")

    assert daemon.find(trio.host("b")) is None
    assert trio.statuses()["b"] is ONLINE
    for name in "ac":
        snap.refresh(trio.host(name), "lxd")
    assert daemon.find(trio.host("b")) == daemon.SNAP


def test_given_a_member_with_an_instance_when_removed_then_refused(trio):
    make(trio, "i", on="b")

    with pytest.raises(errors.MemberHasInstancesError):
        cluster.remove(trio.api("a"), "b")


def test_given_an_empty_member_when_removed_then_it_is_free_to_join_again(trio):
    assert cluster.remove(trio.api("a"), "b")

    assert cluster.own_name(trio.api("b")) == ""
    trio.join("b", trio.mint("b"))
    assert trio.statuses()["b"] is ONLINE


def test_given_a_dead_member_when_removed_by_force_then_it_never_serves_again(trio):
    trio.power_off("b")
    with pytest.raises(errors.MemberUnreachableError):
        cluster.remove(trio.api("a"), "b")

    cluster.remove(trio.api("a"), "b", force=True)
    trio.world.machines["b"].power_on()

    assert daemon.find(trio.host("b")) is None
    assert "b" not in trio.statuses()


def test_given_instances_when_evacuated_then_they_move_or_stop_and_come_back(trio):
    api = make(trio, "moves", on="b")
    make(trio, "stays", on="b", config={"cluster.evacuate": "stop"})
    for name in ("moves", "stays"):
        instances.ensure_running(api, name)

    assert cluster.ensure_evacuated(api, "b")
    assert not cluster.ensure_evacuated(api, "b")

    assert instances.find(api, "moves").member != "b"
    assert not instances.find(api, "stays").running
    assert trio.statuses()["b"] is EVACUATED
    assert cluster.ensure_restored(api, "b")
    assert instances.find(api, "moves").member == "b"
    assert instances.find(api, "stays").running


def test_given_an_evacuated_member_when_asked_for_an_instance_then_it_takes_none(trio):
    cluster.ensure_evacuated(trio.api("a"), "b")

    with pytest.raises(errors.EvacuatedError):
        make(trio, "i", on="b")


def test_given_a_cluster_when_a_pool_is_made_at_once_then_it_must_be_announced_first(trio):
    with pytest.raises(errors.NotPendingError):
        trio.api("a").call("POST", "/1.0/storage-pools", {"name": "local", "driver": "btrfs"})

    own = {name: {"source": "/dev/nvme0n1"} for name in "abc"}
    assert storage.ensure(trio.api("a"), "local", "btrfs", {}, own=own, members="abc")
    assert storage.find(trio.api("c"), "local").members == ("a", "b", "c")


def test_given_a_pool_when_somebody_joins_then_it_is_there_too(trio):
    storage.ensure(trio.api("a"), "local", "dir", {}, members="abc")
    trio.add("d")

    trio.join("d", trio.mint("d"))

    assert storage.find(trio.api("d"), "local").members == ("a", "b", "c", "d")


def test_given_a_disk_with_partitions_when_made_a_pool_of_then_refused(site):
    site.add("a")

    with pytest.raises(errors.LxdError, match="it holds partitions"):
        storage.ensure(site.api("a"), "local", "btrfs", {}, own={"": {"source": "/dev/mmcblk0"}})


def test_given_a_volume_for_images_when_it_is_not_there_then_the_key_is_refused(site):
    site.add("a")
    with pytest.raises(errors.LxdError, match="not found"):
        server.ensure_config(site.api("a"), {"storage.images_volume": "local/images"})


def test_given_an_unknown_key_when_set_then_refused(site):
    with pytest.raises(errors.UnknownKeyError):
        server.ensure_config(site.add("a").api("a"), {"colour": "red"})


def test_given_a_stale_version_when_written_then_refused(site):
    api = site.add("a").api("a")
    answer = api.call("GET", "/1.0/profiles/default")
    profiles.ensure_keys(api, "default", {"user.a": "1"}, {})

    with pytest.raises(errors.StaleError):
        api.call("PUT", "/1.0/profiles/default", answer.metadata, etag=answer.etag)


def test_given_a_project_when_made_then_its_default_profile_is_its_own(site):
    api = site.add("a").api("a")
    projects.ensure(api, "microk8s", {"features.images": "false"})

    profiles.ensure_keys(api.in_project("microk8s"), "default", {"security.nesting": "true"}, {})

    assert profiles.find(api, "default").config == {}
    assert profiles.find(api.in_project("microk8s"), "default").config


def test_given_a_module_that_is_not_there_when_started_then_it_fails(site):
    api = make(site.add("a", missing_modules=["ip_vs"]), "i")
    instances.ensure_keys(api, "i", {"linux.kernel_modules": "overlay,ip_vs"}, {})

    with pytest.raises(errors.MissingModuleError):
        instances.ensure_running(api, "i")


def test_given_an_instance_when_made_twice_then_only_the_operation_fails(site):
    make(site.add("a"), "i")

    with pytest.raises(errors.AlreadyExistsError):
        make(site, "i")


def test_given_a_snapshot_when_restored_and_deleted_then_it_is_gone(site):
    api = make(site.add("a"), "i")

    assert snapshots.ensure(api, "i", "pre-1")
    snapshots.restore(api, "i", "pre-1")
    assert snapshots.ensure_absent(api, "i", "pre-1")
    with pytest.raises(errors.NotFoundError):
        snapshots.restore(api, "i", "pre-1")


def test_given_a_client_token_when_minted_then_it_is_restricted_and_listed(site):
    site.add("a").found("a")

    token = certificates.mint(site.api("a"), "juju", projects=["microk8s"])

    assert token.addresses == (site.address("a"),)
    assert [one.name for one in certificates.tokens(site.api("a"))] == ["juju"]


def test_given_an_image_when_imported_then_an_alias_leads_to_it(site, tmp_path):
    api = site.add("a").api("a")
    tarball = pathlib.Path(tmp_path / "image.tar")
    tarball.write_bytes(bytes(range(256)) * 40)

    found, new = images.ensure(api, tarball)
    images.ensure_alias(api, "juju/ubuntu@24.04/arm64", found)

    assert new
    assert not images.ensure(api, tarball)[1]
    assert images.alias(api, "juju/ubuntu@24.04/arm64") == found


def test_given_a_power_cut_in_a_call_when_it_comes_then_nothing_runs_on(site):
    site.add("a")
    fault = pi.Fault(("api", "PUT"), pi.cut_before())
    site.world.machines["a"].faults.add(fault)

    with pytest.raises(pi.PowerCut):
        server.ensure_config(site.api("a"), {"user.a": "b"})


def test_given_a_cluster_when_saved_and_loaded_then_all_is_as_it_was(trio):
    trio.world.save()

    trio.world = pi.World.load(trio.world.root)

    assert trio.statuses() == dict.fromkeys("abc", ONLINE)
