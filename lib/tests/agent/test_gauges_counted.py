"""What an upgrade costs in bytes, waits of the disk, and energy, as far as anybody measures it."""

import itertools

import pytest

from edgecloud.agent import journal, tally
from edgecloud.agent.gauges import energy, writing
from edgecloud.host import LocalHost
from edgecloud.rollout import state
from edgelab.pi import board
from tests.agent import exposed

CALM = "/sys/class/hwmon/hwmon3"


def page(machine):
    assert writing.write(machine)
    return exposed.Page(machine.read(writing.TEXTFILE))


def report(machine, status):
    machine.write("/var/lib/edge-agent/outbox.json", f'{{"report": {{"status": "{status}"}}}}')


def minute(machine, watts_a=None):
    """Let a minute pass on a machine, and return the joules that are told."""
    machine.world.clock.advance(60)
    if watts_a is not None:
        board.work(machine, watts_a)
    return {
        labels["meter"]: value
        for labels, value in page(machine.host()).labelled("upgrade_energy_joules_total")
    }


# --- bytes -------------------------------------------------------------------------------------


def test_given_a_staged_snap_when_told_then_its_bytes_count_once(single):
    accepted = single.plan()
    single.order(0, "prepare", accepted)
    single.wake(0)
    (file,) = single.host(0).glob("/var/lib/edge-agent/staging/microk8s/*.snap")
    size = single.host(0).path(file).stat().st_size

    before = page(single.host(0)).value("upgrade_download_bytes_total", what="snaps")
    single.order(0, "grant", accepted)
    single.wake(0)

    assert before == size > 0
    assert page(single.host(0)).value("upgrade_download_bytes_total", what="snaps") == size


def test_given_a_boot_when_told_then_the_count_begins_anew(single):
    single.upgrade(0)
    single.machine(0).reboot()

    assert "upgrade_download_bytes_total" not in page(single.host(0)).names()


def test_given_counts_that_were_damaged_when_counted_then_it_begins_anew(tmp_path):
    machine = LocalHost(tmp_path)
    machine.write(tally.PATH, "{")

    tally.fetched(machine, tally.SNAPS, 5)
    tally.fetched(machine, tally.SNAPS, 7)
    tally.fetched(machine, tally.SYSTEMS, 1)

    assert tally.fetches(tally.read(machine)) == {"snaps": 12, "systems": 1}


def test_given_a_memory_that_is_full_when_counted_then_nothing_stops(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LocalHost, "write", full)

    tally.fetched(LocalHost(tmp_path), tally.SNAPS, 5)

    assert tally.read(LocalHost(tmp_path)) == {}


# --- the disk ----------------------------------------------------------------------------------


def test_given_a_slow_disk_when_lines_are_written_then_the_time_of_each_is_known(
    tmp_path, monkeypatch
):
    ticks = itertools.accumulate([0.0, 0.25, 0.0, 1.5, 0.0, 0.25])
    monkeypatch.setattr(journal.time, "monotonic", lambda: next(ticks))
    machine = LocalHost(tmp_path)
    lines = journal.Journal(machine)

    for at in range(3):
        lines.append(at, state.Node("pi-0"), "x")
    tally.synced(machine, lines.synced_s)

    assert tally.syncs(tally.read(machine)) == (3, 2.0, 1.5)


def test_given_an_upgrade_when_told_then_every_line_of_its_journal_was_timed(single):
    single.upgrade(0)

    told = page(single.host(0))

    assert told.value("upgrade_journal_fsyncs_total") == len(journal.history(single.host(0)))
    total = told.value("upgrade_journal_fsync_seconds_total")
    assert 0 < told.value("upgrade_journal_fsync_longest_seconds") <= total


def test_given_a_wake_up_that_writes_no_line_when_it_ends_then_no_count_is_written(single):
    single.wake(0)

    assert not single.host(0).exists(tally.PATH)


# --- energy ------------------------------------------------------------------------------------


def test_given_a_disturbed_pi_5_when_minutes_pass_then_its_rails_add_up(pi_0):
    report(pi_0.host(), "disrupted")

    assert minute(pi_0, 1.0) == {"pmic": 0}
    assert minute(pi_0)["pmic"] == pytest.approx(1.68 * 60, rel=0.01)
    # Half a minute at each of two loads, as far as two readings can tell.
    assert minute(pi_0, 5.0)["pmic"] == pytest.approx((1.68 + 3.28) * 60, rel=0.01)


def test_given_a_quiet_node_when_told_then_nobody_is_asked_and_the_count_stands(pi_0):
    report(pi_0.host(), "disrupted")
    minute(pi_0)
    taken = minute(pi_0)
    report(pi_0.host(), "soaking")
    pi_0.world.calls.clear()

    assert minute(pi_0) == taken
    assert not [call for call in pi_0.world.calls if "pmic_read_adc" in call.argv]


def test_given_readings_far_apart_when_added_up_then_nothing_is_made_up_between_them(pi_0):
    report(pi_0.host(), "uncommitted")
    minute(pi_0)
    pi_0.world.clock.advance(3600)

    assert minute(pi_0) == {"pmic": 0}


def test_given_a_sensor_in_the_supply_when_told_then_it_counts_under_its_name(pi_0):
    pi_0.host().write(f"{CALM}/name", "ina260\n")
    pi_0.host().write(f"{CALM}/power1_input", "6500000\n")
    report(pi_0.host(), "disrupted")
    minute(pi_0)

    assert minute(pi_0)["ina260"] == pytest.approx(6.5 * 60, rel=0.01)


def test_given_a_board_that_measures_nothing_when_told_then_there_is_no_such_metric(pi_0):
    four = pi_0.world.add_machine("1", model="Raspberry Pi 4 Model B Rev 1.5")
    report(four.host(), "disrupted")
    minute(four)

    assert minute(four) == {}


def test_given_the_firmwares_other_way_to_say_it_when_read_then_it_means_the_same():
    said = "VDD_CORE_V=0.8000V\nVDD_CORE_A=1.5000A\nEXT5V_V=5.1V\nHDMI_A=0.02A\n"

    assert energy.rails(said) == pytest.approx(1.2)
