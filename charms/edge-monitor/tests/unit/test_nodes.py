"""The machines that deliver their metrics themselves: who is let in, who is counted."""

import json
import urllib.parse

import pytest
from ops import testing

from edgecloud.interfaces import node_metrics
from edgecloud.testing import decoded, encoded

STORE, DOOR, FORWARDER = "edge-monitor-store", "edge-monitor-door", "edge-monitor-forwarder"
EXPORTER = "edge-monitor-exporter"
FAR = "https://far.example/api/v1/write"


def nodes(*units, sends=True, hostname="pi-{}"):
    """A relation with these units of edge-node."""
    said = {
        number: encoded(node_metrics.Sender(1, hostname.format(number), sends)) for number in units
    }
    return testing.Relation("nodes", remote_app_name="edge-node", remote_units_data=said)


def users(monitor):
    document = json.loads(monitor.host.read("/etc/edge-monitor/door.yml"))
    return {user["username"]: user for user in document["users"]}


def sink(monitor):
    (relation,) = monitor.state.get_relations("nodes")
    return decoded(node_metrics.Sink, relation.local_unit_data)


def jobs(monitor):
    return {job["job_name"] for job in json.loads(
        monitor.host.read("/etc/edge-monitor/scrape.yml")
    )["scrape_configs"]}  # fmt: skip


def watched(monitor):
    rule = json.loads(monitor.host.read("/etc/edge-monitor/rules/heartbeat.rules"))
    return rule["groups"][0]["rules"][0]["expr"]


@pytest.fixture
def related(monitor):
    return monitor.set(relations={nodes(0, 1)}).run()


def test_given_machines_when_related_then_each_gets_a_password_that_no_other_may_read(related):
    writers = {each.unit: each.secret for each in sink(related).writers}
    content = {secret.id: secret.latest_content for secret in related.state.secrets}
    granted = {secret.id: secret.remote_grants for secret in related.state.secrets}

    assert set(writers) == {"edge-node/0", "edge-node/1"}
    for unit, secret in writers.items():
        user = f"writer-{unit.replace('/', '-')}"
        assert content[secret] == {
            "username": user,
            "password": users(related)[user]["password"],
        }
        assert set().union(*granted[secret].values()) == {unit}
    assert len({each["password"] for each in content.values()}) == 2


def test_given_machines_when_related_then_no_password_is_in_a_databag_or_an_argument(related):
    (relation,) = related.state.get_relations("nodes")
    shown = json.dumps([relation.local_unit_data, relation.local_app_data])
    shown += "".join(related.unit(name) for name in (STORE, DOOR))
    shown += "".join(" ".join(call.argv) for call in related.world.calls)

    assert not any(user["password"] in shown for user in users(related).values())


def test_given_a_machine_when_it_delivers_then_it_may_write_and_speaks_for_nobody_else(related):
    (place,) = users(related)["writer-edge-node-1"]["url_map"]
    forced = urllib.parse.parse_qs(urllib.parse.urlsplit(place["url_prefix"]).query)

    assert place["src_paths"] == ["/api/v1/write"]
    assert place["url_prefix"].startswith("http://127.0.0.1:18428/?")
    assert {"juju_application=edge-node", "juju_unit=edge-node/1"} <= set(forced["extra_label"])


def test_given_labels_of_the_site_when_a_machine_delivers_then_its_series_have_them_too(related):
    related.config(external_labels="site=harbour").run()

    (place,) = users(related)["writer-edge-node-0"]["url_map"]
    assert "extra_label=site%3Dharbour" in place["url_prefix"]


def test_given_stores_elsewhere_when_a_machine_delivers_then_it_goes_there_as_well(related):
    related.config(remote_stores=FAR).run()

    (place,) = users(related)["writer-edge-node-0"]["url_map"]
    assert place["url_prefix"].startswith("http://127.0.0.1:18430/?")
    assert "-httpListenAddr=127.0.0.1:18430" in related.command(FORWARDER)


def test_given_the_mode_agent_when_machines_are_related_then_the_door_is_for_them_alone(related):
    related.config(mode="agent", remote_stores=FAR).run()

    assert related.unit_exists(DOOR)
    assert set(users(related)) == {"writer-edge-node-0", "writer-edge-node-1"}


def test_given_machines_that_send_when_counted_then_gates_and_heartbeat_expect_them(related):
    assert '(up{juju_application="edge-node",written_by=""})) >= 2' in watched(related)
    assert related.status.message == "watching 3 units, 15 days kept"


def test_given_a_machine_that_cannot_send_when_counted_then_it_is_named_and_shuts_no_gate(monitor):
    monitor.set(relations={nodes(0, sends=False)}).run()

    assert "edge-node" not in watched(monitor)
    assert monitor.status.message.endswith("; nothing from edge-node/0")
    assert sink(monitor).writers


def test_given_the_monitors_own_machine_when_it_delivers_then_it_is_not_scraped_as_well(monitor):
    here = monitor.host.read("/etc/hostname").strip()
    assert "node" in jobs(monitor)

    monitor.set(relations={nodes(0, hostname=here)}).run()

    assert "node" not in jobs(monitor)
    assert not monitor.unit_exists(EXPORTER)
    monitor.set(relations=set()).run()
    assert "node" in jobs(monitor)
    assert monitor.unit_exists(EXPORTER)


def test_given_a_machine_that_leaves_when_changed_then_its_password_opens_nothing(related):
    before = users(related)["writer-edge-node-0"]
    (relation,) = related.state.get_relations("nodes")
    kept = {0: relation.remote_units_data[0]}
    secrets = {each.unit: each.secret for each in sink(related).writers}

    related.set(relations={testing.Relation(
        "nodes", id=relation.id, remote_app_name="edge-node", remote_units_data=kept,
        local_unit_data=relation.local_unit_data,
    )}).run()  # fmt: skip

    assert users(related)["writer-edge-node-0"] == before
    assert "writer-edge-node-1" not in users(related)
    assert {secret.id for secret in related.state.secrets} == {secrets["edge-node/0"]}
    assert {each.unit for each in sink(related).writers} == {"edge-node/0"}


def test_given_a_second_look_when_nothing_changed_then_nothing_restarts_and_nobody_is_woken(
    related,
):
    before = related.state.relations, related.state.secrets, len(related.restarts(DOOR))

    related.run("update_status")

    after = related.state.relations, related.state.secrets, len(related.restarts(DOOR))
    assert after == before


def test_given_a_monitor_that_is_unfit_when_related_then_nobody_is_let_in(monitor):
    monitor.config(series=2_000_000, scrape_interval=300, write_budget=100.0)

    monitor.set(relations={nodes(0)}).run()

    assert sink(monitor).url is None
