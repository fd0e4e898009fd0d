"""The ladder of remedies: its order, its patience, and a budget that no reboot resets."""

import contextlib
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecloud.agent import heal, healing, health, paths, settings
from edgelab import pi

Rung = heal.Rung


def climb(failed, minutes, can_fall_back=False):
    """Return the rungs of a machine that stays ill, with the minute of each."""
    history, found = heal.History(), []
    for minute in range(minutes):
        now = 1_800_000_000 + 60 * minute
        history = heal.observe(history, failed, now)
        rung = heal.choose(history, failed, now, can_fall_back=can_fall_back)
        if rung:
            history = heal.record(history, rung, failed, now)
            found.append(rung)
    return found


def test_given_an_ill_kubelet_when_nothing_helps_then_the_ladder_is_climbed_once():
    found = climb(["kubelet"], 600)

    assert found == [Rung.RESTART, Rung.CONTAINERD, Rung.PRUNE, Rung.REBOOT, Rung.SHOUT]


def test_given_a_second_system_when_nothing_helps_then_it_is_booted_before_shouting():
    found = climb(["application"], 600, can_fall_back=True)

    assert found == [Rung.REBOOT, Rung.FALL_BACK, Rung.SHOUT]


def test_given_a_short_illness_when_it_passes_then_nothing_is_tried():
    history = heal.observe(heal.History(), ["kubelet"], 1000)

    assert heal.choose(history, ["kubelet"], 1000 + 60, can_fall_back=False) is None


def test_given_an_hour_of_health_when_it_falls_ill_again_then_the_ladder_begins_anew():
    history = heal.History(since_well=(Rung.RESTART.value,))
    history = heal.observe(history, [], 1000)

    assert heal.observe(history, [], 1000 + heal.WELL_S).since_well == ()


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4_000_000_000),
            st.sets(st.sampled_from(["kubelet", "containerd", "disk", "application"])),
        ),
        max_size=200,
    )
)
def test_given_any_clock_when_never_well_for_long_then_it_reboots_at_most_once(looks):
    history, rebooted = heal.History(), 0
    for now, failed in looks:
        ill = failed or {"kubelet"}
        history = heal.read(heal.write(heal.observe(history, ill, now)))
        rung = heal.choose(history, ill, now, can_fall_back=False)
        if rung:
            history = heal.record(history, rung, ill, now)
            rebooted += rung is Rung.REBOOT

    assert rebooted <= 1


@pytest.fixture
def kubelet_down(single):
    """A machine whose kubelet never comes back by itself."""
    single.machine(0).node.sick = "crash:0"
    single.wait(5)
    return single


def test_given_a_dead_kubelet_when_restarting_helps_then_nothing_more_is_done(kubelet_down):
    kubelet_down.machine(0).node.sick = ""

    kubelet_down.wake_for(0, 300)

    assert [each.rung for each in healing.look(kubelet_down.host(0)).tried] == ["restart-service"]


def test_given_a_dead_kubelet_when_nothing_helps_then_it_reboots_once_and_says_so(kubelet_down):
    for _ in range(120):
        kubelet_down.wait(60)
        try:
            kubelet_down.wake(0)
        except pi.PowerCut:
            continue
    boots = kubelet_down.machine(0).boots

    said = kubelet_down.host(0).read("/var/lib/edge-agent/outbox.json")

    assert boots == 2
    assert "nothing helps: kubelet" in said


def test_given_a_full_disk_when_it_is_pruned_then_what_was_fetched_and_logged_is_given_back(
    single,
):
    fetched = f"{paths.STAGING}/microk8s/microk8s_9.snap"
    single.host(0).write(fetched, "a build that no plan wants any more")
    machine = single.machine(0)
    machine.disk_used = machine.disk_bytes - 200 * 1024**2

    single.wake_for(0, 180)

    ran = [call.argv for call in single.world.calls]
    assert [each.rung for each in healing.look(single.host(0)).tried] == ["prune"]
    assert not single.host(0).exists(fetched)
    assert ["/usr/bin/journalctl", "--vacuum-size=64M"] in [list(argv) for argv in ran]
    assert ["/usr/bin/apt-get", "clean"] in [list(argv) for argv in ran]


def test_given_containerd_that_hangs_on_when_its_service_does_not_help_then_both_restart(
    kubelet_down,
):
    before = len(kubelet_down.world.calls)

    kubelet_down.wake_for(0, 420)

    restarted = [
        list(call.argv[2:])
        for call in kubelet_down.world.calls[before:]
        if list(call.argv[:2]) == ["/usr/bin/snap", "restart"]
    ]
    both = ["microk8s.daemon-containerd", "microk8s.daemon-kubelite"]
    tried = [each.rung for each in healing.look(kubelet_down.host(0)).tried]
    assert tried[:2] == ["restart-service", "restart-containerd"]
    assert restarted[-1] == both
    assert "microk8s.daemon-kubelite" in restarted[0]
    assert "microk8s.daemon-containerd" not in restarted[0]


def test_given_a_lamp_when_nothing_helps_then_it_blinks(single):
    trigger = "/sys/class/leds/ACT/trigger"
    single.host(0).write(trigger, "mmc0")
    own = dataclasses.replace(settings.read(single.host(0)), lamp="ACT")
    ill = health.Verdict({"application": "not well"}, {})

    for _ in range(60):
        single.wait(60)
        with contextlib.suppress(pi.PowerCut):
            healing.tend(single.host(0), own, ill)

    assert [each.rung for each in healing.look(single.host(0)).tried] == ["reboot", "shout"]
    assert single.host(0).read(trigger) == "heartbeat"


def test_given_an_upgrade_under_way_when_the_machine_is_ill_then_no_remedy_is_tried(pair):
    pair.spoil(1, "sick")

    pair.upgrade(1)

    assert not healing.look(pair.host(1)).tried
