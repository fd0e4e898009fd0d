"""The charm on real daemons when the worst has happened; in the end nothing is left of it.

The shared cloud is of no use to other tests afterwards.
"""

import contextlib
import subprocess

import lxd_site
import real_lxd

from edgecloud.lxd import cluster, errors, images, instances, networks


def test_given_one_member_upgraded_when_it_waits_then_its_unit_names_the_others(cloud, progress):
    unit = next(name for name in sorted(cloud.units) if name != cloud.leader())
    member, real = unit.replace("/", "-"), cloud.real[unit]
    where = f"WHERE name != '{member}'"
    cloud.real[cloud.leader()].sql(f"UPDATE nodes SET api_extensions=api_extensions-1 {where}")
    cloud.upgrade_snap(unit)
    real.kill()
    real.launch()

    cloud.wake(unit)
    status, said = cloud.statuses()[unit], cloud.messages()[unit]
    progress("blocked: " + said)

    cloud.real[cloud.leader()].sql(f"UPDATE nodes SET api_extensions=api_extensions+1 {where}")
    assert status == "blocked"
    assert "LXD waits for the same build on" in said
    assert cloud.leader() in said
    real.kill()
    real.start()
    lxd_site.until(lambda: is_well(cloud, unit))


def test_given_the_majority_lost_when_recovered_then_the_survivor_goes_on_and_grows(
    cloud, progress
):
    survivor, *lost = sorted(cloud.units, key=lambda name: name != cloud.leader())
    for unit in lost:
        cloud.unplug(unit)
    lxd_site.until(lambda: not is_quorate(cloud, survivor))
    cloud.wake(survivor)
    blocked = cloud.messages()[survivor]
    progress("blocked: " + blocked)
    plan = cloud.do(survivor, "recover-quorum")["plan"]
    identity = plan.partition("confirm=")[2].split(".")[0]

    done = cloud.do(survivor, "recover-quorum", confirm=identity)
    progress("the survivor serves alone")
    for unit in lost:
        cloud.remove_unit(unit, force=True)
    cloud.settle()
    for unit in lost:
        cloud.do(survivor, "remove-member", member=unit.replace("/", "-"), dry_run=False)
    cloud.add_pi()
    cloud.settle()

    assert "has lost its majority" in blocked
    assert "serves alone" in done["result"]
    assert len(cloud.names(survivor)) == 2
    lxd_site.until(lambda: is_well(cloud, survivor))


def is_quorate(cloud, unit):
    with contextlib.suppress(errors.LxdError):
        return bool(cluster.members(cloud.api(unit), timeout_s=1))
    return False


def is_well(cloud, unit):
    """Whether a daemon that was started is heard of: it shows as offline until a heartbeat."""
    cloud.wake(unit)
    return cloud.statuses()[unit] == "active"


def test_given_a_cluster_when_its_application_is_removed_then_no_trace_of_it_is_left(cloud):
    daemons = [cloud.real[unit] for unit in cloud.units]
    for image in images.every(daemons[0].api):
        images.ensure_absent(daemons[0].api, image.fingerprint)

    cloud.remove_application("edge-lxd")
    cloud.settle()

    assert not cloud.units
    assert [cloud.site.left(real) for real in daemons] == [{}] * len(daemons)
    assert not any(real.folder.exists() for real in daemons)


def test_given_a_machine_with_its_own_bridge_when_removed_then_bridge_and_rules_are_gone(
    make_cloud,
):
    cloud = make_cloud(0, network="managed", **{"node-profile": "project"})
    cloud.add_pi(prepare=with_bridge)
    cloud.settle()
    [real] = cloud.real.values()
    assert set(cloud.statuses().values()) == {"active"}, cloud.messages()
    assert of_bridge()

    cloud.remove_application("edge-lxd")
    cloud.settle()

    assert not cloud.units
    assert of_bridge() == []
    assert cloud.site.left(real) == {}


def with_bridge(real):
    """Give a daemon the bridge: without `ping`, LXD cannot choose a subnet by itself."""
    config = {"ipv4.address": "10.198.78.1/24", "ipv6.address": "none"}
    networks.ensure(real.api, "lxdbr0", config)


def of_bridge():
    """Return the links and rules of the bridge that the charm makes."""
    found = []
    for command in (("ip", "-o", "link"), ("nft", "list", "ruleset")):
        ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
        found += [line for line in ran.stdout.splitlines() if "lxdbr0" in line]
    return found


def test_given_a_dead_card_when_its_disk_is_recovered_then_the_instances_live_on(
    make_cloud, image_files, progress
):
    old = make_cloud(1, **{"node-profile": "project"})
    api = old.api("edge-lxd/0")
    fingerprint, _ = images.ensure(api, image_files[0])
    images.ensure_alias(api, "tiny", fingerprint)
    for project, name in (("default", "kept"), ("microk8s", "node")):
        instances.create(api.in_project(project), real_lxd.plan(name, "tiny"), timeout_s=60)
    old.do("edge-lxd/0", "snapshot-node", instance="kept", snapshot="pre")
    old.real["edge-lxd/0"].power_off()
    disk = as_disk(old.real["edge-lxd/0"].folder / "disks" / "local.img")
    progress(f"its card is dead, its disk is {disk}")

    new = make_cloud(1, disk="/dev/that-died", **{"node-profile": "project"})
    waits = new.messages()["edge-lxd/0"]
    found = new.do("edge-lxd/0", "recover-disk", disk=disk)
    progress("recovered " + found["recovered"])
    new.advance(400)
    new.settle()

    assert "disk=/dev/that-died is not there" in waits
    assert found["recovered"] == "kept, node"
    assert set(new.statuses().values()) == {"active"}, new.messages()
    assert new.names("edge-lxd/0") == ["edge-lxd-0"]
    instances.ensure_running(new.api("edge-lxd/0"), "kept")
    new.do("edge-lxd/0", "restore-node", instance="kept", snapshot="pre")
    assert instances.find(new.api("edge-lxd/0").in_project("microk8s"), "node") is not None


def as_disk(file):
    """Return a block device with a file's content; LXD gives the device back with the pool."""
    command = ("losetup", "--find", "--show", file)
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    return shown.stdout.strip()
