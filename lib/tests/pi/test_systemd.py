import datetime

import hypothesis
import pytest
from hypothesis import strategies as st

from edgelab.pi import calendars, timers

HOOK = ("env", "JUJU_DISPATCH_PATH=hooks/update-status", "JUJU_HOOK_NAME=update-status")
WAKE = ("/usr/bin/juju-exec", "-u", "edge-microk8s/0", "--", *HOOK, "./dispatch")
RUN = "/usr/bin/systemd-run"
CTL = "/usr/bin/systemctl"


def arm(site, at=0, seconds=30, name="wake", command=WAKE):
    options = (
        f"--unit={name}",
        f"--on-active={seconds}s",
        "--collect",
        "--timer-property=AccuracySec=1s",
    )
    return site.run(at, RUN, *options, *command)


def unit(site, name, text, at=0):
    site.host(at).write(f"/etc/systemd/system/{name}", text)


def test_given_wake_up_when_due_then_the_hook_is_returned_and_not_run(site):
    arm(site)
    site.wait(29)
    early = site.world.fire_due()
    site.wait(2)

    fired = site.world.fire_due()

    assert early == []
    assert [(item.machine.id, item.unit, item.hook) for item in fired] == [
        ("0", "edge-microk8s/0", "update-status")
    ]
    assert site.world.fire_due() == []


def test_given_armed_wake_up_when_armed_again_then_exit_1(site):
    arm(site)

    again = arm(site)

    assert again.returncode == 1 and "already loaded" in again.stderr


def test_given_fired_wake_up_when_armed_again_then_it_works(site):
    arm(site)
    site.wait(60)
    site.world.fire_due()

    assert arm(site).returncode == 0


def test_given_several_wake_ups_when_due_then_they_come_in_order(site):
    arm(site, 1, seconds=20)
    arm(site, 0, seconds=10)
    site.wait(60)

    assert [item.machine.id for item in site.world.fire_due()] == ["0", "1"]


def test_given_wake_up_when_machine_lost_power_then_it_is_forgotten(site):
    arm(site)
    site.machine(0).reboot()
    site.wait(60)

    assert site.world.fire_due() == []


def test_given_wake_up_when_stopped_then_it_never_fires(site):
    arm(site)

    assert site.run(0, CTL, "stop", "wake.timer").returncode == 0
    assert site.world.timers("0") == []
    assert site.run(0, CTL, "stop", "wake.timer").returncode == 0
    assert site.run(0, CTL, "stop", "nonesuch.timer").returncode == 5


def test_given_timers_when_listed_then_due_times_and_commands_are_told(site):
    arm(site)

    ((due, command),) = site.world.timers(site.machine(0))
    assert due == pytest.approx(site.world.clock.now() + 30, abs=1)
    assert tuple(command) == WAKE
    assert site.world.next_due() == due


def test_given_nothing_to_come_when_asked_then_there_is_no_next(site):
    assert site.world.next_due() is None


def test_given_known_command_when_its_timer_is_due_then_it_is_run(site):
    arm(site, command=("/usr/sbin/modprobe", "vxlan"))
    site.wait(60)

    assert site.world.fire_due() == []
    assert site.machine(0).loaded_modules == ["vxlan"]


def test_given_unknown_command_when_its_timer_is_due_then_the_journal_says_so(site):
    arm(site, command=("/usr/bin/nonesuch",))
    site.wait(60)

    site.world.fire_due()

    assert "nonesuch" in site.run(0, "/usr/bin/journalctl", "-u", "systemd").stdout


TIMER = "[Timer]\nOnCalendar=daily\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
SERVICE = "[Service]\nType=oneshot\nExecStart=/usr/sbin/modprobe vxlan\n"


def persistent(site):
    unit(site, "job.timer", TIMER)
    unit(site, "job.service", SERVICE)
    site.run(0, CTL, "daemon-reload")
    return site.run(0, CTL, "enable", "--now", "job.timer")


def test_given_persistent_timer_when_midnight_comes_then_its_service_runs(site):
    persistent(site)
    site.wait(86400)

    site.world.fire_due()

    assert site.machine(0).loaded_modules == ["vxlan"]
    assert site.world.timers("0")[0][0] > site.world.clock.now()


def test_given_persistent_timer_when_machine_was_off_then_it_catches_up_at_boot(site):
    persistent(site)
    site.wait(86400)
    site.world.fire_due()
    site.machine(0).loaded_modules.clear()
    site.machine(0).power_off()
    site.wait(3 * 86400)

    site.machine(0).power_on()
    site.world.fire_due()

    assert site.machine(0).loaded_modules == ["vxlan"]


def test_given_disabled_timer_when_rebooted_then_it_is_not_armed(site):
    persistent(site)

    site.run(0, CTL, "disable", "--now", "job.timer")
    site.machine(0).reboot()

    assert site.world.timers("0") == []
    assert site.run(0, CTL, "is-enabled", "job.timer").stdout == "disabled\n"


def test_given_boot_timer_when_it_recurs_then_it_comes_again_and_again(site):
    unit(site, "job.timer", "[Timer]\nOnBootSec=5min\nOnUnitActiveSec=1h\n")
    unit(site, "job.service", SERVICE)
    site.run(0, CTL, "enable", "--now", "job.timer")

    seen = []
    for _ in range(3):
        seen.append(round(site.world.next_due() - site.machine(0).booted_at))
        site.world.clock.sleep_until(site.world.next_due())
        site.world.fire_due()

    assert seen[0] == 300
    assert seen[2] - seen[1] == pytest.approx(3600, abs=2)


def test_given_missing_unit_when_enabled_or_started_then_it_is_not_found(site):
    assert site.run(0, CTL, "enable", "nonesuch.timer").returncode == 5
    assert site.run(0, CTL, "start", "nonesuch").returncode == 5
    assert site.run(0, CTL, "is-enabled", "nonesuch").returncode == 1
    assert site.run(0, CTL, "disable", "nonesuch").returncode == 1


def test_given_failing_oneshot_when_started_then_it_has_failed_until_reset(site):
    site.machine(0).missing_modules = ["vxlan"]
    unit(site, "job.service", SERVICE)

    result = site.run(0, CTL, "start", "job")
    failed = site.run(0, CTL, "is-failed", "job").stdout
    site.run(0, CTL, "reset-failed", "job")

    assert result.returncode == 1 and failed == "failed\n"
    assert site.run(0, CTL, "is-active", "job").stdout == "inactive\n"


def test_given_remaining_oneshot_when_rebooted_then_it_runs_again(site):
    unit(site, "job.service", SERVICE + "RemainAfterExit=yes\n")
    site.run(0, CTL, "enable", "--now", "job")
    site.machine(0).loaded_modules.clear()

    site.machine(0).reboot()

    assert site.machine(0).loaded_modules == ["vxlan"]
    assert site.run(0, CTL, "is-active", "job").returncode == 0


@pytest.mark.parametrize("verb", ["enable", "disable", "mask"])
def test_given_a_service_that_runs_for_ever_when_rebooted_then_it_runs_if_it_is_to(site, verb):
    unit(site, "forever.service", "[Service]\nExecStart=/sbin/modprobe vxlan\nRestart=always\n")
    site.run(0, CTL, "enable", "--now", "forever")
    site.run(0, CTL, verb, "forever")

    site.machine(0).reboot()

    expected = "active\n" if verb == "enable" else "inactive\n"
    assert site.run(0, CTL, "is-active", "forever").stdout == expected


def test_given_masked_unit_when_started_then_it_fails_until_unmasked(site):
    unit(site, "job.service", SERVICE)
    site.run(0, CTL, "mask", "job")
    masked = site.run(0, CTL, "start", "job").returncode
    site.run(0, CTL, "unmask", "job")

    assert masked == 1
    assert site.run(0, CTL, "start", "job").returncode == 0


def test_given_snap_daemon_when_shown_then_its_restarts_are_counted(single):
    name = "snap.microk8s.daemon-kubelite"
    single.run(0, CTL, "restart", name)

    result = single.run(0, CTL, "show", name, "-p", "NRestarts", "--value")

    assert int(result.stdout) == single.machine(0).node.services["kubelite"].restarts
    assert "ActiveState=active" in single.run(0, CTL, "show", name).stdout


def test_given_snap_daemon_when_stopped_by_systemd_then_the_api_is_gone(single):
    single.run(0, CTL, "stop", "snap.microk8s.daemon-kubelite.service")

    assert single.kubectl(0, "get", "nodes").returncode == 1
    assert single.run(0, CTL, "status", "snap.microk8s.daemon-kubelite").returncode == 3


def test_given_python_program_when_run_by_a_unit_then_it_sees_the_machine(site):
    program = (
        "import sys\nfrom edgecloud import host\n"
        "host.this().write('/tmp/seen', host.this().read('/etc/hostname') + sys.argv[1])\n"
        "print('done')\nsys.exit(3)\n"
    )
    site.host(0).write("/opt/job.py", program)

    result = site.run(0, "/usr/bin/python3", "-B", "/opt/job.py", "x")

    assert (result.returncode, result.stdout) == (3, "done\n")
    assert site.host(0).read("/tmp/seen") == "pi-0\nx"
    assert site.run(0, "/usr/bin/python3", "/nowhere.py").returncode == 2


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("daily", "2026-01-01 12:00", "2026-01-02 00:00"),
        ("hourly", "2026-01-01 12:00", "2026-01-01 13:00"),
        ("weekly", "2026-01-01 12:00", "2026-01-05 00:00"),
        ("03:30", "2026-01-01 12:00", "2026-01-02 03:30"),
        ("*-*-* 02:00:00", "2026-01-01 01:00", "2026-01-01 02:00"),
        ("Mon..Fri 02:30", "2026-01-02 12:00", "2026-01-05 02:30"),
        ("Sat,Sun 10:00", "2026-01-01 12:00", "2026-01-03 10:00"),
        ("*:0/15", "2026-01-01 12:01", "2026-01-01 12:15"),
        ("*-*-01 00:00", "2026-01-01 12:00", "2026-02-01 00:00"),
        ("2028-02-29 00:00 UTC", "2026-01-01 12:00", "2028-02-29 00:00"),
        ("Fri..Mon 01:00", "2026-01-06 12:00", "2026-01-09 01:00"),
    ],
)
def test_given_calendar_event_when_asked_for_the_next_then_it_is_that(text, after, expected):
    moment = calendars.following(text, stamp(after))

    assert moment == stamp(expected)


@pytest.mark.parametrize(
    "text", ["", "nonsense", "25:00", "*-13-01", "Mon..", "99:99:99", "2020-01-01"]
)
def test_given_no_calendar_event_when_checked_then_it_is_refused(site, text):
    assert site.run(0, "/usr/bin/systemd-analyze", "calendar", text).returncode == 1


def test_given_calendar_event_when_checked_then_it_is_accepted(site):
    assert site.run(0, "/usr/bin/systemd-analyze", "calendar", "Mon..Fri 02:30").returncode == 0


@hypothesis.given(st.integers(0, 23), st.integers(0, 59), st.floats(1.7e9, 1.9e9))
def test_given_any_time_of_day_when_asked_then_the_next_is_within_a_day_and_at_that_time(
    hour, minute, after
):
    moment = calendars.following(f"{hour:02}:{minute:02}", after)

    shown = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)
    assert 0 < moment - after <= 86400
    assert (shown.hour, shown.minute, shown.second) == (hour, minute, 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("5min", 300), ("1h 30m", 5400), ("2d", 172800), ("500ms", 0.5)],
)
def test_given_span_when_read_then_it_is_so_many_seconds(text, seconds):
    assert timers.span(text) == seconds


def test_given_nonsense_when_read_as_span_then_it_is_refused():
    with pytest.raises(ValueError, match="soon"):
        timers.span("soon")


def stamp(text):
    moment = datetime.datetime.strptime(text, "%Y-%m-%d %H:%M")
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()
