"""Who elsewhere may ask this site, and only if an operator wants that."""

import json

import pytest
from ops import testing

OPEN = "https://anybody:anybody@192.0.2.0:8427"
ENDS = ("grafana-source", "prometheus-api", "send-ca-cert")


@pytest.fixture
def asked(monitor):
    """A monitor that somebody wants to ask, by every interface."""
    return monitor.set(relations={testing.Relation(end) for end in ENDS}).run()


def bag(monitor, end):
    (relation,) = monitor.state.get_relations(end)
    return relation.local_app_data


def host(monitor):
    (relation,) = monitor.state.get_relations("grafana-source")
    return relation.local_unit_data.get("grafana_source_host")


def users(monitor):
    document = json.loads(monitor.host.read("/etc/edge-monitor/door.yml"))
    return {user["username"]: user for user in document["users"]}


def test_given_nothing_said_when_related_then_nobody_gets_in_and_the_status_says_why(asked):
    assert bag(asked, "prometheus-api") == {}
    assert host(asked) is None
    assert "anybody" not in users(asked)
    assert asked.status.message.endswith(
        "; grafana-source, prometheus-api not answered: see open-queries"
    )


def test_given_open_queries_when_related_then_all_are_told_where_and_whom_to_trust(asked):
    asked.config(open_queries=True).run()

    source = json.loads(bag(asked, "grafana-source")["grafana_source_data"])
    own = asked.host.read("/etc/edge-monitor/tls/ca.crt")
    assert host(asked) == bag(asked, "prometheus-api")["direct_url"] == OPEN
    assert source["secure_extra_fields"] == {"tlsCACert": own}
    assert json.loads(bag(asked, "send-ca-cert")["certificates"]) == [own.strip()]
    assert "not answered" not in asked.status.message


def test_given_open_queries_when_the_door_is_told_then_anybody_may_only_ask(asked):
    asked.config(open_queries=True).run()

    (place,) = users(asked)["anybody"]["url_map"]
    assert place["url_prefix"] == "http://127.0.0.1:18428"
    assert "/api/v1/query_range" in place["src_paths"]
    assert not any(
        word in path
        for path in place["src_paths"]
        for word in ("write", "export", "admin", "delete", "import", "snapshot", ".*")
    )


def test_given_open_queries_when_told_then_no_password_that_is_a_secret_leaves(asked):
    asked.config(open_queries=True).run()

    shown = json.dumps([dict(bag(asked, end)) for end in ENDS]) + str(host(asked))
    others = [user["password"] for name, user in users(asked).items() if name != "anybody"]
    assert others
    assert not any(password in shown for password in others)


def test_given_open_queries_taken_back_when_changed_then_the_door_is_shut_again(asked):
    asked.config(open_queries=True).run()

    asked.config(open_queries=False).run()

    assert "anybody" not in users(asked)
    assert bag(asked, "prometheus-api") == {}
    assert host(asked) is None


def test_given_the_mode_agent_when_asked_then_there_is_nothing_to_answer_with(asked):
    asked.config(open_queries=True, mode="agent", remote_stores="https://far.example/w").run()

    assert bag(asked, "prometheus-api") == {}
    assert asked.status.message.endswith("not answered: see open-queries")


def test_given_a_second_look_when_nothing_changed_then_nobody_is_woken(asked):
    asked.config(open_queries=True).run()
    before = asked.state.relations, len(asked.restarts("edge-monitor-door"))

    asked.run("update_status")

    assert (asked.state.relations, len(asked.restarts("edge-monitor-door"))) == before
