import subprocess

import pytest

from edgecloud.host import systemd
from edgelab import pi

COMMAND = systemd.dispatch_command("edge-a/0")
SERVICE = "[Service]\nType=oneshot\nExecStart=/usr/bin/true\n"
DAILY = "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n"
HOURLY = DAILY.replace("daily", "hourly")


def test_given_a_wake_up_when_armed_then_the_hook_is_dispatched_in_time(world, raspberry):
    systemd.arm(raspberry, "again", 30, COMMAND)

    world.clock.advance(31)

    assert [(due.unit, due.hook) for due in world.fire_due()] == [("edge-a/0", "update-status")]


def test_given_an_armed_wake_up_when_armed_again_then_there_is_still_one(raspberry):
    first = systemd.arm(raspberry, "again", 30, COMMAND)
    second = systemd.arm(raspberry, "again", 30, COMMAND)

    assert (first, second) == (True, False)


def test_given_an_armed_wake_up_when_disarmed_then_it_is_so_once(world, raspberry):
    systemd.arm(raspberry, "again", 30, COMMAND)

    disarmed = [systemd.disarm(raspberry, "again") for _ in range(2)]

    world.clock.advance(60)
    assert disarmed == [True, False]
    assert world.fire_due() == []


def test_given_a_hook_that_a_wake_up_runs_when_it_arms_the_next_then_another_name_serves(machine):
    refusal = "Failed to start transient timer unit: Unit w.service was already loaded"
    machine.answer(systemd.SYSTEMD_RUN, "--unit=w", stderr=refusal, code=1)
    machine.answer(systemd.SYSTEMCTL, "is-active", stdout="inactive\n", code=3)

    armed = systemd.arm(machine, "w", 30, COMMAND)

    assert armed
    assert machine.calls[-1][1] == "--unit=w-again"


def test_given_both_names_in_use_when_armed_then_nothing_is_added(machine):
    machine.answer(systemd.SYSTEMD_RUN, stderr="Unit was already loaded", code=1)
    machine.answer(systemd.SYSTEMCTL, "is-active", stdout="inactive\n", code=3)

    assert not systemd.arm(machine, "w", 30, COMMAND)


def test_given_less_than_a_second_when_armed_then_it_is_one_second(machine):
    systemd.arm(machine, "w", 0.2, COMMAND)

    assert "--on-active=1s" in machine.calls[0]


@pytest.mark.parametrize("code", [1, 4])
def test_given_systemd_that_fails_when_armed_then_its_words_are_kept(machine, code):
    machine.answer(systemd.SYSTEMD_RUN, stderr="Failed to connect to bus", code=code)

    with pytest.raises(systemd.SystemdError, match="Failed to connect to bus"):
        systemd.arm(machine, "w", 30, COMMAND)


@pytest.mark.parametrize(
    "call",
    [
        lambda machine: systemd.arm(machine, "w", 30, COMMAND),
        lambda machine: systemd.disarm(machine, "w"),
        lambda machine: systemd.restart(machine, "w.service"),
        lambda machine: systemd.reload(machine, "w.service"),
    ],
    ids=["arm", "disarm", "restart", "reload"],
)
def test_given_no_systemd_when_called_then_that_is_said(machine, call):
    machine.answer(error=FileNotFoundError(2, "No such file"))

    with pytest.raises(systemd.SystemdError, match="could not be run"):
        call(machine)


def test_given_no_timer_when_ensured_then_it_fires(world, raspberry):
    changed = systemd.ensure_timer(raspberry, "backup", service=SERVICE, timer=DAILY)

    world.clock.advance(86400)
    world.fire_due()
    assert changed
    assert ("/usr/bin/true",) in [call.argv for call in world.calls]


def test_given_a_timer_when_ensured_again_then_nothing_changes(raspberry):
    systemd.ensure_timer(raspberry, "backup", service=SERVICE, timer=DAILY)

    assert not systemd.ensure_timer(raspberry, "backup", service=SERVICE, timer=DAILY)


def test_given_systemd_that_hangs_when_asked_whether_enabled_then_that_is_said(machine):
    machine.write(f"{systemd.UNITS}/s.service", SERVICE)
    machine.answer(error=subprocess.TimeoutExpired("systemctl", 20))

    with pytest.raises(systemd.SystemdError, match="is-enabled took longer than 20 s"):
        systemd.ensure_service(machine, "s", SERVICE)


def test_given_another_calendar_when_ensured_then_the_timer_follows_it(world, raspberry):
    systemd.ensure_timer(raspberry, "backup", service=SERVICE, timer=DAILY)

    changed = systemd.ensure_timer(raspberry, "backup", service=SERVICE, timer=HOURLY)

    (due, _), *_ = world.timers(world.machines["0"])
    assert changed
    assert due - world.clock.now() <= 3600


def test_given_a_timer_file_that_was_never_enabled_when_ensured_then_it_is(raspberry):
    raspberry.write(f"{systemd.UNITS}/backup.service", SERVICE)
    raspberry.write(f"{systemd.UNITS}/backup.timer", DAILY)

    assert systemd.ensure_timer(raspberry, "backup", service=SERVICE, timer=DAILY)
    assert systemd.is_active(raspberry, "backup.timer")


def test_given_a_reload_that_fails_when_ensured_then_the_next_call_tries_again(world, raspberry):
    fault = pi.Fault((systemd.SYSTEMCTL, "daemon-reload"), pi.fail(1, "no"))
    world.machines["0"].faults.add(fault)

    with pytest.raises(systemd.SystemdError, match="daemon-reload failed: no"):
        systemd.ensure_timer(raspberry, "backup", service=SERVICE, timer=DAILY)

    assert systemd.ensure_timer(raspberry, "backup", service=SERVICE, timer=DAILY)


def test_given_a_timer_when_removed_then_it_is_so_once(world, raspberry):
    systemd.ensure_timer(raspberry, "backup", service=SERVICE, timer=DAILY)

    removed = [systemd.remove_timer(raspberry, "backup") for _ in range(2)]

    assert removed == [True, False]
    assert world.timers(world.machines["0"]) == []
    assert raspberry.glob(f"{systemd.UNITS}/backup.*") == []


def test_given_a_service_when_ensured_and_removed_then_each_is_so_once(raspberry):
    text = SERVICE + "RemainAfterExit=yes\n[Install]\nWantedBy=multi-user.target\n"

    ensured = [systemd.ensure_service(raspberry, "firewall", text) for _ in range(2)]
    active = systemd.is_active(raspberry, "firewall.service")
    removed = [systemd.remove_service(raspberry, "firewall") for _ in range(2)]

    assert (ensured, active, removed) == ([True, False], True, [True, False])


def test_given_a_link_when_asked_whether_enabled_then_no_process_is_needed(machine):
    machine.write(f"{systemd.UNITS}/a.service", SERVICE)
    machine.write(f"{systemd.UNITS}/multi-user.target.wants/a.service", SERVICE)

    assert not systemd.ensure_service(machine, "a", SERVICE)
    assert machine.calls == []
