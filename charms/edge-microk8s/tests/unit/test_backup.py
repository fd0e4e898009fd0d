import subprocess
import sys

import pytest

import archives
import backup
import microk8s
from edgelab import pi

DAY = 86400
NOW = 1_800_000_000


@pytest.fixture
def machine(tmp_path):
    world = pi.World(tmp_path, pi.Clock(NOW))
    found = world.add_machine("0")
    microk8s.install(found.host(), channel="1.35/stable", launch="version: 0.2.0\n")
    world.clock.advance(120)
    world.tick()
    return found


def ensure(machine, schedule="daily", keep=3, datastore="sd"):
    return backup.ensure_schedule(machine.host(), schedule, keep=keep, datastore=datastore)


def take(machine, datastore="sd"):
    machine.world.clock.advance(60)
    return backup.take(machine.host(), keep=3, datastore=datastore)["backup"]


def config_map(machine, name):
    manifest = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default}}\n"
    kubectl = ("/snap/microk8s/current/kubectl", f"--kubeconfig={microk8s.ADMIN}")
    machine.host().run((*kubectl, "apply", "-f", "-"), timeout_s=30, stdin=manifest)


def config_maps(machine):
    (cluster,) = machine.world.clusters.values()
    return {name.rpartition("/")[2] for name in cluster.kind("configmaps")}


# --- the schedule ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "daily",
        "Mon..Fri 02:30",
        "*-*-01 04:00:00",
        "Sun,Wed *-*-* 3:15",
        "*:0/30",
        "02:00 UTC",
    ],
)
def test_given_a_calendar_event_when_checked_then_it_is_taken(schedule):
    assert backup.calendar_problem(schedule) is None


@pytest.mark.parametrize("schedule", ["every day", "25", "0 3 * * *", "daily; reboot", "Mon\nx=1"])
def test_given_something_else_when_checked_then_the_problem_shows_how_to_write_it(schedule):
    assert "Mon..Fri 02:30" in (backup.calendar_problem(schedule) or "")


def test_given_a_schedule_when_ensured_again_then_nothing_is_changed(machine):
    assert ensure(machine)
    calls = len(machine.world.calls)

    assert not ensure(machine)
    assert {call.argv[1] for call in machine.world.calls[calls:]} <= {"is-enabled"}


def test_given_a_schedule_when_it_is_due_then_the_timer_starts_the_service(machine):
    ensure(machine, "daily")

    ((due, command),) = machine.world.timers(machine)

    assert due % DAY == 0
    assert command == ["/usr/bin/systemctl", "start", "edge-microk8s-backup.service"]


def test_given_a_schedule_that_systemd_refuses_when_ensured_then_the_former_one_stands(machine):
    ensure(machine, "daily")

    with pytest.raises(backup.BackupError, match="backup-schedule"):
        ensure(machine, "*-*-* 99:00")

    assert "OnCalendar=daily" in machine.host().read(
        "/etc/systemd/system/edge-microk8s-backup.timer"
    )


def test_given_an_emptied_schedule_when_ensured_then_only_the_archives_stay(machine):
    ensure(machine)
    name = take(machine)

    assert ensure(machine, "")

    assert machine.world.timers(machine) == []
    assert machine.host().glob(f"{backup.PROGRAM}/*.py") == []
    assert archives.find(machine.host(), backup.SD_FOLDER) == [name]
    assert not ensure(machine, "")


def test_given_what_was_put_on_the_machine_when_run_by_itself_then_it_needs_nothing_else(machine):
    ensure(machine)
    program = machine.host().path(f"{backup.PROGRAM}/archives.py")

    result = subprocess.run(
        [sys.executable, "-B", str(program), "--settings", "/nowhere"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={},
    )

    assert result.returncode == 1
    assert "/nowhere" in result.stderr
    assert "Traceback" not in result.stderr


def test_given_an_ssd_when_asked_for_the_folder_then_it_lies_beside_the_datastore():
    assert backup.folder("ssd").startswith("/var/snap/microk8s/common/")
    assert backup.folder("sd") == backup.SD_FOLDER


@pytest.mark.parametrize(
    ("result", "schedule", "said"),
    [
        ({}, "daily", None),
        ({"at": NOW, "error": ""}, "daily", None),
        ({"at": NOW, "error": "disk full"}, "daily", "the last backup failed: disk full"),
        ({"at": NOW, "error": "disk full"}, "", None),
        (
            {"at": NOW - 9 * DAY, "error": ""},
            "daily",
            "no backup since 2027-01-06 08:00:00 UTC: run the action backup to see why",
        ),
        ({"at": NOW - 9 * DAY, "error": ""}, "monthly", None),
        ({"at": NOW - 9 * DAY, "error": ""}, "*-*-01 02:00", None),
    ],
)
def test_given_the_last_result_when_asked_then_the_status_is_warned(result, schedule, said):
    assert backup.warning(result, schedule, NOW, since=NOW - 7 * DAY) == said


@pytest.mark.parametrize(
    ("schedule", "warned"), [("daily", True), ("monthly", False), ("", False)]
)
def test_given_no_backup_at_all_when_days_have_passed_then_the_status_is_warned(schedule, warned):
    said = backup.warning({}, schedule, NOW, since=NOW - 9 * DAY)

    assert said == ("no backup yet: run the action backup to see why" if warned else None)


# --- actions -----------------------------------------------------------------------------------


def test_given_archives_when_listed_then_the_newest_comes_first_and_damage_shows(machine):
    old, new = take(machine), take(machine)
    machine.host().remove(f"{backup.SD_FOLDER}/{old}.sha256")

    results = backup.listing(machine.host(), datastore="sd")

    first, second = results["backups"].splitlines()
    assert results["count"] == "2"
    assert first.startswith(new)
    assert first.endswith("good")
    assert second.startswith(old)
    assert "is missing" in second


def test_given_archives_of_another_datastore_when_listed_then_they_are_found_and_restored(machine):
    old, new = take(machine), take(machine, datastore="ssd")

    first, second = backup.listing(machine.host(), datastore="ssd")["backups"].splitlines()

    assert first.startswith(new)
    assert backup.SD_FOLDER not in first
    assert second.startswith(old)
    assert second.endswith(f"good  in {backup.SD_FOLDER}")
    results = backup.restore(machine.host(), old, datastore="ssd", dry_run=False)
    assert "keys written" in results["result"]


def test_given_no_archives_when_listed_then_there_are_none(machine):
    assert backup.listing(machine.host(), datastore="sd")["count"] == "0"


def test_given_an_archive_when_restored_then_lost_keys_are_back_and_newer_ones_stay(machine):
    config_map(machine, "old")
    name = take(machine)
    (cluster,) = machine.world.clusters.values()
    cluster.kind("configmaps").clear()
    config_map(machine, "new")

    results = backup.restore(machine.host(), name, datastore="sd", dry_run=False)

    assert {"old", "new"} <= config_maps(machine)
    assert "merges" in results["note"]
    assert "keys written" in results["result"]


def test_given_a_dry_run_when_restored_then_nothing_is_written(machine):
    name = take(machine)
    calls = len(machine.world.calls)

    assert "dry-run=false" in backup.restore(machine.host(), name, datastore="sd")["result"]
    assert len(machine.world.calls) == calls


@pytest.mark.parametrize("name", ["nothing.tar.gz", "../../etc/shadow", ""])
def test_given_no_such_archive_when_restored_then_it_is_refused(machine, name):
    with pytest.raises(backup.BackupError, match="there is no"):
        backup.restore(machine.host(), name, datastore="sd", dry_run=False)


def test_given_a_renamed_archive_when_restored_then_it_is_refused(machine):
    name = take(machine)
    path = machine.host().path(f"{backup.SD_FOLDER}/{name}")
    path.rename(path.with_name("mine.tar.gz"))

    with pytest.raises(backup.BackupError, match=f"call it {name}"):
        backup.restore(machine.host(), "mine.tar.gz", datastore="sd", dry_run=False)


def test_given_a_restore_that_fails_when_restored_then_the_tools_words_are_kept(machine):
    name = take(machine)
    machine.faults.add(pi.Fault((archives.MICROK8S, "dbctl"), pi.fail(3, "no leader")))

    with pytest.raises(backup.BackupError, match="no leader"):
        backup.restore(machine.host(), name, datastore="sd", dry_run=False)


def test_given_a_backup_that_fails_when_taken_then_the_result_is_kept_for_the_status(machine):
    machine.fill_disk()

    with pytest.raises(backup.BackupError, match="too little space"):
        take(machine)

    machine.free_disk()
    take(machine)
    assert backup.last(machine.host())["error"] == ""
