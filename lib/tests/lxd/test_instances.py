import io

import pytest

from edgecloud.lxd import backups, errors, guest, instances, snapshots

ALL, ONE = "/1.0/instances", "/1.0/instances/a"


def _is(fake, status):
    fake.serves(ONE, {"name": "a", "status": status})


def test_given_plan_when_created_then_sent_whole_to_its_member(fake, lxd):
    fake.does("POST", ALL)
    disk = {"root": {"type": "disk", "path": "/", "pool": "p"}}
    source = instances.Source.image("ab")

    instances.create(lxd, instances.Plan("a", source, devices=disk, member="m2"))

    sent = fake.last("POST")
    assert sent.query == {"target": "m2"}
    assert sent.json["source"] == {"type": "image", "fingerprint": "ab"}
    assert (sent.json["devices"], sent.json["profiles"]) == (disk, ["default"])


def test_given_name_taken_when_created_then_typed(fake, lxd):
    fake.does("POST", ALL, err='This "instances" entry already exists')

    with pytest.raises(errors.AlreadyExistsError):
        instances.create(lxd, instances.Plan("a", instances.Source.snapshot("b", "s")))


def test_given_lone_daemon_when_found_then_it_is_on_no_member(fake, lxd):
    fake.serves(ONE, {"name": "a", "location": "none", "expanded_config": {"k": "v"}})

    found = instances.find(lxd, "a")

    assert (found.member, found.expanded_config) == ("", {"k": "v"})


def test_given_all_projects_when_listed_then_clients_own_is_not_named(fake, lxd):
    fake.serves("/1.0", {"api_extensions": ["instance_all_projects"]})
    fake.serves(ALL, [{"name": "b", "project": "y"}, {"name": "c", "project": "x"}])

    found = instances.of_all_projects(lxd.in_project("edge"))

    assert [one.name for one in found] == ["c", "b"]
    assert fake.asked[-1].query == {"all-projects": "true", "recursion": "1"}


@pytest.mark.parametrize(
    ("ensure", "status"), [("ensure_running", "Running"), ("ensure_stopped", "Stopped")]
)
def test_given_state_as_wanted_when_ensured_then_nothing_is_written(fake, lxd, ensure, status):
    _is(fake, status)

    assert getattr(instances, ensure)(lxd, "a") is False
    assert fake.written() == []


def test_given_running_when_stopped_then_lxd_gives_up_before_the_client(fake, lxd):
    _is(fake, "Running")
    fake.does("PUT", f"{ONE}/state")

    assert instances.ensure_stopped(lxd, "a", force=True, timeout_s=30)

    assert fake.last("PUT").json == {"action": "stop", "force": True, "timeout": 28}


def test_given_stopped_when_made_to_run_then_started(fake, lxd):
    _is(fake, "Stopped")
    fake.does("PUT", f"{ONE}/state")

    assert instances.ensure_running(lxd, "a")

    assert fake.last("PUT").json["action"] == "start"


def test_given_running_when_deleted_then_stopped_first(fake, lxd):
    _is(fake, "Running")
    fake.does("PUT", f"{ONE}/state")
    fake.does("DELETE", ONE)

    assert instances.ensure_absent(lxd, "a")

    assert fake.written() == [("PUT", f"{ONE}/state"), ("DELETE", ONE)]


def test_given_nothing_there_when_deleted_then_nothing_is_written(fake, lxd):
    assert instances.ensure_absent(lxd, "a") is False
    assert fake.written() == []


def test_given_device_when_taken_away_then_others_stay(fake, lxd):
    fake.serves(ONE, {"config": {}, "devices": {"usb": {"type": "usb"}, "root": {}}})
    fake.does("PUT", ONE)

    assert instances.ensure_keys(lxd, "a", {}, {"usb": None})

    assert fake.last("PUT").json["devices"] == {"root": {}}


def test_given_addresses_when_asked_then_only_those_others_can_reach(fake, lxd):
    addresses = [
        {"address": "10.0.0.5", "scope": "global"},
        {"address": "fe80::1", "scope": "link"},
    ]
    state = {"status": "Running", "network": {"eth0": {"addresses": addresses}}}
    fake.serves(f"{ONE}/state", {**state, "memory": {"usage": 5}})

    found = instances.state(lxd, "a")

    assert (found.addresses, found.memory) == ({"eth0": ("10.0.0.5",)}, 5)


def test_given_instance_when_moved_and_renamed_then_asked_for_so(fake, lxd):
    fake.does("POST", ONE)

    instances.move(lxd, "a", "m3")
    instances.rename(lxd, "a", "b")

    moved, renamed = [one for one in fake.asked if one.method == "POST"]
    assert (moved.query, moved.json["migration"]) == ({"target": "m3"}, True)
    assert renamed.json == {"name": "b"}


def test_given_command_when_run_then_its_logs_are_read_and_deleted(fake, lxd):
    log = f"{ONE}/logs/exec_1.stdout"
    fake.does("POST", f"{ONE}/exec", metadata={"return": 3, "output": {"1": log, "2": None}})
    fake.sends(log, b"out")
    fake.serves(log, method="DELETE")

    result = guest.run(lxd, "a", ["ls"], timeout_s=5)

    assert (result.exit_code, result.stdout) == (3, "out")
    assert fake.written()[-1] == ("DELETE", log)


def test_given_secret_when_pushed_then_only_root_may_read_it(fake, lxd):
    fake.serves(f"{ONE}/files", method="POST")

    guest.push(lxd, "a", "/root/token", b"s3cret", mode=0o600)

    sent = fake.last("POST")
    assert (sent.body, sent.query) == (b"s3cret", {"path": "/root/token"})
    assert (sent.headers["x-lxd-mode"], sent.headers["x-lxd-uid"]) == ("0600", "0")


def test_given_folder_when_pulled_then_refused(fake, lxd):
    fake.sends(f"{ONE}/files", b"{}", headers={"X-LXD-type": "directory"})

    with pytest.raises(errors.BadRequestError, match="directory"):
        guest.pull(lxd, "a", "/root")


def test_given_snapshots_when_listed_then_oldest_first_by_their_own_name(fake, lxd):
    late, early = {"name": "a/late", "created_at": "2026-02"}, {"name": "early", "created_at": "1"}
    fake.serves(f"{ONE}/snapshots", [late, early])

    assert [one.name for one in snapshots.every(lxd, "a")] == ["early", "late"]


def test_given_no_snapshot_when_ensured_then_taken_with_its_expiry(fake, lxd):
    fake.does("POST", f"{ONE}/snapshots")

    assert snapshots.ensure(lxd, "a", "pre-7", expires_at="2026-02-01T00:00:00Z")

    assert fake.last("POST").json["expires_at"] == "2026-02-01T00:00:00Z"


def test_given_snapshot_when_ensured_then_nothing_is_written(fake, lxd):
    fake.serves(f"{ONE}/snapshots/pre-7", {})

    assert snapshots.ensure(lxd, "a", "pre-7") is False
    assert fake.written() == []


def test_given_export_when_it_fails_halfway_then_nothing_stays_in_lxd(fake, lxd):
    fake.does("POST", f"{ONE}/backups")
    backup = f"{ONE}/backups/edgecloud-export"
    fake.sends(f"{backup}/export", b"", status=500)
    fake.serves(backup, method="DELETE")

    with pytest.raises(errors.LxdError):
        backups.export(lxd, "a", io.BytesIO(), timeout_s=5)

    assert fake.written()[-1] == ("DELETE", backup)


def test_given_export_when_done_then_file_has_it_uncompressed(fake, lxd):
    fake.does("POST", f"{ONE}/backups")
    backup = f"{ONE}/backups/edgecloud-export"
    fake.sends(f"{backup}/export", b"tar")
    fake.serves(backup, method="DELETE")
    file = io.BytesIO()

    backups.export(lxd, "a", file, timeout_s=5)

    assert file.getvalue() == b"tar"
    assert fake.last("POST").json["compression_algorithm"] == "none"


def test_given_backup_when_restored_then_name_and_pool_are_told(fake, lxd):
    fake.serves("/1.0", {"api_extensions": ["backup_override_name"]})
    fake.does("POST", ALL)

    backups.restore(lxd, "twin", io.BytesIO(b"tar"), pool="fast")

    sent = fake.last("POST")
    assert sent.body == b"tar"
    assert (sent.headers["x-lxd-name"], sent.headers["x-lxd-pool"]) == ("twin", "fast")
