"""Plain snaps, and LXD's: several move together, and all go back when one fails."""

import pytest

from edgecloud.agent import journal, paths
from edgecloud.rollout import state
from edgelab import pi

State = state.State


@pytest.fixture
def two(single):
    """A machine with two more snaps, and a newer build of each in the store."""
    for name in ("lxd", "snapd"):
        single.run(0, "/usr/bin/snap", "install", name)
        single.world.store.publish(name, "latest/stable", "arm64", "9001", "9.0")
    return single


def snaps_plan(site, *names):
    wanted = [{"name": name, "revision": {"arm64": 9001}} for name in names]
    return site.plan(targets={"snaps": wanted}, rollback={"kind": "revert"})


def lxd_plan(site):
    return site.plan(targets={"lxd": {"revision": {"arm64": 9001}}})


def upgrade(site, accepted, part):
    for verb in ("prepare", "grant"):
        site.order(0, verb, accepted, part=part)
        site.wake(0)
    return site.node(0)


def builds(site):
    return {name: site.machine(0).snaps[name].revision for name in ("lxd", "snapd")}


def test_given_two_snaps_when_granted_then_both_move(two):
    found = upgrade(two, snaps_plan(two, "lxd", "snapd"), "snaps")

    assert found.state is State.SOAKING, found
    assert builds(two) == {"lxd": "9001", "snapd": "9001"}


def test_given_a_second_snap_that_fails_when_applied_then_both_are_as_before(two):
    before = builds(two)
    two.machine(0).faults.add(pi.Fault(("snap", "install"), pi.fail(1, "error: no"), nth=2))

    found = upgrade(two, snaps_plan(two, "lxd", "snapd"), "snaps")

    assert found.state is State.ROLLED_BACK, found
    assert builds(two) == before


def test_given_a_second_snap_that_was_damaged_on_the_disk_when_granted_then_both_are_as_before(
    two,
):
    before, accepted = builds(two), snaps_plan(two, "lxd", "snapd")
    two.order(0, "prepare", accepted, part="snaps")
    two.wake(0)
    (file,) = two.host(0).glob(f"{paths.STAGING}/snapd/*.snap")
    path = two.host(0).path(file)
    path.write_bytes(path.read_bytes()[:-1] + b"!")

    two.order(0, "grant", accepted, part="snaps")
    two.wake(0)

    assert two.node(0).state is State.ROLLED_BACK
    assert builds(two) == before
    assert "was damaged since it was fetched" in str(journal.history(two.host(0)))


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("moment", [pi.cut_during(), pi.cut_after()], ids=["during", "after"])
def test_given_a_power_cut_between_two_snaps_when_power_returns_then_both_move(two, nth, moment):
    accepted = snaps_plan(two, "lxd", "snapd")
    two.machine(0).faults.add(pi.Fault(("snap", "install"), moment, nth=nth))

    with pytest.raises(pi.PowerCut):
        upgrade(two, accepted, "snaps")
    two.cut_power(0)
    two.wake(0)

    assert two.node(0).state is State.SOAKING
    assert builds(two) == {"lxd": "9001", "snapd": "9001"}


def test_given_lxd_when_granted_then_it_moves_without_a_cordon(two):
    found = upgrade(two, lxd_plan(two), "lxd")

    assert found.state is State.SOAKING, found
    assert builds(two)["lxd"] == "9001"
    assert "cordoning" not in two.states(0)


def test_given_a_snap_that_is_not_installed_when_prepared_then_the_step_is_refused(single):
    single.world.store.publish("lxd", "latest/stable", "arm64", "9001", "9.0")

    found = upgrade(single, lxd_plan(single), "lxd")

    assert found.state is State.FAILED_SAFE
    assert "not installed" in found.reason
