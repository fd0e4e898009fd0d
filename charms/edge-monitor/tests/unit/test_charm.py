"""What the charm does to its machine, hook by hook."""

import pytest
from ops import testing

STORE = "edge-monitor-store"
EXPORTER = "edge-node-exporter"


def test_given_a_bare_pi_when_installed_then_store_and_exporter_run(monitor):
    units = monitor.machine.units

    assert {units[f"{name}.service"].active for name in (STORE, EXPORTER)} == {True}
    assert isinstance(monitor.status, testing.ActiveStatus)


def test_given_a_bare_pi_when_installed_then_no_service_of_the_packages_ever_could_start(monitor):
    calls = [" ".join(call.argv) for call in monitor.world.calls]
    masked = next(at for at, call in enumerate(calls) if "mask --now" in call)
    installed = next(at for at, call in enumerate(calls) if "apt-get install" in call)

    assert masked < installed
    assert "victoria-metrics.service prometheus-node-exporter.service" in calls[masked]


def test_given_a_running_monitor_when_nothing_changed_then_nothing_restarts(monitor):
    before = len(monitor.world.calls)

    monitor.run("update_status")

    assert {call.argv[1] for call in monitor.world.calls[before:]} == {"is-enabled"}


def test_given_a_new_interval_when_configured_then_the_store_restarts_with_it(monitor):
    monitor.config(scrape_interval=15, write_budget=9.0).run()

    assert '"scrape_interval": "15s"' in monitor.host.read("/etc/edge-monitor/scrape.yml")
    assert "-search.maxStalenessInterval=45s" in monitor.command(STORE)
    assert len(monitor.restarts(STORE)) == 2
    assert len(monitor.restarts(EXPORTER)) == 1


def test_given_external_labels_when_configured_then_every_series_has_them(monitor):
    monitor.config(external_labels="site=harbour, pool=a").run()

    text = monitor.host.read("/etc/edge-monitor/scrape.yml")
    assert '"site": "harbour"' in text
    assert '"pool": "a"' in text


def test_given_unfit_options_when_configured_then_each_is_named_and_the_store_stays(monitor):
    before = monitor.unit(STORE)

    monitor.config(scrape_interval=1, series=5, external_labels="juju_unit=x,nonsense").run()

    assert monitor.status == testing.BlockedStatus(
        "scrape-interval: must be from 5 to 300 seconds; series: must be at least 1000;"
        " external-labels: juju_unit is reserved; external-labels: nonsense is not name=value"
    )
    assert monitor.unit(STORE) == before


def test_given_more_series_than_memory_when_configured_then_blocked_with_the_arithmetic(monitor):
    before = monitor.unit(STORE)

    monitor.config(series=2_000_000, scrape_interval=300, write_budget=100.0).run()

    assert isinstance(monitor.status, testing.BlockedStatus)
    assert "memory: 2000000 series need 3955 + 110 MB" in monitor.status.message
    assert monitor.unit(STORE) == before


def test_given_no_uplink_when_installed_then_it_waits_and_goes_on_later(make_monitor):
    monitor = make_monitor(uplink=False).run("install")
    assert isinstance(monitor.status, testing.WaitingStatus)
    assert "apt-get install failed" in monitor.status.message

    monitor.machine.uplink = True
    monitor.run("update_status")

    assert isinstance(monitor.status, testing.ActiveStatus)


def test_given_a_monitor_when_removed_then_nothing_runs_and_the_samples_stay(monitor):
    monitor.host.write("/var/lib/edge-monitor-store/data/part", "samples")

    monitor.run("remove")

    assert monitor.host.glob("/etc/systemd/system/edge-*") == []
    assert monitor.host.glob("/etc/edge-monitor/*") == []
    assert monitor.host.read("/var/lib/edge-monitor-store/data/part") == "samples"


@pytest.mark.parametrize("name", [STORE, EXPORTER])
def test_given_a_monitor_when_it_runs_then_it_listens_on_the_loopback_address_only(monitor, name):
    addresses = [word for word in monitor.command(name) if "isten" in word]

    assert len(addresses) == 1
    assert "=127.0.0.1:" in addresses[0]
