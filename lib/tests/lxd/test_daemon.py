import json
import subprocess

import pytest

from edgecloud import host
from edgecloud.lxd import cluster, daemon, errors

TOKEN = cluster.JoinToken("m2", "ab", ("10.0.0.1:8443",), "s3cret")
JOINING = daemon.Joining(TOKEN, "10.0.0.2:8443", adopts=("local",))


class Machine(host.LocalHost):
    """A machine whose lxd program does nothing, or fails with what it is told to say."""

    def __init__(self, root, says=""):
        super().__init__(root)
        self.says = says
        self.ran = []

    def run(self, command, *, timeout_s, stdin=None, env=None, check=True):
        assert timeout_s > 0
        assert check
        self.ran.append((tuple(command), stdin, env))
        if self.says:
            raise subprocess.CalledProcessError(1, list(command), "", self.says)
        return subprocess.CompletedProcess(command, 0, "-- dump", "")


@pytest.fixture
def machine(tmp_path, fake):
    """Return a machine with Debian's LXD, which is the fake daemon."""
    made = Machine(tmp_path / "root")
    socket = made.path(daemon.DEBIAN.socket)
    socket.parent.mkdir(parents=True)
    socket.symlink_to(fake.socket)
    return made


@pytest.fixture
def empty(fake):
    """Return the fake daemon with nothing in it but a pool."""
    fake.serves("/1.0/cluster", {"enabled": False})
    fake.serves("/1.0", {"api_extensions": ["instance_all_projects"]})
    fake.serves("/1.0/projects", [{"name": "default"}])
    fake.serves("/1.0/storage-pools", [{"name": "local"}])
    for path in ("instances", "images", "networks", "storage-pools/local/volumes/custom"):
        fake.serves(f"/1.0/{path}", [])
    return fake


def test_given_both_packages_when_looked_for_then_the_snap_comes_first(machine):
    assert daemon.find(machine) == daemon.DEBIAN

    machine.write(daemon.SNAP.socket, "")

    assert daemon.find(machine) == daemon.SNAP


def test_given_no_lxd_when_looked_for_then_none(tmp_path):
    assert daemon.find(host.LocalHost(tmp_path)) is None


def test_given_empty_daemon_when_joining_then_token_goes_by_standard_input(machine, empty):
    daemon.join(machine, daemon.DEBIAN, JOINING)

    command, stdin, env = machine.ran[0]
    assert command == ("/usr/bin/lxd", "init", "--preseed")
    assert json.loads(stdin)["cluster"]["cluster_token"] == TOKEN.encode()
    assert json.loads(stdin)["cluster"]["server_address"] == "10.0.0.2:8443"
    assert env == {"LXD_DIR": str(machine.path("/var/lib/lxd"))}


def test_given_holdings_of_every_kind_when_joining_then_each_is_named(machine, empty):
    empty._scripts.clear()
    empty.serves("/1.0/cluster", {"enabled": False})
    empty.serves("/1.0", {"api_extensions": ["instance_all_projects"]})
    empty.serves("/1.0/instances", [{"name": "i"}])
    empty.serves("/1.0/projects", [{"name": "default"}, {"name": "p"}])
    empty.serves("/1.0/images", [{"fingerprint": "0123456789abcdef"}])
    empty.serves("/1.0/networks", [{"name": "n", "managed": True}, {"name": "eth0"}])
    empty.serves("/1.0/storage-pools", [{"name": "other"}])
    empty.serves("/1.0/storage-pools/other/volumes/custom", [{"name": "v"}])

    with pytest.raises(errors.NotEmptyError) as caught:
        daemon.join(machine, daemon.DEBIAN, JOINING)

    assert caught.value.holds == (
        "the instance i",
        "the project p",
        "the image 0123456789ab",
        "the network n",
        "the volume other/v",
        "the pool other",
    )
    assert machine.ran == []


def test_given_member_when_joining_then_refused_before_anything_runs(machine, fake):
    fake.serves("/1.0/cluster", {"enabled": True, "server_name": "m2"})

    with pytest.raises(errors.AlreadyClusteredError):
        daemon.join(machine, daemon.DEBIAN, JOINING)

    assert machine.ran == []


def test_given_token_used_when_joining_then_typed(machine, empty):
    machine.says = "Error: Failed to join cluster: No matching cluster join operation found"

    with pytest.raises(errors.TokenUsedError):
        daemon.join(machine, daemon.DEBIAN, JOINING)


def test_given_daemon_that_waits_for_its_peers_when_waited_for_then_timed_out(machine):
    machine.says = "Error: LXD still not running after 3s timeout"

    with pytest.raises(errors.TimedOutError, match="not ready after 3 s"):
        daemon.wait_ready(machine, daemon.DEBIAN, timeout_s=3)


def test_given_snap_when_dumped_then_its_own_wrapper_knows_the_folder(machine):
    assert daemon.dump(machine, daemon.SNAP, "global") == "-- dump"
    assert machine.ran == [(("/snap/bin/lxd", "sql", "global", ".dump"), None, None)]


def test_given_survivor_when_quorum_is_recovered_then_never_asked_a_question(machine):
    daemon.recover_quorum(machine, daemon.DEBIAN)

    assert machine.ran[0][0][1:] == ("cluster", "recover-from-quorum-loss", "--quiet")
