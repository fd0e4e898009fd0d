import datetime
import subprocess

import pytest

from edgecloud.host import snap
from edgelab import pi

LIST = """\
Name      Version  Rev   Tracking       Publisher   Notes
microk8s  v1.35.2  8601  {tracking}    canonical✓  {notes}
"""


def listed(machine, *, tracking="1.35/stable", notes="classic"):
    text = LIST.format(tracking=tracking, notes=notes)
    return machine.answer("/usr/bin/snap", "list", stdout=text)


def test_given_an_installed_snap_when_asked_then_its_facts_are_returned(machine):
    listed(machine, notes="classic,held")

    found = snap.info(machine, "microk8s")

    assert found == snap.Snap("microk8s", "v1.35.2", "8601", "1.35/stable", True, True)


def test_given_a_snap_from_a_file_when_asked_then_it_tracks_nothing(machine):
    listed(machine, tracking="-          ", notes="-")

    found = snap.info(machine, "microk8s")

    assert (found.channel, found.held, found.classic) == ("", False, False)


def test_given_no_snap_when_asked_then_there_is_none(machine):
    machine.answer("/usr/bin/snap", "list", stderr="error: no matching snaps installed", code=1)

    assert snap.info(machine, "microk8s") is None


def test_given_snapd_that_fails_when_asked_then_its_words_are_kept(machine):
    machine.answer("/usr/bin/snap", "list", stderr="error: cannot talk to snapd", code=1)

    with pytest.raises(snap.SnapError, match="snap list failed: error: cannot talk to snapd"):
        snap.info(machine, "microk8s")


def test_given_no_snapd_when_asked_then_that_is_said(machine):
    machine.answer("/usr/bin/snap", error=FileNotFoundError(2, "No such file", "/usr/bin/snap"))

    with pytest.raises(snap.SnapError, match="could not be run"):
        snap.info(machine, "microk8s")


def test_given_no_snap_when_installed_then_the_channel_is_the_one_asked_for(raspberry):
    changed = snap.install(raspberry, "microk8s", channel="1.34/stable", classic=True)

    assert changed
    assert snap.info(raspberry, "microk8s").channel == "1.34/stable"


def test_given_a_snap_when_installed_again_then_nothing_happens(raspberry):
    snap.install(raspberry, "microk8s", channel="1.34/stable", classic=True)

    assert not snap.install(raspberry, "microk8s", channel="1.35/stable", classic=True)
    assert snap.info(raspberry, "microk8s").channel == "1.34/stable"


def test_given_a_revision_when_installed_then_it_is_asked_for(machine):
    machine.answer("/usr/bin/snap", "list", stderr="error: no matching snaps installed", code=1)

    snap.install(machine, "microk8s", channel="1.35/stable", revision="8601")

    wanted = ("install", "microk8s", "--channel=1.35/stable", "--revision=8601")
    assert machine.calls[-1] == ("/usr/bin/snap", *wanted)


def test_given_a_change_in_progress_when_installed_then_the_error_says_busy(machine):
    machine.answer("/usr/bin/snap", "list", stderr="error: no matching snaps installed", code=1)
    machine.answer(
        "/usr/bin/snap",
        "install",
        stderr='error: snap "microk8s" has "install-snap" change in progress',
        code=10,
    )

    with pytest.raises(snap.SnapError) as caught:
        snap.install(machine, "microk8s", channel="1.35/stable")

    assert caught.value.busy


def test_given_a_slow_store_when_installed_then_the_error_is_not_busy(machine):
    machine.answer("/usr/bin/snap", "list", stderr="error: no matching snaps installed", code=1)
    expired = subprocess.TimeoutExpired(["snap"], snap.CHANGE_S)
    machine.answer("/usr/bin/snap", "install", error=expired)

    with pytest.raises(snap.SnapError, match="took longer than 1800 s") as caught:
        snap.install(machine, "microk8s", channel="1.35/stable")

    assert not caught.value.busy


def test_given_files_when_installed_then_the_bases_come_first(machine):
    files = [f"/snaps/{name}.snap" for name in ("microk8s_8601", "core22_1", "snapd_2")]

    installed = snap.install_files(machine, files, classic=("microk8s",))

    assert installed == ["core22", "microk8s", "snapd"]
    assert [call[-1] for call in machine.calls] == [files[2], files[1], files[0]]


def test_given_an_assertion_when_installed_then_the_snap_is_the_stores_own(machine):
    machine.write("/snaps/microk8s_8601.assert", "type: snap-revision")

    snap.install_files(machine, ["/snaps/microk8s_8601.snap"], classic=("microk8s",))

    assert machine.calls == [
        ("/usr/bin/snap", "ack", "/snaps/microk8s_8601.assert"),
        ("/usr/bin/snap", "install", "--classic", "/snaps/microk8s_8601.snap"),
    ]


def test_given_no_assertion_when_installed_then_it_is_dangerous(machine):
    snap.install_files(machine, ["/snaps/core22_1.snap"], classic=("microk8s",))

    assert machine.calls == [("/usr/bin/snap", "install", "--dangerous", "/snaps/core22_1.snap")]


def test_given_a_machine_without_uplink_when_installed_from_files_then_it_works(world):
    raspberry = world.add_machine("0", uplink=False)
    for name, revision, version in (("core22", "530", "2025"), ("microk8s", "8601", "v1.35.2")):
        text = pi.store.snap_file(name, revision, version, "arm64")
        raspberry.host().write(f"/snaps/{name}_{revision}.snap", text)
        raspberry.host().write(f"/snaps/{name}_{revision}.assert", pi.store.assertion(text))

    files = raspberry.host().glob("/snaps/*.snap")
    snap.install_files(raspberry.host(), files, classic=("microk8s",))

    assert snap.info(raspberry.host(), "microk8s").revision == "8601"


def test_given_an_installed_snap_when_held_then_it_is_so_once(raspberry):
    snap.install(raspberry, "microk8s", channel="1.35/stable", classic=True)

    assert (snap.hold(raspberry, "microk8s"), snap.hold(raspberry, "microk8s")) == (True, False)
    assert snap.info(raspberry, "microk8s").held


def test_given_no_snap_when_held_then_nothing_happens(raspberry):
    assert not snap.hold(raspberry, "microk8s")
    assert not snap.unhold(raspberry, "microk8s")


def test_given_a_held_snap_when_released_then_it_is_so_once(raspberry):
    snap.install(raspberry, "microk8s", channel="1.35/stable", classic=True)
    snap.hold(raspberry, "microk8s")

    released = [snap.unhold(raspberry, "microk8s") for _ in range(2)]

    assert released == [True, False]


def test_given_an_old_snapd_when_held_then_all_refreshes_are_put_off(world):
    old = world.add_machine("0", snapd_version="2.57.6")
    snap.install(old.host(), "microk8s", channel="1.35/stable", classic=True)

    changed = snap.hold(old.host(), "microk8s")

    until = datetime.datetime.fromisoformat(old.snapd_settings["refresh.hold"][:-1] + "+00:00")
    assert changed
    assert until.timestamp() - old.now() == pytest.approx(60 * 86400, abs=60)


def test_given_an_old_snapd_when_held_again_then_the_date_moves_only_when_it_nears(world):
    old = world.add_machine("0", snapd_version="2.57.6")
    snap.install(old.host(), "microk8s", channel="1.35/stable", classic=True)
    snap.hold(old.host(), "microk8s")

    at_once = snap.hold(old.host(), "microk8s")
    world.clock.advance(31 * 86400)
    later = snap.hold(old.host(), "microk8s")

    assert (at_once, later) == (False, True)


def test_given_a_user_who_held_everything_when_held_by_an_old_snapd_then_that_stays(world):
    old = world.add_machine("0", snapd_version="2.57.6")
    snap.install(old.host(), "microk8s", channel="1.35/stable", classic=True)
    old.snapd_settings["refresh.hold"] = "forever"

    assert not snap.hold(old.host(), "microk8s")


def test_given_a_refusal_to_hold_when_held_then_it_is_raised(machine):
    listed(machine)
    machine.answer("/usr/bin/snap", "refresh", stderr="error: access denied", code=1)

    with pytest.raises(snap.SnapError, match="access denied"):
        snap.hold(machine, "microk8s")


def test_given_a_held_snap_when_refreshed_then_it_moves_and_stays_held(raspberry):
    snap.install(raspberry, "microk8s", channel="1.34/stable", classic=True)
    snap.hold(raspberry, "microk8s")

    snap.refresh(raspberry, "microk8s", channel="1.35/stable")

    found = snap.info(raspberry, "microk8s")
    assert (found.channel, found.held) == ("1.35/stable", True)


def test_given_a_revision_when_refreshed_then_it_is_asked_for(machine):
    snap.refresh(machine, "microk8s", revision="8601")

    assert machine.calls == [("/usr/bin/snap", "refresh", "microk8s", "--revision=8601")]


def test_given_a_snap_when_removed_then_no_snapshot_keeps_its_keys(raspberry):
    snap.install(raspberry, "microk8s", channel="1.35/stable", classic=True)

    removed = [snap.remove(raspberry, "microk8s") for _ in range(2)]

    assert removed == [True, False]
    assert raspberry.glob("/var/lib/snapd/snapshots/*") == []


def test_given_services_when_stopped_and_started_then_they_say_so(raspberry):
    snap.install(raspberry, "microk8s", channel="1.35/stable", classic=True)
    name = "microk8s.daemon-containerd"

    snap.stop(raspberry, name)
    stopped = snap.services(raspberry, "microk8s")[name]
    snap.start(raspberry, name)
    snap.restart(raspberry, name)

    assert not stopped
    assert snap.services(raspberry, "microk8s")[name]


def test_given_snaps_when_all_are_asked_for_then_they_come_by_name(raspberry):
    for name in ("snapd", "lxd"):
        snap.install(raspberry, name, channel="latest/stable")
    snap.hold(raspberry, "lxd")

    assert [(each.name, each.held) for each in snap.installed(raspberry)] == [
        ("lxd", True),
        ("snapd", False),
    ]


def test_given_no_snaps_at_all_when_asked_for_then_there_are_none(machine, raspberry):
    machine.answer("/usr/bin/snap", "list", stderr="No snaps are installed yet.")

    assert snap.installed(machine) == snap.installed(raspberry) == ()


@pytest.mark.parametrize("asked", [snap.installed, snap.all_held])
def test_given_snapd_that_hangs_when_asked_then_it_is_given_up(raspberry, asked):
    raspberry.machine.faults.add(pi.Fault(("snap",), pi.hang()))
    began = raspberry.now()

    with pytest.raises(snap.SnapError, match="took longer than 5 s"):
        asked(raspberry, timeout_s=5)

    assert raspberry.now() - began == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize(("days", "held"), [(-1, False), (1, True)])
def test_given_refreshes_that_were_put_off_when_asked_then_it_counts_until_then(
    raspberry, days, held
):
    until = datetime.datetime.fromtimestamp(raspberry.now(), datetime.timezone.utc)
    until += datetime.timedelta(days=days)
    words = ("set", "system", f"refresh.hold={until:%Y-%m-%dT%H:%M:%SZ}")
    raspberry.run((snap.SNAP, *words), timeout_s=60)

    assert snap.all_held(raspberry) is held
