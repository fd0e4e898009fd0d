"""What timers and path units start, while everything else goes on."""

import threading

import pytest

from edgelab import pi

PROGRAM = "/usr/lib/slow.py"
SERVICE = """\
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 {program}
TimeoutStartSec=infinity
"""
TIMER = "[Timer]\nOnBootSec=1s\nOnUnitInactiveSec=60s\n"
PATH = "[Path]\nPathChanged=/etc/wish\n"
SLOW = """\
import sys, time
from edgecloud import host
machine = host.this()
machine.write("/began", "yes")
print("loud")
time.sleep(100)
machine.write("/ended", str(machine.now()))
"""


@pytest.fixture
def world(tmp_path):
    made = pi.World(tmp_path, pi.Clock(1_800_000_000), seed=1)
    made.concurrent = True
    for number in ("0", "1"):
        _equip(made.add_machine(number).host())
    yield made
    made.close()


def _equip(host):
    host.write(PROGRAM, SLOW)
    host.write("/etc/systemd/system/slow.service", SERVICE.format(program=PROGRAM))
    host.write("/etc/systemd/system/slow.timer", TIMER)
    host.write("/etc/systemd/system/slow.path", PATH)


def start(world, unit, machine="0"):
    host = world.machines[machine].host()
    host.run(("/usr/bin/systemctl", "enable", "--now", unit), timeout_s=9)
    return host


def wait(world, seconds):
    """Let time pass as an engine does: from one thing that is due to the next."""
    until = world.clock.now() + seconds
    while True:
        world.fire_due()
        due = world.next_due()
        if due is None or due > until:
            break
        world.clock.sleep_until(due)
    world.clock.sleep_until(until)
    world.fire_due()


def test_given_a_slow_program_when_a_timer_starts_it_then_others_go_on_meanwhile(world, capsys):
    host = start(world, "slow.timer")
    wait(world, 10)

    assert host.exists("/began")
    assert not host.exists("/ended")
    print("ours")
    assert capsys.readouterr().out == "ours\n"


def test_given_a_slow_program_when_time_passed_then_it_ends_at_its_own_time(world):
    host = start(world, "slow.timer")
    began = host.now()

    wait(world, 130)

    assert float(host.read("/ended")) == pytest.approx(began + 101, abs=2)


MEASURED = """\
import time
from edgecloud import host
began = time.monotonic()
time.sleep(20)
host.this().write("/took", f"{time.monotonic() - began}")
"""


def test_given_a_hook_that_takes_long_when_a_program_waits_then_it_measures_its_own_time(world):
    world.machines["0"].host().write(PROGRAM, MEASURED)
    host = start(world, "slow.timer")
    wait(world, 5)

    world.clock.advance(600)
    wait(world, 5)

    assert float(host.read("/took")) == pytest.approx(20, abs=1)


def test_given_two_slow_programs_when_started_then_they_overlap(world):
    hosts = [start(world, "slow.timer", machine) for machine in ("0", "1")]

    wait(world, 130)

    ends = [float(host.read("/ended")) for host in hosts]
    assert abs(ends[0] - ends[1]) < 5


def test_given_a_slow_program_when_the_plug_is_pulled_then_it_goes_no_further(world):
    host = start(world, "slow.timer")
    wait(world, 10)

    world.machines["0"].power_off()
    wait(world, 200)
    world.machines["0"].power_on()

    assert not host.exists("/ended")


def test_given_a_program_that_runs_when_its_timer_fires_again_then_there_is_no_second(world):
    host = start(world, "slow.timer")
    wait(world, 50)
    host.remove("/began")

    host.run(("/usr/bin/systemctl", "start", "slow.service"), timeout_s=9)

    assert not host.exists("/began")


def test_given_a_program_that_ended_when_a_minute_passed_then_it_runs_again(world):
    host = start(world, "slow.timer")
    wait(world, 120)
    host.remove("/began")

    wait(world, 30)
    early = host.exists("/began")
    wait(world, 20)

    assert (early, host.exists("/began")) == (False, True)


def test_given_a_watched_file_when_it_changes_then_its_service_starts(world):
    host = start(world, "slow.path")
    wait(world, 5)
    before = host.exists("/began")

    host.write("/etc/wish", "now")
    wait(world, 5)

    assert (before, host.exists("/began")) == (False, True)


def test_given_a_watched_file_when_it_changes_while_the_service_runs_then_it_goes_by_unseen(world):
    host = start(world, "slow.path")
    host.write("/etc/wish", "now")
    wait(world, 5)
    host.remove("/began")
    host.write("/etc/wish", "again")

    wait(world, 300)

    assert not host.exists("/began")


def test_given_a_program_that_fails_in_a_bug_when_it_goes_on_then_the_test_sees_it(world):
    host = start(world, "slow.timer")
    host.write(PROGRAM, "import time\ntime.sleep(5)\nraise KeyError('bug')\n")

    with pytest.raises(KeyError, match="bug"):
        wait(world, 30)


def test_given_programs_that_wait_when_the_world_is_closed_then_none_is_left(world):
    before = threading.active_count()
    start(world, "slow.timer")
    wait(world, 10)
    during = threading.active_count()

    world.close()

    assert (during, threading.active_count()) == (before + 1, before)
