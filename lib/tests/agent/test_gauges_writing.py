"""The text file as a whole: what fails costs nothing else, and nothing dear is repeated."""

import fcntl
import shutil
import subprocess

import hypothesis
import pytest
from hypothesis import strategies

from edgecloud import host as hosts
from edgecloud.agent import main, paths, settings, units
from edgecloud.agent.gauges import board, kept, source, writing
from edgecloud.metrics import exposition, node
from edgelab import pi
from edgelab.pi import board as boards
from tests.agent import exposed

MINUTE, HOUR = 60, 3600


def told(machine):
    return exposed.Page(machine.host().read(writing.TEXTFILE))


def run(machine, seconds=MINUTE):
    """Let time pass, write again, and return what is told and the programs that were started."""
    machine.world.clock.advance(seconds)
    before = len(machine.world.calls)
    assert writing.write(machine.host())
    return told(machine), [call.argv[0] for call in machine.world.calls[before:]]


@pytest.fixture
def control_plane(single):
    """A machine with everything that can be asked."""
    boards.wear(single.machine(0))
    single.wake(0)
    assert writing.write(single.host(0))
    return single.machine(0)


# --- the file ----------------------------------------------------------------------------------


def test_given_any_machine_when_written_then_all_may_read_it_and_it_lies_in_memory(pi_0):
    assert writing.write(pi_0.host())

    assert writing.TEXTFILE == "/run/edge-agent/metrics/edge-node.prom"
    file = pi_0.host().path(writing.TEXTFILE)
    assert file.stat().st_mode & 0o777 == 0o644
    assert all(folder.stat().st_mode & 0o555 == 0o555 for folder in list(file.parents)[:2])
    assert pi_0.host().path(kept.PATH).stat().st_mode & 0o777 == 0o600


def test_given_nothing_new_when_written_again_then_the_file_is_as_young_as_the_run(pi_0):
    writing.write(pi_0.host())
    before = pi_0.host().read(writing.TEXTFILE)
    pi_0.world.clock.advance(HOUR)

    writing.write(pi_0.host())

    assert pi_0.host().read(writing.TEXTFILE) == before
    assert pi_0.host().path(writing.TEXTFILE).stat().st_mtime == pytest.approx(pi_0.now())


def test_given_a_whole_machine_when_written_then_promtool_has_no_complaint(control_plane):
    text = control_plane.host().read(writing.TEXTFILE)
    checker = shutil.which("promtool")
    command = (checker, "check", "metrics") if checker else ("cat", "/dev/null")

    checked = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_given_a_whole_machine_when_written_then_all_that_it_has_is_told(control_plane):
    missing = {metric.name for metric in node.METRICS} - told(control_plane).names()

    # No upgrade is under way nor ever was, and the board has one system only.
    assert missing == {
        "upgrade_plan_info",
        "upgrade_boot_slot",
        "upgrade_node_state_since_timestamp_seconds",
        "upgrade_step_duration_seconds",
        "upgrade_failures_total",
        "upgrade_rollbacks_total",
        "upgrade_audit_records_total",
        "upgrade_download_bytes_total",
        "upgrade_journal_fsyncs_total",
        "upgrade_journal_fsync_seconds_total",
        "upgrade_journal_fsync_longest_seconds",
        "upgrade_energy_joules_total",
    }


@hypothesis.given(
    strategies.lists(
        strategies.tuples(
            strategies.text(), strategies.text(), strategies.floats(), strategies.booleans()
        ),
        max_size=5,
    )
)
def test_given_any_labels_and_values_when_gathered_then_the_text_parses_to_the_same(rows):
    def read(machine, place):
        for snap, version, value, is_heat in rows:
            if is_heat:
                yield node.TEMPERATURE.at(value)
            else:
                yield node.SNAP.at(value, snap=snap, version=version, revision="1", channel="")

    class Clean(kept.Kept):
        def __init__(self):
            self._answers, self._now = {}, 0.0

    sources = [source.Source("any", read), source.Source("again", read)]
    found = writing.gather(None, settings.Settings(), Clean(), sources)

    series = exposed.parse(exposition.write(found))
    # NaN is no number's equal, and nobody minds the sign of 0.
    expected = {(each.metric.name, frozenset(each.labels)): repr(each.value + 0) for each in found}
    assert {key: repr(value) for key, value in series.items()} == expected


# --- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", [each.name for each in writing.SOURCES])
def test_given_one_source_that_breaks_when_written_then_all_others_are_told(
    control_plane, monkeypatch, capsys, failing
):
    control_plane.host().remove(kept.PATH)
    whole = told(control_plane).names()

    def breaks(machine, place):
        yield board.node.TEMPERATURE.at(1)
        raise RuntimeError("broken")

    sources = [
        source.Source(each.name, breaks, each.every_s, each.files)
        if each.name == failing
        else each
        for each in writing.SOURCES
    ]
    monkeypatch.setattr(writing, "SOURCES", sources)

    assert writing.write(control_plane.host())
    assert writing.write(control_plane.host())

    gone = whole - told(control_plane).names()
    expected = {
        sample.metric.name
        for each in writing.SOURCES
        if each.name == failing
        for sample in original(failing)(control_plane)
    }
    assert gone == expected
    assert capsys.readouterr().err == f"edge-agent: metrics: {failing} cannot tell: broken\n"


def original(name):
    """Return what a source tells, as the shipped table has it."""
    place = {each.name: each for each in ORIGINAL}[name]
    return lambda machine: list(place.read(machine.host(), settings.read(machine.host())))


ORIGINAL = writing.SOURCES


@pytest.mark.parametrize("effect", [pi.fail(1, "error"), pi.hang()], ids=["fails", "hangs"])
@pytest.mark.parametrize(
    ("program", "gone"),
    [
        ("vcgencmd", {"edge_power_fault", "edge_eeprom"}),
        ("snap", {"edge_snap"}),
        ("kubectl", {"edge_kubernetes"}),
    ],
)
def test_given_a_program_that_fails_or_hangs_when_written_then_only_its_metrics_are_missing(
    control_plane, program, gone, effect
):
    control_plane.host().remove(kept.PATH)
    whole, began = told(control_plane).names(), control_plane.now()
    control_plane.faults.add(pi.Fault((program,), effect, times=0))

    assert writing.write(control_plane.host())

    missing = whole - told(control_plane).names()
    assert missing
    assert all(name.startswith(tuple(gone)) for name in missing)
    assert missing == {name for name in whole if name.startswith(tuple(gone))}
    assert control_plane.now() - began < 30


@pytest.mark.parametrize(
    "path",
    [
        "/proc/device-tree/model",
        "/sys/class/thermal/thermal_zone0/temp",
        "/sys/class/rtc/rtc0/battery_voltage",
        "/sys/block/mmcblk0/device/life_time",
        "/sys/fs/ext4/mmcblk0p2/errors_count",
        "/var/snap/microk8s/current/certs/server.crt",
        paths.OUTBOX,
        paths.SETTINGS,
        kept.PATH,
    ],
)
@pytest.mark.parametrize("damage", [b"", b"\xff\xfe\0", b"[1]", b"{}"])
def test_given_a_damaged_file_when_written_then_the_text_is_still_good(
    control_plane, path, damage
):
    control_plane.host().remove(kept.PATH)
    control_plane.path(path).write_bytes(damage)

    assert writing.write(control_plane.host())

    assert "edge_power_fault" in told(control_plane).names()


def test_given_a_full_memory_when_written_then_it_fails_without_a_traceback(pi_0, capsys):
    writing.write(pi_0.host())
    former = pi_0.host().read(writing.TEXTFILE)
    boards.heat(pi_0, 70)
    pi_0.fill_disk()

    assert not writing.write(pi_0.host())

    assert pi_0.host().read(writing.TEXTFILE) == former
    assert "cannot be written" in capsys.readouterr().err


# --- thrift ------------------------------------------------------------------------------------


def test_given_a_quiet_minute_when_written_then_one_program_runs_and_one_file_is_written(
    control_plane, monkeypatch
):
    boards.heat(control_plane, 50)
    written = []
    write = pi.PiHost.write
    monkeypatch.setattr(
        pi.PiHost, "write", lambda *a, **k: write(*a, **k) and not written.append(a[1])
    )

    _, programs = run(control_plane)

    assert programs == ["/usr/bin/vcgencmd"]
    assert written == [writing.TEXTFILE]


def test_given_an_hour_of_minutes_when_counted_then_the_dear_programs_ran_every_so_often(
    control_plane,
):
    programs = [name for _ in range(60) for name in run(control_plane)[1]]

    count = {name.rpartition("/")[2]: programs.count(name) for name in programs}
    # Each minute; three times an hour with two words; each 3 minutes; each 5 minutes.
    assert count == {"vcgencmd": 61, "snap": 12, "kubectl": 20, "curl": 12}


def test_given_an_answer_kept_when_told_again_then_it_is_the_same(control_plane):
    before = told(control_plane)

    after, programs = run(control_plane, 30)

    assert "/usr/bin/snap" not in programs
    assert after.labelled("edge_snap_info") == before.labelled("edge_snap_info") != []


def test_given_a_change_that_snapd_noted_when_written_then_snaps_are_asked_at_once(control_plane):
    control_plane.host().write("/var/lib/snapd/state.json", "{}")
    _, programs = run(control_plane)

    assert "/usr/bin/snap" in programs
    assert "/usr/bin/snap" not in run(control_plane)[1]


@pytest.mark.parametrize("jump", [-10 * HOUR, 10 * HOUR], ids=["back", "ahead"])
def test_given_a_clock_that_jumps_when_written_then_what_was_kept_is_asked_again(
    control_plane, jump
):
    control_plane.clock_offset += jump

    assert "/usr/bin/snap" in run(control_plane)[1]


def test_given_a_boot_when_written_then_nothing_from_before_it_is_told(control_plane):
    control_plane.reboot()

    assert "/usr/bin/snap" in run(control_plane)[1]


def test_given_another_place_in_the_site_when_written_then_it_holds_at_once(control_plane):
    place = settings.Settings("pi-0", "pi-0", worker=True)
    settings.write(control_plane.host(), place)

    after, _ = run(control_plane)

    assert "edge_kubernetes_ready" not in after.names()


def test_given_a_source_that_failed_when_it_can_tell_then_it_is_asked_soon(control_plane, capsys):
    control_plane.host().remove(kept.PATH)
    control_plane.faults.add(pi.Fault(("snap",), pi.fail(1, "error: cannot"), times=1))
    writing.write(control_plane.host())

    soon, programs = run(control_plane)
    later, _ = run(control_plane)

    assert "edge_snap_info" not in soon.names()
    assert "/usr/bin/snap" not in programs
    assert "edge_snap_info" in later.names()
    assert capsys.readouterr().err.count("snaps cannot tell") == 1


def test_given_answers_of_another_version_when_read_then_they_are_asked_anew(control_plane):
    text = control_plane.host().read(kept.PATH).replace("edge_snap_held", "edge_snap_former")
    control_plane.host().write(kept.PATH, text, mode=0o600)

    after, programs = run(control_plane)

    assert "/usr/bin/snap" in programs
    assert "edge_snap_held" in after.names()


# --- how it is started -------------------------------------------------------------------------


def start(machine):
    """Install the agent's units, with a program in the place of the packed agent."""
    program = "import sys\nfrom edgecloud.agent import main\nsys.exit(main.main())\n"
    machine.host().write(units.PROGRAM, program)
    units.ensure(machine.host())


def test_given_the_units_when_a_minute_has_passed_then_the_timer_wrote_again(pi_0):
    start(pi_0)
    for celsius in (50, 60):
        boards.heat(pi_0, celsius)
        pi_0.world.clock.advance(70)
        pi_0.world.fire_due()

        assert told(pi_0).value("edge_temperature_celsius") == celsius


def test_given_an_upgrade_that_holds_the_lock_when_started_then_it_writes_all_the_same(pi_0):
    file = pi_0.path(f"{paths.HOME}/lock")
    file.parent.mkdir(parents=True)
    former = hosts.use(pi_0.host())
    try:
        with file.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert main.main(["metrics"]) == 0
    finally:
        hosts.use(former)

    assert "edge_power_fault" in told(pi_0).names()


def test_given_a_memory_that_is_full_when_started_then_systemd_is_told(pi_0, capsys):
    pi_0.fill_disk()
    former = hosts.use(pi_0.host())
    try:
        assert main.main(["metrics"]) == 1
    finally:
        hosts.use(former)
