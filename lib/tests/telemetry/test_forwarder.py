"""How vmagent and the node exporter are run."""

import pytest

from edgecloud.telemetry import exporter, forwarder, packages

NEAR = forwarder.Remote("https://10.0.0.9:8427/api/v1/write", "writer", "/etc/pass", "/etc/ca.pem")
FAR = forwarder.Remote("https://far.example/api/v1/write", password_file="/etc/token")


@pytest.fixture
def known(raspberry):
    packages.ensure(raspberry, tuple(packages.SERVICES))
    return packages.options(raspberry, forwarder.PROGRAM)


def words(remotes, known, **more):
    daemon = forwarder.daemon(forwarder.Forwarder(remotes, "/etc/scrape.yml", **more), known)
    return daemon, [word for word in daemon.command if word.startswith("-remoteWrite")]


def test_given_two_stores_when_run_then_each_option_stands_in_the_order_of_its_store(known):
    daemon, options = words((NEAR, FAR), known)

    assert [
        word for word in options if not word.startswith(("-remoteWrite.tmp", "-remoteWrite.max"))
    ][1:] == [
        "-remoteWrite.url=https://10.0.0.9:8427/api/v1/write",
        "-remoteWrite.url=https://far.example/api/v1/write",
        '-remoteWrite.basicAuth.username="writer",""',
        '-remoteWrite.basicAuth.passwordFile="%d/remote-0",""',
        '-remoteWrite.bearerTokenFile="","%d/remote-1"',
        '-remoteWrite.tlsCAFile="%d/remote-0-ca",""',
    ]
    assert daemon.secrets == {
        "scrape.yml": "/etc/scrape.yml",
        "remote-0": "/etc/pass",
        "remote-0-ca": "/etc/ca.pem",
        "remote-1": "/etc/token",
    }


def test_given_a_store_without_secrets_when_run_then_nothing_is_said_of_them(known):
    _, options = words((forwarder.Remote("http://127.0.0.1:1/write"),), known, queue_mb=600)

    assert [word.partition("=")[0] for word in options] == [
        "-remoteWrite.tmpDataPath",
        "-remoteWrite.maxDiskUsagePerURL",
        "-remoteWrite.queues",
        "-remoteWrite.url",
    ]
    assert f"-remoteWrite.maxDiskUsagePerURL={600 * 2**20}" in options


def test_given_a_small_machine_when_run_then_one_core_and_little_garbage_are_enough(known):
    daemon, _ = words((NEAR,), known)

    assert daemon.environment == {"GOGC": "20", "GOMAXPROCS": "1"}


def test_given_a_queue_when_reckoned_then_it_lasts_as_long_as_it_was_measured_to():
    assert forwarder.hours(4000, series=10_000, interval_s=60) == pytest.approx(179, abs=1)
    assert forwarder.hours(4000, series=0, interval_s=60) == float("inf")


def test_given_an_exporter_that_lacks_a_collector_when_run_then_it_is_not_asked_for():
    known = {"collector.cpu", "collector.disable-defaults", "web.listen-address"}

    daemon = exporter.daemon(known)

    assert daemon.command == (
        "/usr/bin/prometheus-node-exporter",
        "--collector.disable-defaults",
        "--collector.cpu",
        "--web.listen-address=127.0.0.1:19100",
    )


def test_given_a_page_on_the_network_when_it_is_not_guarded_then_the_exporter_is_not_run():
    guard = {exporter.GUARD: "/etc/web.yml"}
    known = {"web.listen-address", exporter.GUARD_OPTION}

    for options, secrets in ((known, {}), (known - {exporter.GUARD_OPTION}, guard)):
        with pytest.raises(ValueError, match=r"at 10\.0\.0\.9 to everybody"):
            exporter.daemon(options, address="10.0.0.9", secrets=secrets)
    guarded = exporter.daemon(known, address="fd00::9", secrets=guard)
    assert "--web.listen-address=[fd00::9]:19100" in guarded.command
    assert "--web.config.file=%d/web.yml" in guarded.command
