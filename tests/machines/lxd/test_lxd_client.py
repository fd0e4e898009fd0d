"""The LXD client against a daemon by itself."""

import io
import secrets
import subprocess
import threading

import pytest

from edgecloud.lxd import (
    backups,
    certificates,
    client,
    documents,
    errors,
    events,
    guest,
    images,
    instances,
    networks,
    notices,
    operations,
    profiles,
    projects,
    server,
    snapshots,
    storage,
    transport,
)

ROOT = {"root": {"type": "disk", "path": "/", "pool": "plain"}}


@pytest.fixture
def instance(lxd):
    """Return the name of a running instance of the test's own."""
    name = f"i{secrets.token_hex(3)}"
    instances.create(lxd, instances.Plan(name, instances.Source.alias("tiny"), devices=ROOT))
    instances.ensure_running(lxd, name)
    yield name
    instances.ensure_absent(lxd, name)


@pytest.fixture
def stranger(site, lone, tmp_path):
    """Return a function that makes a network client with a certificate of its own, and its PEM."""

    def make():
        key, certificate = tmp_path / "client.key", tmp_path / "client.crt"
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        subprocess.run(
            (*command.split(), "-subj", "/CN=stranger", "-keyout", key, "-out", certificate),
            check=True,
            capture_output=True,
            timeout=30,
        )
        address, port = lone.address.split(":")
        fingerprint = server.get(lone.api).fingerprint
        endpoint = transport.TlsAddress(address, int(port), fingerprint, certificate, key)
        return client.Client(endpoint), certificate.read_text()

    return make


def test_given_daemon_when_asked_then_it_says_what_it_is(lxd, lone):
    found = server.get(lxd)

    assert (found.clustered, found.trusted) == (False, True)
    assert lone.address in found.addresses
    assert {"btrfs", "dir"} <= set(found.storage_drivers)


def test_given_machine_when_asked_then_cores_memory_and_disks_are_known(lxd):
    found = server.resources(lxd)

    assert found.cores > 0
    assert found.memory > found.memory_used > 0


def test_given_daemon_when_asked_then_warnings_come_worst_first(lxd):
    found = notices.every(lxd)

    severities = [notice.severity for notice in found]
    assert severities == sorted(severities, reverse=True)


def test_given_instance_when_command_runs_then_output_and_code_are_told(lxd, instance):
    result = guest.run(
        lxd, instance, ["sh", "-c", "echo $X; echo bad >&2; exit 3"], timeout_s=20, env={"X": "on"}
    )

    assert result == guest.Result(3, "on\n", "bad\n")


def test_given_file_pushed_when_pulled_then_it_is_the_same(lxd, instance):
    guest.push(lxd, instance, "/root/token", b"\x00secret", mode=0o600)

    assert guest.pull(lxd, instance, "/root/token") == b"\x00secret"
    with pytest.raises(errors.BadRequestError, match="directory"):
        guest.pull(lxd, instance, "/root")
    with pytest.raises(errors.NotFoundError):
        guest.pull(lxd, instance, "/root/nothing")


def test_given_running_instance_when_made_to_run_again_then_nothing_happens(lxd, instance):
    assert instances.ensure_running(lxd, instance) is False
    assert instances.ensure_stopped(lxd, instance, force=True) is True
    assert instances.ensure_stopped(lxd, instance) is False


def test_given_running_instance_when_stopped_politely_then_it_stops(lxd, instance):
    assert instances.ensure_stopped(lxd, instance, timeout_s=20)

    assert instances.find(lxd, instance).status == instances.STOPPED


def test_given_instance_when_restarted_then_its_state_is_known(lxd, instance):
    instances.restart(lxd, instance, force=True)

    found = instances.state(lxd, instance)
    assert found.status == instances.RUNNING
    assert found.processes > 0


def test_given_snapshot_when_restored_then_later_change_is_gone(lxd, instance):
    assert snapshots.ensure(lxd, instance, "before")
    guest.push(lxd, instance, "/root/late", b"x")

    snapshots.restore(lxd, instance, "before")

    with pytest.raises(errors.NotFoundError):
        guest.pull(lxd, instance, "/root/late")
    assert snapshots.ensure(lxd, instance, "before") is False
    assert [one.name for one in snapshots.every(lxd, instance)] == ["before"]
    assert snapshots.ensure_absent(lxd, instance, "before")
    assert not snapshots.ensure_absent(lxd, instance, "before")


def test_given_backup_when_restored_then_twin_has_the_content(lxd, instance):
    guest.push(lxd, instance, "/root/kept", b"content")
    instances.ensure_stopped(lxd, instance, force=True)
    file = io.BytesIO()

    backups.export(lxd, instance, file, timeout_s=60)
    file.seek(0)
    backups.restore(lxd, f"{instance}-twin", file, timeout_s=60)

    assert guest.pull(lxd, f"{instance}-twin", "/root/kept") == b"content"
    assert instances.ensure_absent(lxd, f"{instance}-twin")


def test_given_name_taken_when_created_then_failed_operation_says_so(lxd, instance):
    plan = instances.Plan(instance, instances.Source.alias("tiny"), devices=ROOT)

    with pytest.raises(errors.AlreadyExistsError):
        instances.create(lxd, plan)


def test_given_bad_name_when_created_then_request_is_bad(lxd):
    with pytest.raises(errors.BadRequestError):
        instances.create(lxd, instances.Plan("no_such_name", instances.Source.nothing()))


def test_given_missing_alias_when_created_then_not_found(lxd):
    with pytest.raises(errors.NotFoundError):
        instances.create(lxd, instances.Plan("x", instances.Source.alias("none"), devices=ROOT))


def test_given_nothing_there_when_deleted_then_nothing_changes(lxd):
    assert instances.ensure_absent(lxd, "nothing") is False
    assert profiles.ensure_absent(lxd, "nothing") is False
    assert storage.ensure_absent(lxd, "nothing") is False
    assert networks.ensure_absent(lxd, "nothing") is False
    assert images.ensure_absent(lxd, "0" * 64) is False


def test_given_key_that_lxd_does_not_know_when_set_then_it_is_named(lxd):
    with pytest.raises(errors.UnknownKeyError, match=r"limits\.nonsense"):
        profiles.ensure(lxd, "wrong", {"limits.nonsense": "1"}, {})


def test_given_missing_kernel_module_when_started_then_it_is_named(lxd):
    config = {"linux.kernel_modules": "no_such_module"}
    plan = instances.Plan("m", instances.Source.alias("tiny"), config=config, devices=ROOT)
    instances.create(lxd, plan)

    with pytest.raises(errors.MissingModuleError, match="no_such_module"):
        instances.ensure_running(lxd, "m")

    assert instances.ensure_absent(lxd, "m")


def test_given_profile_changed_meanwhile_when_edited_then_both_changes_stay(lxd):
    profiles.ensure(lxd, "shared", {}, {})
    rivals = iter([{"limits.cpu": "1"}])

    def change(document):
        for rival in rivals:
            profiles.ensure_keys(lxd, "shared", rival, {})
        documents.set_keys(document, "config", {"limits.memory": "64MiB"})

    assert documents.edit(lxd, client.url("profiles", "shared"), change)

    config = profiles.find(lxd, "shared").config
    assert config == {"limits.cpu": "1", "limits.memory": "64MiB"}
    profiles.ensure_absent(lxd, "shared")


def test_given_old_version_when_written_then_it_is_stale(lxd):
    profiles.ensure(lxd, "aged", {}, {})
    path = client.url("profiles", "aged")
    old = lxd.call("GET", path)
    profiles.ensure(lxd, "aged", {"limits.cpu": "2"}, {})

    with pytest.raises(errors.StaleError):
        lxd.call("PUT", path, old.metadata, etag=old.etag)

    profiles.ensure_absent(lxd, "aged")


def test_given_address_in_use_when_set_then_former_configuration_is_put_back(lxd, lone):
    before = server.get(lxd).config

    with pytest.raises(errors.AddressInUseError):
        server.ensure_config(lxd, {"core.metrics_address": lone.address})

    assert server.get(lxd).config == before


def test_given_newer_field_when_required_then_old_daemon_is_found_out(lxd):
    with pytest.raises(errors.MissingExtensionError, match="storage_and_network_operations"):
        lxd.require("storage_and_network_operations")


def test_given_daemon_by_itself_when_asked_for_members_then_it_is_not_clustered(lxd):
    with pytest.raises(errors.NotClusteredError):
        lxd.every(client.url("cluster", "members"))


def test_given_unknown_endpoint_when_asked_then_not_found(lxd):
    with pytest.raises(errors.NotFoundError):
        lxd.get(client.url("no-such-thing"))


def test_given_stream_when_things_happen_then_all_are_heard_in_order(lxd):
    with events.listen(lxd, [events.LIFECYCLE]) as stream:
        profiles.ensure(lxd, "heard", {}, {})
        profiles.ensure_absent(lxd, "heard")
        heard = [stream.next(5).action, stream.next(5).action]

    assert heard == ["profile-created", "profile-deleted"]


def test_given_operation_too_slow_when_waited_for_then_it_runs_on_and_can_be_found(lxd, instance):
    with pytest.raises(errors.UnfinishedError) as caught:
        guest.run(lxd, instance, ["sleep", "8"], timeout_s=1)

    running = operations.find(lxd, caught.value.operation)
    assert not running.ended
    assert operations.wait(lxd, running, timeout_s=60).ended


def test_given_operation_forgotten_when_waited_for_then_it_is_lost(lxd, instance):
    body = {"command": ["true"], "record-output": True, "interactive": False}
    answer = lxd.call("POST", f"{client.url('instances', instance)}/exec", body)
    lost = operations.parse({**answer.metadata, "id": "00000000-0000-4000-8000-000000000000"})

    with pytest.raises(errors.LostOperationError):
        operations.wait(lxd, lost, timeout_s=5)


def test_given_daemon_killed_when_waited_for_then_it_is_unreachable_at_once(site, image_files):
    real = site.daemon("mortal", listens=False)
    storage.ensure(real.api, "plain", "dir", {})
    fingerprint, _ = images.ensure(real.api, image_files[0])
    plan = instances.Plan("i", instances.Source.image(fingerprint), devices=ROOT)
    instances.create(real.api, plan)
    instances.ensure_running(real.api, "i")
    threading.Timer(1, real.kill).start()

    with pytest.raises(errors.UnreachableError):
        guest.run(real.api, "i", ["sleep", "20"], timeout_s=15)

    real.start()
    assert instances.find(real.api, "i").running
    instances.ensure_absent(real.api, "i")
    real.stop()


def test_given_token_when_waited_for_then_refused(lxd):
    token = certificates.mint(lxd, "somebody")
    operation = operations.find(lxd, token.operation)

    with pytest.raises(errors.EndlessOperationError):
        operations.wait(lxd, operation, timeout_s=60)

    assert [one.name for one in certificates.tokens(lxd)] == ["somebody"]
    operations.cancel(lxd, token.operation)
    assert certificates.tokens(lxd) == ()


def test_given_metrics_certificate_when_used_elsewhere_then_forbidden(lxd, stranger):
    other, pem = stranger()
    assert certificates.ensure(lxd, pem, name="scraper", kind=certificates.METRICS)

    assert "lxd_" in server.metrics(other) or server.metrics(other) == "# EOF\n"
    with pytest.raises(errors.ForbiddenError):
        instances.every(other)

    assert certificates.ensure(lxd, pem, name="scraper", kind=certificates.METRICS) is False
    assert certificates.ensure_absent(lxd, certificates.fingerprint(pem))


def test_given_restricted_token_when_redeemed_then_only_its_project_is_seen(lxd, stranger):
    projects.ensure(lxd, "walled", {"features.images": "false"})
    other, pem = stranger()
    token = certificates.mint(lxd, "guest", projects=["walled"])

    certificates.redeem(other, token)

    assert instances.every(other.in_project("walled")) == ()
    with pytest.raises(errors.ForbiddenError):
        profiles.ensure(other, "mine", {}, {})
    with pytest.raises(errors.AlreadyTrustedError):
        certificates.redeem(other, token)
    assert certificates.ensure_absent(lxd, certificates.fingerprint(pem))
    assert projects.ensure_absent(lxd, "walled")


def test_given_token_redeemed_when_somebody_else_tries_then_forbidden(lxd, stranger):
    first, pem = stranger()
    token = certificates.mint(lxd, "once")
    certificates.redeem(first, token)
    second, _ = stranger()

    with pytest.raises(errors.ForbiddenError):
        certificates.redeem(second, token)

    assert certificates.ensure_absent(lxd, certificates.fingerprint(pem))


def test_given_another_certificate_when_connecting_then_nothing_is_sent(lone):
    address, port = lone.address.split(":")
    impostor = client.Client(transport.TlsAddress(address, int(port), "0" * 64))

    with pytest.raises(errors.UnreachableError, match="shows the certificate"):
        server.get(impostor)


def test_given_image_of_two_files_when_uploaded_then_instance_starts_from_it(lxd, image_files):
    _, metadata, rootfs = image_files

    fingerprint, uploaded = images.ensure(lxd, metadata, rootfs)

    assert uploaded
    assert images.ensure(lxd, metadata, rootfs) == (fingerprint, False)
    plan = instances.Plan("split", instances.Source.image(fingerprint), devices=ROOT)
    instances.create(lxd, plan)
    assert instances.ensure_running(lxd, "split")
    instances.ensure_absent(lxd, "split")
    assert images.ensure_absent(lxd, fingerprint)


def test_given_alias_as_juju_asks_for_when_image_comes_then_it_is_found(lxd):
    target = images.alias(lxd, "tiny")

    assert images.ensure_alias(lxd, "juju/ubuntu@24.04/arm64", target)

    assert images.alias(lxd, "juju/ubuntu@24.04/arm64") == target
    assert images.ensure_alias(lxd, "juju/ubuntu@24.04/arm64", target) is False
    assert "juju/ubuntu@24.04/arm64" in images.find(lxd, target).aliases


def test_given_btrfs_pool_when_snapshot_is_taken_then_instance_does_not_stand_still(lxd):
    assert storage.ensure(lxd, "fast", "btrfs", {"size": "256MiB"})
    disk = {"root": {"type": "disk", "path": "/", "pool": "fast"}}
    instances.create(lxd, instances.Plan("b", instances.Source.alias("tiny"), devices=disk))
    instances.ensure_running(lxd, "b")

    assert snapshots.ensure(lxd, "b", "s")

    assert not storage.find(lxd, "fast").freezes
    assert storage.find(lxd, "plain").freezes
    assert 0 < storage.space(lxd, "fast").fill < 1
    with pytest.raises(errors.InUseError):
        storage.ensure_absent(lxd, "fast")
    instances.ensure_absent(lxd, "b")
    assert storage.ensure_absent(lxd, "fast")


def test_given_volume_when_wanted_twice_then_it_is_made_once(lxd):
    assert storage.ensure_volume(lxd, "plain", "data", {})

    assert storage.ensure_volume(lxd, "plain", "data", {}) is False
    assert [one.name for one in storage.volumes(lxd, "plain", storage.CUSTOM)] == ["data"]
    assert storage.ensure_no_volume(lxd, "plain", "data")
    assert not storage.ensure_no_volume(lxd, "plain", "data")


def test_given_bridge_when_instance_is_on_it_then_its_address_is_known(lxd, site):
    config = {"ipv4.address": "10.199.77.1/24", "ipv4.nat": "false", "ipv6.address": "none"}
    assert networks.ensure(lxd, site.bridge, config)
    nic = {"type": "nic", "network": site.bridge, "name": "eth0", "ipv4.address": "10.199.77.9"}
    plan = instances.Plan("n", instances.Source.alias("tiny"), devices={**ROOT, "eth0": nic})
    instances.create(lxd, plan)
    instances.ensure_running(lxd, "n")
    for command in ("ip link set eth0 up", "ip addr add 10.199.77.9/24 dev eth0"):
        guest.run(lxd, "n", command.split(), timeout_s=10)

    assert instances.state(lxd, "n").addresses["eth0"] == ("10.199.77.9",)

    leases = {lease.address: lease.kind for lease in networks.leases(lxd, site.bridge)}
    assert leases["10.199.77.9"] == "static"
    with pytest.raises(errors.InUseError):
        networks.ensure_absent(lxd, site.bridge)
    instances.ensure_absent(lxd, "n")
    assert networks.ensure(lxd, site.bridge, config) is False
    assert networks.ensure_absent(lxd, site.bridge)


def test_given_everything_there_when_ensured_again_then_lxd_changes_nothing(lxd, instance):
    def ensure():
        target = images.alias(lxd, "tiny")
        return (
            storage.ensure(lxd, "plain", "dir", {}),
            profiles.ensure(lxd, "node", {"limits.memory": "64MiB"}, {"k": {"type": "none"}}),
            projects.ensure(lxd, "second", {"features.images": "false"}),
            images.ensure_alias(lxd, "tiny", target),
            instances.ensure_keys(lxd, instance, {"user.role": "worker"}, {}),
            instances.ensure_running(lxd, instance),
        )

    ensure()
    with events.listen(lxd, [events.LIFECYCLE, events.OPERATION]) as stream:
        assert ensure() == (False,) * 6
        heard = [(event.kind, event.action) for event in stream.until(0.5)]

    assert heard == []
    profiles.ensure_absent(lxd, "node")
    projects.ensure_absent(lxd, "second")
