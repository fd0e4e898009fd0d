import pytest

from edgecloud.lxd import errors, lost

VALIDATE, IMPORT = "/internal/recover/validate", "/internal/recover/import"
POOL = lost.Pool("local", "btrfs", "/dev/nvme0n1")
SERVER = "/1.0"


@pytest.fixture
def old(fake):
    """A daemon of the releases that have long-term support."""
    fake.serves(SERVER, {"api_extensions": []})
    return fake


def found(*volumes, missing=()):
    return {"UnknownVolumes": list(volumes), "DependencyErrors": list(missing)}


def test_given_a_pool_when_scanned_then_its_volumes_are_told(old, lxd):
    volume = {"name": "kept", "type": "container", "project": "p", "snapshotCount": 2}
    old.serves(VALIDATE, found(volume), method="POST")

    findings = lost.scan(lxd, POOL)

    assert findings.volumes == (lost.Volume("kept", "container", "p", 2),)
    assert not findings.missing
    [pool] = old.last("POST").json["pools"]
    assert pool == {"name": "local", "driver": "btrfs", "config": {"source": "/dev/nvme0n1"}}


def test_given_nothing_there_when_scanned_then_there_is_nothing(old, lxd):
    old.serves(VALIDATE, {"UnknownVolumes": None, "DependencyErrors": None}, method="POST")

    assert lost.scan(lxd, POOL) == lost.Findings((), lost.Missing())


def test_given_what_lxd_says_when_something_is_missing_then_it_is_sorted_by_kind(old, lxd):
    said = (
        'Project "microk8s"',
        'Profile "edge-lxd-nodes" in project "default"',
        'Network "lxdbr0" in project "default"',
        "Something new",
    )
    old.serves(VALIDATE, found(missing=said), method="POST")

    assert lost.scan(lxd, POOL).missing == lost.Missing(
        projects=("microk8s",),
        profiles=(("default", "edge-lxd-nodes"),),
        networks=("lxdbr0",),
        others=("Something new",),
    )


def test_given_a_scanned_pool_when_taken_then_the_same_pool_is_named(old, lxd):
    old.serves(IMPORT, {}, method="POST")

    lost.take(lxd, POOL)

    assert old.last("POST").json["pools"][0]["config"] == {"source": "/dev/nvme0n1"}


def test_given_something_missing_when_taken_then_lxds_words_are_raised(old, lxd):
    old.refuses("POST", IMPORT, 500, 'Project "microk8s"')

    with pytest.raises(errors.LxdError, match="microk8s"):
        lost.take(lxd, POOL)


def test_given_a_newer_daemon_when_scanned_then_the_pool_is_taken_over_first(fake, lxd):
    fake.serves(SERVER, {"api_extensions": ["storage_source_recover"]})
    fake.serves("/1.0/storage-pools", {}, method="POST")
    fake.serves(VALIDATE, found(), method="POST")

    lost.scan(lxd, POOL)

    made, scanned = (one.json for one in fake.asked if one.method == "POST")
    assert made["config"] == {"source": "/dev/nvme0n1", "source.recover": "true"}
    assert scanned == {"pools": [{"name": "local"}]}
