import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecloud.lxd import client, errors, networks, storage, transport

POOLS, POOL = "/1.0/storage-pools", "/1.0/storage-pools/p"
MEMBERS = ["m1", "m2", "m3"]


class HalfMade(client.Client):
    """A daemon with a pool that some members know of already."""

    def __init__(self, announced):
        super().__init__(transport.UnixSocket(""))
        self.announced = set(announced)
        self.made = False

    def call(self, method, path, body=None, *, etag="", timeout_s=None, query=None):
        if method == "GET" and not self.announced:
            raise errors.NotFoundError("Storage pool not found")
        if method == "GET":
            return client.Answer({"status": "Pending", "locations": sorted(self.announced)})
        target = (query or {}).get("target")
        if target in self.announced:
            raise errors.AlreadyExistsError("already defined on member")
        if target:
            self.announced.add(target)
        elif self.announced != set(MEMBERS):
            raise errors.NotPendingError("Pool not defined on nodes")
        else:
            self.made = True
        return client.Answer(None)


def _posts(fake):
    return [(one.query.get("target", ""), one.json) for one in fake.asked if one.method == "POST"]


def test_given_lone_daemon_when_pool_is_ensured_then_one_call(fake, lxd):
    fake.serves(POOLS, method="POST")

    assert storage.ensure(lxd, "p", "btrfs", {"size": "9GiB"}, own={"": {"source": "/dev/sda"}})

    config = {"size": "9GiB", "source": "/dev/sda"}
    assert _posts(fake) == [("", {"name": "p", "driver": "btrfs", "config": config})]


def test_given_cluster_when_pool_is_ensured_then_announced_on_each_and_made(fake, lxd):
    fake.serves(POOLS, method="POST")
    own = {"m1": {"source": "/dev/sda"}}

    assert storage.ensure(lxd, "p", "btrfs", {}, own=own, members=reversed(MEMBERS))

    posts = _posts(fake)
    assert [target for target, _ in posts] == ["m1", "m2", "m3", ""]
    assert [body["config"] for _, body in posts] == [{"source": "/dev/sda"}, {}, {}, {}]


@given(st.sets(st.sampled_from(MEMBERS)))
def test_given_attempt_broke_off_anywhere_when_ensured_then_taken_up_there(announced):
    pools = HalfMade(announced)

    assert storage.ensure(pools, "p", "dir", {}, members=MEMBERS)

    assert pools.announced == set(MEMBERS)
    assert pools.made


def test_given_race_for_the_announcement_when_ensured_then_made_all_the_same(fake, lxd):
    fake.refuses("POST", POOLS, 400, 'The storage pool already defined on member "m1"')
    fake.serves(POOLS, method="POST")

    assert storage.ensure(lxd, "p", "dir", {}, members=MEMBERS)


def test_given_pool_when_ensured_then_nothing_is_written(fake, lxd):
    fake.serves(POOL, {"name": "p", "status": "Created"})

    assert storage.ensure(lxd, "p", "dir", {}, members=MEMBERS) is False
    assert fake.written() == []


@pytest.mark.parametrize(("driver", "freezes"), [("dir", True), ("btrfs", False), ("zfs", False)])
def test_given_driver_when_asked_then_it_is_known_whether_snapshots_freeze(
    fake, lxd, driver, freezes
):
    fake.serves(POOL, {"driver": driver, "status": "Created"})

    assert storage.find(lxd, "p").freezes is freezes
    assert storage.find(lxd, "p").ready


def test_given_pool_that_slowly_goes_when_deleted_then_waited_for(fake, lxd):
    fake.does("DELETE", POOL)

    assert storage.ensure_absent(lxd, "p")
    assert fake.asked[-1].path.endswith("/wait")


def test_given_pool_in_use_when_deleted_then_raised(fake, lxd):
    fake.refuses("DELETE", POOL, 400, "The storage pool is currently in use")

    with pytest.raises(errors.InUseError):
        storage.ensure_absent(lxd, "p")


def test_given_few_inodes_left_when_asked_then_they_make_it_full(fake, lxd):
    space = {"space": {"used": 1, "total": 10}, "inodes": {"used": 9, "total": 10}}
    fake.serves(f"{POOL}/resources", space)

    assert storage.space(lxd, "p", "m1").fill == 0.9


def test_given_nothing_known_when_asked_then_not_full():
    assert storage.Space(0, 0, 0, 0).fill == 0


def test_given_volumes_when_listed_then_snapshots_are_not_among_them(fake, lxd):
    fake.serves(f"{POOL}/volumes", [{"name": "b"}, {"name": "b/snap0"}, {"name": "a"}])

    assert [one.name for one in storage.volumes(lxd, "p")] == ["a", "b"]


def test_given_no_volume_when_ensured_then_made_on_its_member(fake, lxd):
    fake.serves(f"{POOL}/volumes/custom", method="POST")

    assert storage.ensure_volume(lxd, "p", "images", {"size": "1GiB"}, member="m2")

    assert fake.last("POST").query == {"target": "m2"}
    assert fake.last("POST").json == {"name": "images", "config": {"size": "1GiB"}}


def test_given_volume_when_ensured_then_nothing_is_written(fake, lxd):
    fake.serves(f"{POOL}/volumes/custom/images", {})

    assert storage.ensure_volume(lxd, "p", "images", {}) is False
    assert fake.written() == []


def test_given_pool_when_keys_are_set_then_others_stay(fake, lxd):
    fake.serves(POOL, {"config": {"source": "x"}})
    fake.serves(POOL, method="PUT")

    assert storage.ensure_config(lxd, "p", {"rsync.bwlimit": "10"})

    assert fake.last("PUT").json["config"] == {"source": "x", "rsync.bwlimit": "10"}


def test_given_bridge_when_ensured_with_another_key_then_only_that_is_set(fake, lxd):
    fake.serves("/1.0/networks/br0", {"config": {"a": "1", "volatile.x": "2"}})
    fake.serves("/1.0/networks/br0", method="PUT")

    assert networks.ensure(lxd, "br0", {"a": "2"})

    assert fake.last("PUT").json["config"] == {"a": "2", "volatile.x": "2"}


def test_given_interfaces_when_networks_are_listed_then_only_managed_ones(fake, lxd):
    fake.serves("/1.0/networks", [{"name": "lxdbr0", "managed": True}, {"name": "eth0"}])

    assert [one.name for one in networks.every(lxd)] == ["lxdbr0"]
    assert [one.name for one in networks.every(lxd, managed_only=False)] == ["eth0", "lxdbr0"]
    assert networks.find(lxd, "nothing") is None


def test_given_leases_when_listed_then_by_address(fake, lxd):
    fake.serves("/1.0/networks/br0/leases", [{"address": "10.0.0.9"}, {"address": "10.0.0.2"}])

    assert [one.address for one in networks.leases(lxd, "br0")] == ["10.0.0.2", "10.0.0.9"]
