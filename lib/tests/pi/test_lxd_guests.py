"""The machines in LXD's instances: as an instance makes them, and never longer than their host."""

import pytest

from edgecloud.host import snap
from edgecloud.lxd import (
    cluster,
    daemon,
    errors,
    guest,
    images,
    instances,
    networks,
    server,
    snapshots,
)
from edgelab import pi
from edgelab.pi.lxd import daemon as lxd_snap

IMAGE = "juju/ubuntu@24.04/arm64"
SERVER = "https://cloud-images.ubuntu.com/releases"


class Host:
    """A machine with LXD that is a cluster of one, and a bridge of LXD's."""

    def __init__(self, root):
        self.world = pi.World(root, pi.Clock(1_800_000_000), seed=1)
        self.add("a")
        self.api = self.of("a")
        server.ensure_config(self.api, {"core.https_address": "10.20.0.11:8443"})
        cluster.bootstrap(self.api, "a")
        networks.ensure(self.api, "lxdbr0", {"ipv6.address": "none"}, members=["a"])
        fingerprint = images.fetch(self.api, SERVER, "24.04", timeout_s=60)
        images.ensure_alias(self.api, IMAGE, fingerprint)

    def add(self, name):
        self.world.add_machine(name)
        snap.install(self.world.machines[name].host(), "lxd", channel="5.21/stable")

    def of(self, name):
        return daemon.connect(self.world.machines[name].host(), daemon.SNAP)

    def make(self, name, *, nic=None, **config):
        nic = {"type": "nic", "network": "lxdbr0", "name": "eth0", **(nic or {})}
        source = instances.Source.alias(IMAGE)
        plan = instances.Plan(name, source, config=config, devices={"eth0": nic}, member="a")
        instances.create(self.api, plan)
        instances.ensure_running(self.api, name)
        return self.world.machines[f"a/{name}"]

    @property
    def machine(self):
        return self.world.machines["a"]


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_given_an_instance_when_started_then_it_is_a_machine_within_its_limits(host):
    made = host.make("n1", **{"limits.cpu": "2", "limits.memory": "512MiB"})

    assert (made.hostname, made.container_of, made.powered) == ("n1", "a", True)
    assert (made.cores, made.mem_kb) == (2, 512 * 1024)
    state = instances.state(host.api, "n1")
    assert state.addresses == {"eth0": (made.address,)}


def test_given_a_bridge_of_lxd_when_instances_start_then_each_has_an_address_of_its_subnet(host):
    subnet = networks.find(host.api, "lxdbr0").config["ipv4.address"]
    fixed = subnet.replace(".1/24", ".254")

    promised = host.make("n1", nic={"ipv4.address": fixed})
    drawn = host.make("n2")

    assert promised.address == fixed
    assert drawn.address.rpartition(".")[0] == fixed.rpartition(".")[0]
    assert drawn.address != fixed
    kinds = {one.address: one.kind for one in networks.leases(host.api, "lxdbr0")}
    assert kinds == {fixed: "static", drawn.address: "dynamic"}


def test_given_an_instance_when_a_command_runs_in_it_then_what_it_printed_is_handed_out_once(host):
    host.make("n1")

    done = guest.run(host.api, "n1", ("hostname",), timeout_s=10)

    assert (done.exit_code, done.stdout) == (0, "n1\n")
    assert not host.machine.host().glob("/var/snap/lxd/common/lxd/logs/n1/*")


def test_given_no_such_program_when_it_is_to_run_then_lxd_says_so_itself(host):
    host.make("n1")

    with pytest.raises(errors.LxdError, match="Command not found"):
        guest.run(host.api, "n1", ("nonsense",), timeout_s=10)


def test_given_a_file_when_put_and_fetched_then_it_is_the_same_and_its_mode_counts(host):
    made = host.make("n1")

    guest.push(host.api, "n1", "/etc/wish", "schön\n".encode(), mode=0o600)

    assert guest.pull(host.api, "n1", "/etc/wish") == "schön\n".encode()
    assert made.path("/etc/wish").stat().st_mode & 0o777 == 0o600
    with pytest.raises(errors.NotFoundError):
        guest.pull(host.api, "n1", "/etc/nothing")
    with pytest.raises(errors.BadRequestError):
        guest.pull(host.api, "n1", "/etc")


def test_given_a_stopped_instance_when_a_command_is_to_run_then_refused(host):
    host.make("n1")
    instances.ensure_stopped(host.api, "n1")

    with pytest.raises(errors.LxdError, match="not running"):
        guest.run(host.api, "n1", ("hostname",), timeout_s=10)


def test_given_a_command_that_kills_its_machine_when_run_then_the_host_goes_on(host):
    made = host.make("n1")
    made.faults.add(pi.Fault(("hostname",), effect=pi.cut_during()))

    done = guest.run(host.api, "n1", ("hostname",), timeout_s=10)

    assert done.exit_code == 137
    assert not made.powered
    assert host.machine.powered


def test_given_a_command_that_never_ends_when_run_then_its_caller_gives_up(host):
    made = host.make("n1")
    made.faults.add(pi.Fault(("hostname",), effect=pi.hang()))

    with pytest.raises((errors.UnfinishedError, errors.LostOperationError)):
        guest.run(host.api, "n1", ("hostname",), timeout_s=1)


def test_given_power_cut_when_it_is_back_then_instances_start_in_their_order_where_they_were(host):
    order = {"n1": "10", "n2": "30", "n3": "20"}
    for name, priority in order.items():
        keys = {"boot.autostart": "true", "boot.autostart.priority": priority}
        host.make(name, **keys)
    host.make("manual", **{"boot.autostart": "false"})
    host.make("as-it-was")
    before = {name: one.address for name, one in host.world.machines.items()}

    host.machine.power_off()
    dark = [one.id for one in host.world.machines.values() if one.powered]
    host.machine.power_on()

    assert dark == []
    said = [line.rpartition(" ")[2] for line in host.machine.journal if ": started" in line]
    assert said[-4:] == ["n2", "n3", "n1", "as-it-was"]
    running = {one.name for one in instances.every(host.api) if one.running}
    assert running == {"n1", "n2", "n3", "as-it-was"}
    assert {name: one.address for name, one in host.world.machines.items()} == before


def systemctl(host, verb, unit=lxd_snap.UNIT):
    command = ("/usr/bin/systemctl", verb, unit)
    return host.machine.host().run(command, timeout_s=60, check=False).returncode


@pytest.mark.parametrize(("verb", "boots"), [("reload", 1), ("restart", 2)])
def test_given_a_daemon_when_it_starts_anew_then_only_a_reload_spares_its_instances(
    host, verb, boots
):
    inside = host.make("i")

    assert systemctl(host, verb) == 0

    assert inside.boots == boots
    assert server.get(host.api)


def test_given_a_daemon_that_hangs_when_reloaded_then_the_restart_after_it_ends_it(host):
    inside = host.make("i")
    host.machine.lxd.hung = True
    lxd_snap.sync(host.world)

    assert systemctl(host, "reload") == 0
    assert not lxd_snap.serves(host.machine)
    assert systemctl(host, "restart") == 0

    assert (inside.boots, lxd_snap.serves(host.machine)) == (1, True)


def test_given_a_daemon_that_was_stopped_when_reloaded_then_it_stays_so(host):
    snap.stop(host.machine.host(), "lxd")

    assert systemctl(host, "reload") == 1
    assert systemctl(host, "reload", "ssh.service") == 1

    assert not lxd_snap.serves(host.machine)


def test_given_an_instance_that_went_down_by_itself_when_asked_then_lxd_knows_and_starts_it(host):
    made = host.make("n1")
    made.power_off()

    [seen] = instances.every(host.api)
    started = instances.ensure_running(host.api, "n1")

    assert seen.status == instances.STOPPED
    assert started
    assert made.powered


def test_given_an_evacuated_member_when_it_restarts_then_its_instances_wait_for_restore(host):
    made = host.make("n1", **{"boot.autostart": "true", "cluster.evacuate": "stop"})
    cluster.ensure_evacuated(host.api, "a")
    assert not made.powered

    host.machine.reboot()
    assert not made.powered
    cluster.ensure_restored(host.of("a"), "a")

    assert made.powered


def test_given_an_instance_when_deleted_then_its_machine_is_gone_and_a_new_one_starts_anew(host):
    made = host.make("n1")
    guest.push(host.api, "n1", "/etc/wish", b"old", mode=0o600)

    instances.ensure_absent(host.api, "n1")
    gone = "a/n1" not in host.world.machines
    again = host.make("n1")

    assert gone
    assert again is not made
    assert not again.path("/etc/wish").exists()


def test_given_lxd_removed_when_looked_at_then_no_instance_outlives_it(host):
    host.make("n1")

    snap.remove(host.machine.host(), "lxd")

    assert set(host.world.machines) == {"a"}


def test_given_a_host_without_a_link_when_its_instance_calls_then_only_the_host_hears_it(host):
    made = host.make("n1")
    other = host.world.add_machine("b")
    assert host.world.reaches(made, other)

    host.world.cut("a")

    assert not host.world.reaches(made, other)
    assert host.world.reaches(made, host.machine)
    host.world.heal()
    assert host.world.reaches(made, other)


def test_given_macvlan_when_an_instance_calls_then_everybody_but_its_host_hears_it(host):
    nic = {"nictype": "macvlan", "parent": "eth0"}
    made = host.make("n1", nic={"network": "", **nic})
    other = host.world.add_machine("b")

    assert not host.world.reaches(made, host.machine)
    assert host.world.reaches(made, other)


def test_given_no_uplink_when_an_image_is_to_be_fetched_then_refused(host):
    host.machine.uplink = False

    with pytest.raises(errors.LxdError, match="no such host"):
        images.fetch(host.api, SERVER, "22.04", timeout_s=60)


def test_given_a_snapshot_when_restored_then_files_packages_and_keys_are_as_they_were(host):
    made = host.make("n1", **{"user.color": "red"})
    made.host().write("/root/kept", "before")
    snap.install(made.host(), "core24", channel="latest/stable")
    snapshots.ensure(host.api, "n1", "good")
    made.host().write("/root/kept", "after")
    made.host().write("/root/new", "after")
    snap.remove(made.host(), "core24")
    instances.ensure_keys(host.api, "n1", {"user.color": "blue"}, {})

    snapshots.restore(host.api, "n1", "good")

    assert made.host().read("/root/kept") == "before"
    assert not made.host().exists("/root/new")
    assert snap.info(made.host(), "core24").channel == "latest/stable"
    found = instances.find(host.api, "n1")
    assert (found.running, found.config["user.color"], made.boots) == (True, "red", 2)


def test_given_a_snapshot_when_used_twice_then_it_is_the_same_both_times(host):
    made = host.make("n1")
    snap.install(made.host(), "core24", channel="latest/stable")
    snapshots.ensure(host.api, "n1", "good")
    instances.ensure_stopped(host.api, "n1")

    for _ in range(2):
        snapshots.restore(host.api, "n1", "good")
        assert not instances.find(host.api, "n1").running
        instances.ensure_running(host.api, "n1")
        snap.remove(made.host(), "core24")
        instances.ensure_stopped(host.api, "n1")
    snapshots.restore(host.api, "n1", "good")
    instances.ensure_running(host.api, "n1")

    assert snap.info(made.host(), "core24") is not None


def test_given_snapshots_when_one_or_its_instance_is_deleted_then_nothing_is_left_of_it(host):
    host.make("n1")
    for name in ("one", "two"):
        snapshots.ensure(host.api, "n1", name)
    folder = host.world.root / "snapshots" / "a" / "n1"

    snapshots.ensure_absent(host.api, "n1", "one")
    assert [one.name for one in folder.iterdir()] == ["two"]
    with pytest.raises(errors.NotFoundError):
        snapshots.restore(host.api, "n1", "one")

    instances.ensure_absent(host.api, "n1")
    assert not folder.exists()
