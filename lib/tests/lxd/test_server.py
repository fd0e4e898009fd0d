import pytest

from edgecloud.lxd import errors, notices, server


def test_given_daemon_when_asked_then_it_says_what_it_is(fake, lxd):
    environment = {
        "server_name": "m1",
        "server_version": "5.21.1",
        "server_clustered": True,
        "certificate_fingerprint": "ab",
        "storage_supported_drivers": [{"Name": "zfs"}, {"Name": "dir"}],
    }
    fake.serves("/1.0", {"auth": "trusted", "environment": environment, "config": {"a": 1}})

    found = server.get(lxd)

    assert (found.name, found.version, found.clustered, found.trusted) == (
        "m1",
        "5.21.1",
        True,
        True,
    )
    assert found.storage_drivers == ("dir", "zfs")
    assert found.config == {"a": "1"}


def test_given_hardware_when_asked_then_cards_are_told_from_disks(fake, lxd):
    disks = [{"id": "mmcblk0"}, {"id": "nvme0n1", "type": "nvme", "partitions": [{"id": "p1"}]}]
    ports = [{"ports": [{"id": "eth0"}, {}]}]
    fake.serves(
        "/1.0/resources",
        {"cpu": {"total": 4}, "storage": {"disks": disks}, "network": {"cards": ports}},
    )

    found = server.resources(lxd, "m2")

    assert [disk.is_card for disk in found.disks] == [True, False]
    assert found.disks[1].partitions == ("p1",)
    assert (found.cores, found.network_ports) == (4, ("eth0",))
    assert fake.asked[0].query == {"target": "m2"}


def test_given_key_set_already_when_ensured_then_nothing_is_written(fake, lxd):
    fake.serves("/1.0", {"config": {"a": "1"}})

    assert server.ensure_config(lxd, {"a": "1"}) is False
    assert fake.written() == []


def test_given_default_that_lxd_does_not_show_when_ensured_then_not_called_a_change(fake, lxd):
    fake.serves("/1.0", {"config": {}})
    fake.serves("/1.0", method="PUT")

    assert server.ensure_config(lxd, {"core.metrics_authentication": "true"}) is False


def test_given_wrong_address_stored_when_refused_then_former_is_put_back(fake, lxd):
    former, stored = {"config": {"a": "1"}}, {"config": {"a": "bad"}}
    fake.serves("/1.0", former)
    fake.serves("/1.0", former)
    fake.serves("/1.0", stored)
    fake.refuses("PUT", "/1.0", 500, "bind: address already in use")
    fake.serves("/1.0", method="PUT")

    with pytest.raises(errors.AddressInUseError):
        server.ensure_config(lxd, {"a": "bad"})

    assert fake.last("PUT").json == former


def test_given_daemon_that_hangs_up_when_written_then_not_tried_again(fake, lxd):
    fake.serves("/1.0", {"config": {}})
    fake.behaves("PUT", "/1.0", lambda *_: None)

    with pytest.raises(errors.UnreachableError):
        server.ensure_config(lxd, {"a": "1"})

    assert len(fake.written()) == 1


def test_given_metrics_when_read_then_text_comes(fake, lxd):
    fake.sends("/1.0/metrics", b"lxd_uptime_seconds 1\n")

    assert server.metrics(lxd) == "lxd_uptime_seconds 1\n"


def _warns(*pairs):
    return [
        {"uuid": str(number), "severity": severity, "status": status}
        for number, (severity, status) in enumerate(pairs)
    ]


def test_given_warnings_when_listed_then_new_ones_come_worst_first(fake, lxd):
    warned = _warns(("low", "new"), ("high", "resolved"), ("moderate", "new"), ("odd", "new"))
    fake.serves("/1.0/warnings", warned)

    assert [one.id for one in notices.every(lxd)] == ["3", "2", "0"]
    assert [one.id for one in notices.every(lxd, at_least=notices.Severity.HIGH)] == ["3"]


def test_given_new_warning_when_acknowledged_then_only_once(fake, lxd):
    fake.serves("/1.0/warnings/1", {"status": "new"})
    fake.serves("/1.0/warnings/1", {"status": "acknowledged"})
    fake.serves("/1.0/warnings/1", method="PUT")

    assert notices.acknowledge(lxd, "1")
    assert not notices.acknowledge(lxd, "1")
    assert fake.last("PUT").json == {"status": "acknowledged"}
