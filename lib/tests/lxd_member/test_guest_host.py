"""A machine in an instance as a host: what goes wrong in there is what drivers expect of any."""

import pytest

from edgecloud.host import snap
from edgecloud.lxd import cluster, daemon, errors, guest, images, instances, server
from edgecloud.lxd_member import guest_host
from edgelab import pi

SERVER = "https://cloud-images.ubuntu.com/releases"


class Inside:
    """A machine with LXD, and an instance in it."""

    def __init__(self, root):
        self.world = pi.World(root, pi.Clock(1_800_000_000), seed=1)
        self.world.add_machine("a")
        host = self.world.machines["a"].host()
        snap.install(host, "lxd", channel="5.21/stable")
        self.api = daemon.connect(host, daemon.SNAP)
        server.ensure_config(self.api, {"core.https_address": "10.20.0.11:8443"})
        cluster.bootstrap(self.api, "a")
        fingerprint = images.fetch(self.api, SERVER, "24.04", timeout_s=60)
        images.ensure_alias(self.api, "image", fingerprint)
        nic = {"eth0": {"type": "nic", "nictype": "macvlan", "parent": "eth0"}}
        plan = instances.Plan("n1", instances.Source.alias("image"), devices=nic, member="a")
        instances.create(self.api, plan)
        instances.ensure_running(self.api, "n1")
        self.host = guest_host.GuestHost(self.api, "n1")

    def fail(self, *command, effect):
        self.world.machines["a/n1"].faults.add(pi.Fault(command, effect, times=0))


@pytest.fixture
def inside(tmp_path):
    return Inside(tmp_path)


WAYS = {
    "exists": lambda host: host.exists("/etc/hostname"),
    "glob": lambda host: host.glob("/etc/*"),
    "write": lambda host: host.write("/etc/new/file", "x"),
    "remove": lambda host: host.remove("/etc/hostname"),
    "free bytes": lambda host: host.free_bytes("/"),
    "free inodes": lambda host: host.free_inodes("/"),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_given_an_instance_that_hangs_when_a_file_is_looked_at_then_it_fails_as_a_file_does(
    inside, way, monkeypatch
):
    def hang(*_, timeout_s, **__):
        raise errors.UnfinishedError(f"it still runs after {timeout_s} s", operation="o")

    monkeypatch.setattr(guest, "run", hang)

    with pytest.raises(OSError, match=r"n1: .* took longer than 20 s"):
        way(inside.host)


def test_given_a_folder_that_cannot_be_made_when_written_then_it_fails_as_a_file_does(inside):
    inside.fail("/bin/sh", effect=pi.fail(1, "No space left on device"))

    with pytest.raises(OSError, match=r"n1: .*No space left on device"):
        inside.host.write("/etc/new/file", "x")


def test_given_bytes_that_are_no_text_when_read_then_each_becomes_a_sign(inside, monkeypatch):
    monkeypatch.setattr(guest, "pull", lambda *_: b"fine \xff\xfe")

    assert inside.host.read("/etc/cut-off") == "fine \ufffd\ufffd"
