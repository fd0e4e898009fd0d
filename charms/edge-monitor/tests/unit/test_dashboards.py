"""The dashboards as the observability charms take them: their conventions, real metrics."""

import json
import re

import metric_names
import pytest
import stories

FOLDER = stories.RULES.parent / "grafana_dashboards"
FILES = sorted(FOLDER.iterdir())
PAGES = {file.name: json.loads(file.read_text()) for file in FILES}
EACH = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


def expressions(page):
    return [target["expr"] for panel in page["panels"] for target in panel["targets"]]


def plain(expression):
    """Return an expression as Prometheus itself reads it."""
    return re.sub(r"\$__rate_interval", "5m", re.sub(r'"\$\w+"', '".*"', expression))


def test_given_the_folder_when_looked_at_then_the_three_dashboards_are_there():
    assert list(PAGES) == ["node-detail.json", "site-overview.json", "upgrade-run.json"]


def test_given_all_dashboards_when_compared_then_ids_and_titles_are_unique():
    assert len({page["uid"] for page in PAGES.values()}) == len(PAGES)
    assert len({page["title"] for page in PAGES.values()}) == len(PAGES)


@EACH
def test_given_a_dashboard_when_read_then_it_follows_the_conventions(page):
    assert re.fullmatch(r"[0-9a-f]{40}", page["uid"])
    assert isinstance(page["version"], int)
    assert page["templating"]["list"][0]["name"] == "prometheusds"
    assert page["templating"]["list"][0]["type"] == "datasource"
    # Juju's drop-downs are put in by whoever takes the dashboard.
    names = {variable["name"] for variable in page["templating"]["list"]}
    assert not {name for name in names if name.startswith("juju")}


@EACH
def test_given_a_dashboard_when_read_then_each_panel_has_an_id_of_its_own(page):
    ids = [panel["id"] for panel in page["panels"]]

    assert len(set(ids)) == len(ids)


@EACH
def test_given_a_dashboard_when_read_then_all_comes_from_the_source_that_is_put_in(page):
    text = json.dumps(page)

    assert {'"${prometheusds}"'} == set(
        re.findall(r'"type": "prometheus", "uid": ("[^"]+")', text)
    )
    assert "http" not in text


@EACH
def test_given_a_dashboard_when_it_asks_for_a_metric_then_something_serves_it(page):
    for expression in expressions(page):
        assert metric_names.asked(plain(expression)) <= metric_names.known(), expression


@EACH
def test_given_a_dashboard_when_it_uses_a_variable_then_it_has_it(page):
    names = {variable["name"] for variable in page["templating"]["list"]}

    used = set(re.findall(r"\$\{?(\w+)", " ".join(expressions(page)))) - {"__rate_interval"}
    assert used <= names


@EACH
def test_given_a_dashboard_when_filtered_then_every_question_minds_the_site(page):
    silent = [e for e in expressions(page) if 'site=~"$site"' not in e]

    assert silent == []


def test_given_the_overview_when_read_then_power_heat_wear_and_versions_of_each_pi_are_there():
    text = " ".join(expressions(PAGES["site-overview.json"]))

    for metric in (
        "edge_power_fault",
        "edge_temperature_celsius",
        "edge_flash_life_used_ratio",
        "edge_snap_info",
        "edge_kubernetes_ready",
        "upgrade_node_state",
        "ALERTS",
    ):
        assert metric in text


def test_given_the_upgrade_run_when_read_then_gates_failures_times_and_costs_are_there():
    text = " ".join(expressions(PAGES["upgrade-run.json"]))

    for metric in (
        "upgrade_site_gate_status",
        "upgrade_site_gate_blocked_seconds_total",
        "upgrade_failures_total",
        "upgrade_rollbacks_total",
        "upgrade_step_duration_seconds_bucket",
        "upgrade_download_bytes_total",
        "upgrade_journal_fsync_longest_seconds",
        "upgrade_energy_joules_total",
    ):
        assert metric in text


def test_given_all_dashboards_when_packed_for_a_databag_then_they_are_small():
    from edgecloud.interfaces import published

    packed = sum(len(published.pack(file.read_text())) for file in FILES)

    assert packed < 12_000
