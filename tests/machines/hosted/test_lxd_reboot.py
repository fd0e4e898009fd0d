"""The agent of a machine that is a real member of LXD takes it through a reboot."""

import threading
import time

import lxd_site
import pytest
import reboot_site
from reboot_site import NODE, PLAIN

from edgecloud.agent import lxd_host
from edgecloud.lxd import cluster, instances
from edgecloud.rollout import state
from edgelab import pi

ROOT = {"root": {"type": "disk", "path": "/", "pool": "plain"}, "eth0": {"type": "none"}}
ONLINE, EVACUATED = cluster.Status.ONLINE, cluster.Status.EVACUATED


class Cut(BaseException):
    """The agent and its daemon were killed."""


@pytest.fixture
def rebooting(three, tmp_path):
    """Return the second member, with a node and a database on it."""
    world = pi.World(tmp_path / "world", pi.Clock(1_800_000_000), seed=1)
    made = reboot_site.Rebooting(world, three[1], three[0])
    made.furnish("tiny", ROOT)
    yield made
    if made.status() is EVACUATED:
        cluster.ensure_restored(three[0].api, made.name)
    for name in (NODE, PLAIN):
        instances.ensure_absent(three[0].api, name)


def assert_back(rebooting):
    told = rebooting.told()
    assert rebooting.status() is ONLINE
    assert all(rebooting.instance(name).running for name in (NODE, PLAIN))
    assert all(rebooting.instance(name).member == "m2" for name in (NODE, PLAIN))
    assert reboot_site.is_cordon(told[0])
    assert any("drain" in line for line in told)
    assert not reboot_site.is_cordon(told[-1])
    assert "drain" not in told[-1]
    assert rebooting.is_clean()


def test_given_a_real_member_when_its_machine_reboots_then_all_is_drained_stopped_and_back(
    rebooting, progress
):
    seen = []

    def look(name):
        if name.startswith("before apply"):
            progress("drained and evacuated")
            running = [rebooting.instance(one).running for one in (NODE, PLAIN)]
            seen.append((rebooting.status(), running))

    ended = rebooting.upgrade(look)

    assert ended.state is state.State.DONE, ended
    assert seen == [(EVACUATED, [False, False])]
    assert_back(rebooting)


@pytest.mark.parametrize(
    "boundary",
    [
        "after cordon in cordoning",
        "after drain in draining",
        "before validate in validating",
        "after validate in validating",
    ],
)
def test_given_a_kill_at_a_boundary_when_a_real_member_reboots_then_it_is_back_all_the_same(
    rebooting, boundary
):
    def kill(name):
        if name == boundary:
            raise Cut

    with pytest.raises(Cut):
        rebooting.upgrade(kill)
    rebooting.crash()

    ended = rebooting.upgrade()

    assert ended.state is state.State.DONE, ended
    assert_back(rebooting)


def test_given_a_kill_within_the_evacuation_when_tried_again_then_it_is_back_all_the_same(
    rebooting, progress
):
    def kill():
        lxd_site.until(lambda: rebooting.host.exists(lxd_host.NOTE))
        time.sleep(0.3)
        rebooting.real.kill()
        progress("killed")
        rebooting.real.start()

    killer = threading.Thread(target=kill)
    killer.start()
    ended = rebooting.upgrade()
    killer.join()

    assert ended.state is state.State.DONE, ended
    assert_back(rebooting)


def test_given_a_real_member_evacuated_by_somebody_when_it_rebooted_then_it_stays_so(rebooting):
    cluster.ensure_evacuated(rebooting.peer.api, rebooting.name)

    ended = rebooting.upgrade()

    assert ended.state is state.State.DONE, ended
    assert rebooting.status() is EVACUATED
    assert rebooting.is_clean()
