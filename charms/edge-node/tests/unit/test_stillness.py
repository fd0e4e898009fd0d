"""No snap moves but by a plan, and what was held here is set free here."""

import pytest

import stillness
from edgecloud.host import files, snap
from edgelab import pi


@pytest.fixture
def busy(host):
    """A machine with a snap that nobody holds."""
    host.run(("/usr/bin/snap", "install", "lxd", "--channel=5.21/stable"), timeout_s=900)
    return host


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


def test_given_a_machine_that_is_left_when_released_then_all_is_as_before(busy):
    stillness.ensure_held(busy, wanted=True)

    stillness.release(busy)

    assert not snap.info(busy, "lxd").held
    assert not busy.exists(stillness.STATE)


def test_given_a_snap_that_cannot_be_held_when_held_then_those_before_it_are_still_ours(
    node, host
):
    for name in ("lxd", "microk8s"):
        host.run(("/usr/bin/snap", "install", name, "--classic"), timeout_s=900)
    last = snap.installed(host)[-1].name
    refusal = pi.Fault(("/usr/bin/snap", "refresh", "--hold", last), pi.fail(1, "busy"))
    node.machine.faults.add(refusal)

    with pytest.raises(snap.SnapError):
        stillness.ensure_held(host, wanted=True)

    noted = files.read_state(host, stillness.STATE)
    free = {each.name for each in snap.installed(host) if not each.held}
    assert last in free
    assert set(noted["held"]) == {each.name for each in snap.installed(host)} - free
    assert noted["held"]
    assert "at" not in noted
    stillness.release(host)
    assert not any(each.held for each in snap.installed(host))
