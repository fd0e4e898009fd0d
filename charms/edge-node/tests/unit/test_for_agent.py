"""What an observability agent beside this unit gets, and what it does not get twice."""

import json
import pathlib

import pytest
from conftest import WORKER
from test_collection import EXPORTER, FORWARDER, SECRET, SINK, options, starts, unit

import for_agent
from edgecloud.interfaces import cos_agent

SOURCES = pathlib.Path(for_agent.__file__).parent


@pytest.fixture
def exporting(node):
    """A node with an agent beside it, and no monitor."""
    return node.runs(WORKER).beside_an_agent().wake_after_install()


def offered(node):
    return json.loads(node.agent.local_unit_data["config"])


def test_given_an_agent_when_run_then_the_exporter_alone_runs_on_this_machine_alone(exporting):
    assert exporting.machine.units[f"{EXPORTER}.service"].active
    assert options(exporting, EXPORTER)["web.listen-address"] == "127.0.0.1:19100"
    assert unit(exporting, FORWARDER) == ""
    assert exporting.machine.packages == ["prometheus-node-exporter"]
    assert exporting.status.name == "active"


def test_given_an_agent_when_run_then_it_is_pointed_at_the_page_with_the_name_of_the_node(
    exporting,
):
    (job,) = offered(exporting)["metrics_scrape_jobs"]

    assert job == {
        "job_name": "node",
        "scheme": "http",
        "metrics_path": "/metrics",
        "static_configs": [
            {"targets": ["127.0.0.1:19100"], "labels": {"node": "pi-0", "role": "worker"}}
        ],
    }


def test_given_an_agent_when_run_then_rules_and_the_dashboard_of_a_machine_come_along(exporting):
    said = offered(exporting)

    alerts = {
        rule["alert"] for group in said["metrics_alert_rules"]["groups"] for rule in group["rules"]
    }
    assert {"UnderVoltage", "DiskFilling"} <= alerts
    assert "Watchdog" not in alerts
    names = [group["name"] for group in said["metrics_alert_rules"]["groups"]]
    assert len(set(names)) == len(names)
    assert all(name.endswith("_alerts") and "_edge-node_" in name for name in names)
    (dashboard,) = said["dashboards"]
    assert json.loads(cos_agent.unpack(dashboard))["title"] == "Edge: node detail"


def test_given_a_monitor_as_well_when_run_then_nothing_is_offered_a_second_time(exporting):
    exporting.watched_by(SINK, SECRET).event()

    said = offered(exporting)
    assert said["metrics_scrape_jobs"] == []
    assert said["metrics_alert_rules"] == {}
    assert said["dashboards"] == []
    assert unit(exporting, FORWARDER)


def test_given_a_monitor_that_goes_when_run_then_the_agent_is_offered_all_of_it_again(exporting):
    exporting.watched_by(SINK, SECRET).event()
    exporting.monitor = None

    exporting.event()

    assert offered(exporting)["metrics_scrape_jobs"]
    assert unit(exporting, FORWARDER) == ""
    assert exporting.machine.units[f"{EXPORTER}.service"].active


def test_given_an_agent_that_goes_when_run_then_nothing_of_it_is_left(exporting):
    exporting.agent = None

    exporting.event()

    assert unit(exporting, EXPORTER) == ""


def test_given_a_second_look_when_nothing_changed_then_nothing_restarts_and_nobody_is_woken(
    exporting,
):
    before, said = len(starts(exporting)), dict(exporting.agent.local_unit_data)

    exporting.event()

    assert (len(starts(exporting)), exporting.agent.local_unit_data) == (before, said)


def test_given_a_plan_when_packages_are_missing_then_none_is_installed_and_that_is_said(node):
    node.runs(WORKER).wake_after_install()
    node.order("grant").beside_an_agent().event()

    assert node.machine.packages == []
    assert "no packages are installed while a plan is under way" in node.status.message


@pytest.mark.parametrize("folder", ["prometheus_alert_rules", "grafana_dashboards"])
def test_given_the_files_that_are_links_when_looked_at_then_each_is_the_monitors_own(folder):
    monitors = SOURCES.parents[1] / "edge-monitor" / "src" / folder

    found = list((SOURCES / folder).iterdir())

    assert found
    assert {file.resolve() for file in found} <= set(monitors.iterdir())
