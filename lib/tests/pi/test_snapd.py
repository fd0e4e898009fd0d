import subprocess

import pytest

from edgelab import pi
from edgelab.pi import hardware, store


def row(site, at, name="microk8s"):
    return site.snap(at, "list", name).stdout.splitlines()[1].split()


def test_given_channel_when_installed_then_list_names_revision_and_tracking(single):
    name, version, revision, tracking, publisher, notes = row(single, 0)

    assert (name, version, tracking) == ("microk8s", "v1.35.2", "1.35/stable")
    assert revision.isdigit() and publisher == "canonical✓"
    assert notes == "classic,held"


def test_given_architectures_when_installed_then_revisions_differ(site):
    site.world.add_machine("amd", arch="amd64")
    site.install(0, "amd")

    assert row(site, 0)[2] != row(site, "amd")[2]


def test_given_installed_snap_when_installed_again_then_exit_0_and_nothing_changes(single):
    result = single.snap(0, "install", "microk8s", "--classic", "--channel=1.36")

    assert result.returncode == 0 and "already installed" in result.stderr
    assert row(single, 0)[1] == "v1.35.2"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("install", "microk8s", "--channel=1.35"), "classic"),
        (("install", "microk8s", "--classic", "--channel=1.99/stable"), "not available"),
        (("install", "nonesuch"), "not found"),
        (("list", "microk8s"), "no matching snaps"),
        (("refresh", "microk8s"), "not installed"),
        (("restart", "microk8s"), "not installed"),
        (("frobnicate",), "unknown command"),
    ],
)
def test_given_wrong_request_when_made_then_it_fails_with_snap_s_words(site, words, said):
    result = site.snap(0, *words)

    assert result.returncode != 0
    assert said in result.stderr


def test_given_no_uplink_when_installed_then_the_store_cannot_be_reached(site):
    site.machine(0).uplink = False

    result = site.snap(0, "install", "microk8s", "--classic", "--channel=1.35")

    assert result.returncode == 1 and "unable to contact snap store" in result.stderr


@pytest.mark.parametrize(
    ("channel", "base"), [("1.33/stable", "core20"), ("1.34/stable", "core22")]
)
def test_given_track_when_installed_then_its_base_comes_too(site, channel, base):
    site.install(0, channel=channel)

    assert base in site.machine(0).snaps


def test_given_full_disk_when_installed_then_it_fails_and_nothing_is_left(site):
    site.machine(0).fill_disk()

    result = site.snap(0, "install", "microk8s", "--classic", "--channel=1.35")

    assert result.returncode == 1 and "no space left" in result.stderr
    assert site.machine(0).node is None


def test_given_no_kmsg_in_container_when_installed_then_the_install_hook_fails(site):
    site.world.add_machine("c", container_of="0")

    result = site.snap("c", "install", "microk8s", "--classic", "--channel=1.35")

    assert result.returncode == 1 and "kmsg" in result.stderr
    assert site.machine("c").snaps.keys() == {"core22"}


def test_given_killed_client_when_time_passes_then_snapd_finishes_the_change(site):
    with pytest.raises(subprocess.TimeoutExpired):
        site.snap(0, "install", "microk8s", "--classic", "--channel=1.35", timeout_s=10)
    busy = site.snap(0, "install", "microk8s", "--classic", "--channel=1.35")

    site.wait(100)

    assert busy.returncode == 10 and "change in progress" in busy.stderr
    assert row(site, 0)[1] == "v1.35.2"


def test_given_hold_when_unheld_then_the_note_is_gone(single):
    single.snap(0, "refresh", "--unhold", "microk8s")

    assert row(single, 0)[5] == "classic"


def test_given_hold_for_a_day_when_it_is_over_then_the_note_is_gone(site):
    site.install(0)
    site.snap(0, "refresh", "--hold=24h", "microk8s")

    site.wait(25 * 3600)

    assert row(site, 0)[5] == "classic"


def test_given_old_snapd_when_held_then_the_flag_is_unknown(site):
    site.machine(0).snapd_version = "2.57.6"
    site.snap(0, "install", "microk8s", "--classic", "--channel=1.35")

    result = site.snap(0, "refresh", "--hold", "microk8s")

    assert result.returncode == 64 and "unknown flag `hold'" in result.stderr


def test_given_unheld_snap_when_channel_moves_on_then_it_refreshes_by_itself(site):
    site.snap(0, "install", "microk8s", "--classic", "--channel=1.35")
    site.world.store.publish("microk8s", "1.35/stable", "arm64", "9001", "v1.35.9")

    site.wait(7 * 3600)
    site.wait(120)

    assert row(site, 0)[1:3] == ["v1.35.9", "9001"]


@pytest.mark.parametrize("how", ["snap", "system", "file"])
def test_given_hold_of_any_kind_when_channel_moves_on_then_it_stays(site, how):
    site.snap(0, "install", "microk8s", "--classic", "--channel=1.35")
    if how == "snap":
        site.snap(0, "refresh", "--hold", "microk8s")
    elif how == "system":
        site.snap(0, "set", "system", "refresh.hold=2030-01-01T00:00:00Z")
    else:
        site.machine(0).snaps["microk8s"].revision = "x1"
    site.world.store.publish("microk8s", "1.35/stable", "arm64", "9001", "v1.35.9")

    site.wait(7 * 3600)
    site.wait(120)

    assert row(site, 0)[1] == "v1.35.2"


def test_given_hold_when_refreshed_by_name_then_it_is_ignored(single):
    result = single.snap(0, "refresh", "microk8s", "--channel=1.36/stable")

    assert result.returncode == 0
    assert row(single, 0)[1::2] == ["v1.36.2", "1.36/stable", "classic,held"]


def test_given_nothing_new_when_refreshed_then_exit_0_and_a_sentence(single):
    result = single.snap(0, "refresh", "microk8s")

    assert result.returncode == 0 and "no updates available" in result.stderr


def test_given_exact_revision_when_refreshed_then_it_runs_that(single):
    wanted = single.world.store.find("microk8s", "1.36/edge", "arm64").revision

    single.snap(0, "refresh", "microk8s", f"--revision={wanted}")

    assert row(single, 0)[2] == wanted


def put_files(site, at, *, arch="arm64"):
    text = store.snap_file("microk8s", "8888", "v1.35.1", arch)
    site.host(at).write("/tmp/microk8s_8888.snap", text)
    site.host(at).write("/tmp/microk8s_8888.assert", store.assertion(text))


def test_given_file_without_assertion_when_installed_then_it_is_refused(site):
    put_files(site, 0)

    result = site.snap(0, "install", "/tmp/microk8s_8888.snap", "--classic")

    assert result.returncode == 1 and "cannot find signatures" in result.stderr


def test_given_acknowledged_file_when_installed_then_it_has_its_revision(site):
    put_files(site, 0)

    site.snap(0, "ack", "/tmp/microk8s_8888.assert")
    site.snap(0, "install", "/tmp/microk8s_8888.snap", "--classic")

    assert row(site, 0)[1:3] == ["v1.35.1", "8888"]


def test_given_dangerous_file_when_installed_then_it_is_x1_and_never_refreshes(site):
    put_files(site, 0)

    site.snap(0, "install", "--dangerous", "/tmp/microk8s_8888.snap", "--classic")

    assert row(site, 0)[2:5] == ["x1", "-", "-"]
    assert "unknown to the store" in site.snap(0, "refresh", "microk8s").stderr


def test_given_dangerous_file_twice_when_installed_then_it_is_x2(site):
    put_files(site, 0)

    for _ in range(2):
        site.snap(0, "install", "--dangerous", "/tmp/microk8s_8888.snap", "--classic")

    assert row(site, 0)[2] == "x2"


def test_given_foreign_architecture_when_file_is_installed_then_it_is_refused(site):
    put_files(site, 0, arch="amd64")

    result = site.snap(0, "install", "--dangerous", "/tmp/microk8s_8888.snap", "--classic")

    assert "incompatible" in result.stderr


def test_given_file_and_no_uplink_when_base_is_missing_then_snapd_asks_the_store(site):
    put_files(site, 0)
    site.machine(0).uplink = False

    result = site.snap(0, "install", "--dangerous", "/tmp/microk8s_8888.snap", "--classic")

    assert result.returncode == 1 and "core22" in result.stderr


def test_given_download_when_made_then_both_files_install_elsewhere(site):
    site.snap(
        0, "download", "microk8s", "--channel=1.34", "--basename=m", "--target-directory=/tmp"
    )
    for name in ("m.snap", "m.assert"):
        site.host(1).write(f"/tmp/{name}", site.host(0).read(f"/tmp/{name}"))

    site.snap(1, "ack", "/tmp/m.assert")
    site.snap(1, "install", "/tmp/m.snap", "--classic")

    assert row(site, 1)[1] == "v1.34.2"


def test_given_services_when_listed_then_not_all_are_active(single):
    rows = [
        line.split() for line in single.snap(0, "services", "microk8s").stdout.splitlines()[1:]
    ]

    active = {words[0].removeprefix("microk8s.daemon-") for words in rows if words[2] == "active"}
    assert active == {"apiserver-kicker", "cluster-agent", "containerd", "k8s-dqlite", "kubelite"}


def test_given_service_when_stopped_then_it_is_inactive_until_started(single):
    single.snap(0, "stop", "microk8s.daemon-kubelite")
    stopped = single.run(0, "/usr/bin/systemctl", "is-active", "snap.microk8s.daemon-kubelite")

    single.snap(0, "start", "microk8s.daemon-kubelite")

    assert (stopped.stdout, stopped.returncode) == ("inactive\n", 3)
    assert single.machine(0).node.services["kubelite"].active


def test_given_unknown_service_when_restarted_then_it_fails(single):
    assert single.snap(0, "restart", "microk8s.daemon-nonesuch").returncode == 1


def test_given_settings_when_set_then_get_returns_them(site):
    site.snap(0, "set", "system", "refresh.retain=3")

    assert site.snap(0, "get", "system", "refresh.retain").stdout == "3\n"
    assert site.snap(0, "get", "system", "other").returncode == 1


def test_given_purge_when_removed_then_nothing_of_the_node_is_left(single):
    result = single.snap(0, "remove", "microk8s", "--purge")

    assert result.returncode == 0
    assert not single.host(0).exists("/var/snap/microk8s")
    assert not single.host(0).exists("/snap/bin/microk8s")
    assert single.world.clusters == {}


def test_given_no_purge_when_removed_then_the_key_survives_in_a_snapshot(single):
    key = single.host(0).read("/var/snap/microk8s/current/certs/ca.key")

    single.snap(0, "remove", "microk8s")

    kept = single.host(0).read("/var/lib/snapd/snapshots/1_microk8s.zip")
    assert kept == key


def test_given_little_memory_when_installed_then_the_guard_is_set_and_nothing_starts(site):
    site.world.add_machine("zero", mem_kb=524288)
    site.install("zero")

    assert site.has_lock("zero", "low-memory-guard.lock")
    assert not site.machine("zero").node.services["kubelite"].active
    assert site.microk8s("zero", "status").returncode == 1


def test_given_a_little_more_memory_when_installed_then_there_is_no_guard(site):
    site.world.add_machine("three", mem_kb=524289)
    site.install("three")

    assert not site.has_lock("three", "low-memory-guard.lock")


def test_given_snapd_version_when_asked_then_it_says(site):
    assert "snapd   2.72" in site.snap(0, "version").stdout


def test_given_change_when_aborted_then_it_is_undone(single):
    single.world.bad_revisions["9002"] = "hangs"
    single.world.store.publish("microk8s", "1.36/edge", "arm64", "9002", "v1.36.9")
    with pytest.raises(subprocess.TimeoutExpired):
        single.snap(0, "refresh", "microk8s", "--channel=1.36/edge", timeout_s=60)
    number = single.snap(0, "changes").stdout.splitlines()[-1].split()[0]

    single.snap(0, "abort", number)

    assert single.machine(0).changes[-1].status == "Undone"
    assert row(single, 0)[1] == "v1.35.2"
    assert single.snap(0, "watch", number).returncode == 1


def test_given_memoryless_kernel_when_forgotten_then_meminfo_still_tells_the_size(site):
    hardware.forget_memory_cgroup(site.machine(0))

    assert "MemTotal" in site.host(0).read("/proc/meminfo")
    assert "cgroup_enable=memory" not in site.host(0).read("/proc/cmdline")


def test_given_risk_without_release_when_found_then_a_safer_one_is_taken():
    shelf = store.Store()
    shelf.publish("tool", "latest/stable", "arm64", "1", "1.0")

    assert shelf.find("tool", "latest/edge", "arm64").revision == "1"
    assert shelf.find("tool", "latest/edge", "amd64") is None


@pytest.mark.parametrize(
    ("short", "full"),
    [("1.35", "1.35/stable"), ("edge", "latest/edge"), ("", "latest/stable"), ("1.35/beta",) * 2],
)
def test_given_short_channel_when_completed_then_it_has_both_parts(short, full):
    assert store.full_channel(short) == full


def test_given_fault_free_world_when_installed_then_it_takes_plausible_time(site):
    began = site.world.clock.now()
    site.snap(0, "install", "microk8s", "--classic", "--channel=1.35")

    assert 30 < site.world.clock.now() - began < 300
    assert isinstance(site.world.calls[-1], pi.Call)
