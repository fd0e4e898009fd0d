"""What goes to an observability stack elsewhere, and what does not."""

import json
import shlex

import pytest
from ops import testing

URL, MANAGER = "https://cos.example/write", "https://cos.example:9093"
NAMED = "https://named.example/api/v1/write"
CA = "-----BEGIN CERTIFICATE-----\nA"
FORWARDER, RULES = "edge-monitor-forwarder", "edge-monitor-rules"


def store():
    said = {"remote_write": json.dumps({"url": URL})}
    return testing.Relation("send-remote-write", remote_units_data={0: said})


def manager():
    return testing.Relation("alertmanager", remote_units_data={0: {"url": MANAGER}})


def authority():
    said = {"version": "1", "certificates": json.dumps([CA])}
    return testing.Relation("receive-ca-cert", remote_app_data=said)


def bag(monitor, endpoint):
    (relation,) = monitor.state.get_relations(endpoint)
    return relation.local_app_data


def values(monitor, name, option):
    words = [word for word in shlex.split(monitor.line(name)) if word.startswith(f"-{option}=")]
    return [word.partition("=")[2] for word in words]


def test_given_a_related_store_when_changed_then_samples_go_there_too(monitor):
    monitor.set(relations={store()}).run()

    assert values(monitor, FORWARDER, "remoteWrite.url")[1:] == [URL]
    assert "buffer for" in monitor.status.message


def test_given_credentials_when_a_store_is_related_then_it_does_not_get_them(monitor):
    secret = testing.Secret({"username": "u", "password": "p", "ca": f"{CA}-NAMED"})
    monitor.set(secrets={secret}, relations={store(), authority()})

    monitor.config(remote_stores=NAMED, remote_credentials=secret.id).run()

    assert values(monitor, FORWARDER, "remoteWrite.url")[1:] == [NAMED, URL]
    passwords = values(monitor, FORWARDER, "remoteWrite.basicAuth.passwordFile")
    assert passwords == ['"","%d/remote-1",""']
    users = values(monitor, FORWARDER, "remoteWrite.basicAuth.username")
    assert users == ['"","u",""']
    files = monitor.unit(FORWARDER)
    assert "LoadCredential=remote-2-ca:/etc/edge-monitor/related-ca.pem" in files
    assert monitor.host.read("/etc/edge-monitor/related-ca.pem") == CA + "\n"


def test_given_mode_agent_when_only_a_relation_names_a_store_then_that_is_enough(monitor):
    monitor.set(relations={store()}).config(mode="agent").run()

    assert values(monitor, FORWARDER, "remoteWrite.url") == [URL]
    assert isinstance(monitor.status, testing.ActiveStatus)


def test_given_a_store_that_leaves_when_changed_then_nothing_goes_there_any_more(monitor):
    monitor.set(relations={store()}).run()

    monitor.set(relations=set()).run()

    assert not monitor.unit_exists(FORWARDER)


def test_given_an_alertmanager_when_changed_then_it_is_told_besides_our_own(monitor):
    monitor.set(relations={manager()}).run()

    assert values(monitor, RULES, "notifier.url") == ["http://127.0.0.1:19093", MANAGER]
    assert values(monitor, RULES, "notifier.tlsCAFile") == []


def test_given_an_authority_when_changed_then_what_is_elsewhere_is_held_to_it(monitor):
    monitor.set(relations={manager(), authority()}).run()

    assert values(monitor, RULES, "notifier.tlsCAFile") == ["%d/elsewhere-ca.pem"]
    assert len(monitor.restarts(RULES)) == 2


def test_given_a_store_when_related_then_the_rules_come_along_without_the_heartbeat(monitor):
    monitor.set(relations={store()}).run()

    rules = json.loads(bag(monitor, "send-remote-write")["alert_rules"])
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert "UnderVoltage" in names
    assert "Watchdog" not in names


def test_given_a_grafana_when_related_then_the_three_dashboards_come_along(monitor):
    monitor.set(relations={testing.Relation("grafana-dashboard")}).run()

    templates = json.loads(bag(monitor, "grafana-dashboard")["dashboards"])["templates"]
    assert set(templates) == {
        "file:node-detail.json",
        "file:site-overview.json",
        "file:upgrade-run.json",
    }


@pytest.mark.parametrize("leader", [True, False])
def test_given_a_second_look_when_nothing_changed_then_nobody_is_woken(monitor, leader):
    relations = {store(), manager(), authority(), testing.Relation("grafana-dashboard")}
    monitor.set(relations=relations, leader=leader).run()
    before = monitor.state.relations, len(monitor.restarts(RULES))

    monitor.run("update_status")

    assert (monitor.state.relations, len(monitor.restarts(RULES))) == before
