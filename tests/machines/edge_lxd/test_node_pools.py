"""Pools of nodes on a real daemon: limits, addresses, order, repair, idempotence, removal."""

import dataclasses
import pathlib
import re
import subprocess

import lxd_site
import pool_site
import pytest

import pool_plan
import pools
from edgecloud.lxd import events, instances, profiles, storage
from edgecloud.lxd_member import guest_host

FIRST, SECOND, THIRD = (f"edge-lxd-0-{slot}a" for slot in (1, 2, 3))


@pytest.fixture(scope="module")
def host(site, progress):
    progress("starting a daemon that hosts nodes")
    with pool_site.site_of(site, "pooled") as made:
        progress("it serves")
        yield made


@pytest.fixture
def pool(host):
    """Return the host with two nodes; they go after the test."""
    host.converge(2)
    yield host
    host.clear()


def changes_during(host, what):
    """Return what LXD did during a call: operations, and what it says that it changed."""
    with events.listen(host.api) as stream:
        what()
        seen = list(stream.until(1.0))
    return [event.action or event.content.get("description") for event in seen]


def test_given_a_pool_when_made_then_each_node_runs_at_its_address_within_its_limits(pool):
    addresses = [pool.address(name) for name in (FIRST, SECOND)]
    small = pool.run(FIRST, "dd if=/dev/zero of=/dev/null bs=300M count=1")
    large = pool.run(FIRST, "dd if=/dev/zero of=/dev/null bs=700M count=1")
    disk = pool.run(FIRST, "dd if=/dev/zero of=/big bs=1M count=500")
    cores = pool.run(FIRST, "cat /proc/self/status")

    base = pool.subnet.rpartition(".")[0]
    assert addresses == [f"{base}.254", f"{base}.253"]
    assert (small.exit_code, large.exit_code) == (0, 137)
    assert "Disk quota exceeded" in disk.stderr
    allowed = next(line for line in cores.stdout.splitlines() if "Cpus_allowed_list" in line)
    assert allowed.split()[1].isdigit()
    assert instances.find(pool.api, FIRST).running


def killed():
    """How many programs this kernel killed for lack of memory, in containers too."""
    counted = pathlib.Path("/proc/vmstat").read_text()
    return int(re.search(r"^oom_kill (\d+)", counted, re.MULTILINE).group(1))


def test_given_a_memory_hog_when_killed_then_its_neighbour_and_its_node_live(pool):
    before = killed()
    pool.run(FIRST, "dd if=/dev/zero of=/dev/null bs=700M count=1")

    assert killed() > before
    assert pool.run(FIRST, "echo alive").stdout == "alive\n"
    assert pool.run(SECOND, "dd if=/dev/zero of=/dev/null bs=300M count=1").exit_code == 0


def test_given_a_pool_when_converged_again_then_lxd_changes_nothing(pool):
    seen = changes_during(pool, lambda: pool.converge(2))

    assert seen == []


def test_given_a_change_when_listened_for_then_it_is_heard(pool):
    grown = dataclasses.replace(pool_site.SHAPE, memory="600MiB")

    seen = changes_during(pool, lambda: pool.converge(2, grown))

    assert "profile-updated" in seen
    assert pool.run(FIRST, "dd if=/dev/zero of=/dev/null bs=550M count=1").exit_code == 0


def test_given_a_restarted_machine_when_up_again_then_addresses_and_order_are_the_same(pool):
    pool.converge(3)
    before = {name: pool.address(name) for name in (FIRST, SECOND, THIRD)}

    pool.daemon.shut_down()
    assert not lxd_site.monitors(pool.daemon.at.folder)
    pool.daemon.start()
    lxd_site.until(lambda: all(one.running for one in instances.every(pool.api)))

    starts = [pool.started_at(name) for name in (FIRST, SECOND, THIRD)]
    assert {name: pool.address(name) for name in before} == before
    assert starts == sorted(starts)
    assert changes_during(pool, lambda: pool.converge(3)) == []


def test_given_a_profile_that_somebody_changed_when_converged_then_it_is_named_and_mended(pool):
    changed = {"security.nesting": None, "limits.memory": "4GiB", "user.mine": "x"}
    profiles.ensure_keys(pool.api, "edge-lxd-nodes", changed, {"kmsg": None})

    outcome = pool.converge(2)

    assert outcome.drift == ("device kmsg", "limits.memory", "security.nesting", "user.mine")
    assert pool.run(FIRST, "dd if=/dev/zero of=/dev/null bs=700M count=1").exit_code == 137
    assert pool.converge(2) == pools.Outcome()


def test_given_a_node_that_somebody_changed_when_converged_then_it_is_as_before(pool):
    nic = {"type": "nic", "network": pool.bridge, "name": "eth0", "hwaddr": "00:16:3e:00:00:01"}
    lost = {"boot.autostart": "false", "boot.autostart.priority": None}
    instances.ensure_keys(pool.api, FIRST, lost, {"eth0": nic})

    outcome = pool.converge(2)

    found = instances.find(pool.api, FIRST)
    assert outcome.changed == (FIRST,)
    assert found.config["boot.autostart.priority"] == "999"
    assert found.devices["eth0"]["ipv4.address"] == pool.subnet.rpartition(".")[0] + ".254"
    assert pool.converge(2) == pools.Outcome()


def test_given_a_smaller_pool_when_converged_then_the_last_node_goes_with_its_disk(pool):
    pool.converge(3)

    outcome = pool.converge(1)

    assert outcome.changed == (THIRD, SECOND)
    assert [one.name for one in instances.every(pool.api)] == [FIRST]
    kept = [volume.name for volume in storage.volumes(pool.api, "disk", "container")]
    assert kept == [FIRST]


def test_given_a_torso_that_a_power_cut_left_when_converged_then_it_is_made_anew(pool):
    instances.ensure_keys(pool.api, SECOND, {pool_plan.WHOLE: None}, {})
    pool.run(SECOND, "touch /torso")

    pool.converge(2)

    assert pool.run(SECOND, "test -e /torso").exit_code == 1
    assert instances.find(pool.api, SECOND).config[pool_plan.WHOLE] == "true"


def test_given_an_instance_of_somebody_else_when_its_name_is_needed_then_it_is_not_touched(host):
    source = instances.Source.alias("node")
    instances.create(host.api, instances.Plan(FIRST, source, devices={}))
    try:
        assert "somebody else's" in host.converge(1).failed[FIRST]
        assert instances.find(host.api, FIRST).config.get(pool_plan.OWNER) is None
    finally:
        instances.ensure_absent(host.api, FIRST)
        host.clear()


def test_given_a_unit_that_goes_when_removed_then_nothing_of_its_pool_is_left(pool):
    gone = pools.remove_all(pool.api, pool.unit)

    assert gone == (SECOND, FIRST)
    assert instances.every(pool.api) == ()
    assert profiles.find(pool.api, "edge-lxd-nodes") is None
    assert storage.volumes(pool.api, "disk", "container") == ()
    rules = subprocess.run(("nft", "list", "ruleset"), capture_output=True, text=True).stdout
    assert "edge-lxd-0" not in rules
    assert pools.remove_all(pool.api, pool.unit) == ()


def test_given_another_units_nodes_when_a_unit_goes_then_the_profile_stays_for_them(pool):
    other = dataclasses.replace(pool, unit="edge-lxd/1")
    other.converge(1)
    try:
        pools.remove_all(pool.api, pool.unit)

        assert [one.name for one in instances.every(pool.api)] == ["edge-lxd-1-1a"]
        assert profiles.find(pool.api, "edge-lxd-nodes") is not None
    finally:
        other.clear()
    assert profiles.find(pool.api, "edge-lxd-nodes") is None


def test_given_no_image_when_a_node_is_due_then_it_says_so(host):
    outcome = dataclasses.replace(host.pool(), image="missing").build(
        pool_plan.plan(host.unit, 1, (), host.pool().ground)
    )

    assert "no image missing" in outcome.failed[FIRST]
    host.clear()


# --- reaching into a node ------------------------------------------------------------------------


@pytest.fixture
def inside(pool):
    """Return the first node as a host."""
    return guest_host.GuestHost(pool.api, FIRST)


def test_given_a_node_when_reached_into_then_it_is_a_host_like_any_other(inside):
    assert inside.write("/etc/edge/deep/file", "one", mode=0o600)
    assert not inside.write("/etc/edge/deep/file", "one")
    assert inside.write("/etc/edge/deep/file", "two")
    assert inside.read("/etc/edge/deep/file") == "two"
    assert inside.glob("/etc/edge/*/f*") == ["/etc/edge/deep/file"]
    assert inside.glob("/etc/edge/none*") == []
    assert inside.remove("/etc/edge/deep/file")
    assert not inside.remove("/etc/edge/deep/file")
    with pytest.raises(FileNotFoundError):
        inside.read("/etc/edge/deep/file")
    assert inside.free_bytes("/") > 0
    with pytest.raises(subprocess.CalledProcessError) as failure:
        inside.run(("sh", "-c", "echo no >&2; exit 3"), timeout_s=20)
    assert (failure.value.returncode, failure.value.stderr) == (3, "no\n")
    with pytest.raises(subprocess.TimeoutExpired):
        inside.run(("sleep", "20"), timeout_s=1)


def test_given_a_node_that_does_not_run_when_reached_into_then_it_says_so(pool, inside):
    instances.ensure_stopped(pool.api, FIRST, force=True)

    with pytest.raises(OSError, match=FIRST):
        inside.run(("true",), timeout_s=20)
    with pytest.raises(OSError, match=FIRST):
        inside.run(("true",), timeout_s=20, stdin="secret")
