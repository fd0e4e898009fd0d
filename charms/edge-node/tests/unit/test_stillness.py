"""Nothing moves but by a plan, and what was stopped here is started again here."""

import pytest

import stillness
from edgecloud.host import snap, systemd
from edgelab import pi

SYSTEMCTL = "/usr/bin/systemctl"


@pytest.fixture
def busy(host):
    """A machine that upgrades itself unasked, and has a snap."""
    for unit in stillness.UNATTENDED[:2]:
        host.run((SYSTEMCTL, "enable", "--now", unit), timeout_s=9)
    host.run(("/usr/bin/snap", "install", "lxd", "--channel=5.21/stable"), timeout_s=900)
    return host


def running(host):
    return [unit for unit in stillness.UNATTENDED if systemd.is_active(host, unit)]


def test_given_free_snaps_when_held_then_each_is(busy):
    assert stillness.ensure_held(busy, wanted=True)

    assert all(each.held for each in snap.installed(busy))


def test_given_held_snaps_when_looked_at_soon_again_then_snapd_is_not_asked(node, busy):
    stillness.ensure_held(busy, wanted=True)
    before = len(node.world.calls)

    stillness.ensure_held(busy, wanted=True)

    assert len(node.world.calls) == before


def test_given_a_snap_that_somebody_else_held_when_set_free_then_it_stays_held(busy):
    snap.hold(busy, "lxd")
    stillness.ensure_held(busy, wanted=True)

    stillness.ensure_held(busy, wanted=False)

    assert snap.info(busy, "lxd").held


def test_given_a_live_plan_when_it_begins_and_ends_then_timers_stop_and_start(busy):
    before = running(busy)

    stillness.ensure_unattended(busy, stopped=True)
    during = running(busy)
    stillness.ensure_unattended(busy, stopped=False)

    assert (during, running(busy)) == ([], before)


def test_given_a_timer_that_was_off_before_when_a_plan_ends_then_it_stays_off(busy):
    busy.run((SYSTEMCTL, "disable", "--now", "apt-daily.timer"), timeout_s=9)

    stillness.ensure_unattended(busy, stopped=True)
    stillness.ensure_unattended(busy, stopped=False)

    assert running(busy) == ["apt-daily-upgrade.timer"]


def test_given_a_mask_that_fails_when_the_plan_ends_then_nothing_stays_stopped(node, busy):
    before = running(busy)
    node.machine.faults.add(pi.Fault((SYSTEMCTL, "mask"), pi.fail(1, "no bus")))
    with pytest.raises(systemd.SystemdError):
        stillness.ensure_unattended(busy, stopped=True)

    stillness.ensure_unattended(busy, stopped=False)

    assert running(busy) == before


def test_given_a_machine_that_is_left_when_released_then_all_is_as_before(busy):
    before = running(busy)
    stillness.ensure_held(busy, wanted=True)
    stillness.ensure_unattended(busy, stopped=True)

    stillness.release(busy)

    assert running(busy) == before
    assert not snap.info(busy, "lxd").held
    assert not busy.exists(stillness.STATE)
