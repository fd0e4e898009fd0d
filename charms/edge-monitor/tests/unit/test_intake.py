"""Who of other charms may write here: nobody, until an operator says how much."""

import json
import re
import urllib.parse

import metric_names
import pytest
import stories
from ops import testing

import intake
import questions
import site_source

# As the specification of prometheus_remote_write has it.
RULE = {
    "alert": "ConsumerCharmUnavailable",
    "expr": 'up{juju_model="some-model",juju_application="consumer-charm"} < 1',
    "for": "0m",
    "labels": {"severity": "critical", "juju_application": "consumer-charm"},
    "annotations": {"summary": "Consumer Charm {{ $labels.juju_model }} unavailable"},
}
RULES = {"groups": [{"name": "some-model_consumer-charm_alerts", "rules": [RULE]}]}
DOOR, COLLECTOR = "edge-monitor-intake-door", "edge-monitor-intake"
URL = "https://agent:anybody@192.0.2.0:8429/api/v1/write"


def writer(name="agent", egress="10.0.0.7/32", **unit):
    bag = {"egress-subnets": egress, "ingress-address": "10.0.0.9", **unit}
    return testing.Relation(
        "receive-remote-write",
        remote_app_name=name,
        remote_app_data={"alert_rules": json.dumps(RULES)},
        remote_units_data={0: bag},
    )


def told(monitor, name="agent"):
    found = {
        each.remote_app_name: each for each in monitor.state.get_relations("receive-remote-write")
    }
    return found[name].local_unit_data.get("remote_write")


def users(monitor):
    document = json.loads(monitor.host.read(intake.CONFIG))
    return {user["username"]: user for user in document["users"]}


@pytest.fixture
def opened(monitor):
    return monitor.set(relations={writer()}).config(open_writes=5000).run()


# --- shut ----------------------------------------------------------------------------------------


def test_given_nothing_said_when_related_then_nobody_writes_and_the_status_says_why(monitor):
    monitor.set(relations={writer()}).run()

    assert told(monitor) is None
    assert not monitor.unit_exists(DOOR)
    assert not monitor.unit_exists(COLLECTOR)
    assert not monitor.host.glob("/etc/edge-monitor/guest-rules/*")
    assert monitor.status.message.endswith("; receive-remote-write not taken in: see open-writes")


def test_given_leave_but_nobody_when_run_then_nothing_listens_for_them(monitor):
    monitor.config(open_writes=5000).run()

    assert not monitor.unit_exists(DOOR)
    assert isinstance(monitor.status, testing.ActiveStatus)


def test_given_leave_taken_back_when_changed_then_all_is_shut_again(opened):
    opened.config(open_writes=0).run()

    assert told(opened) is None
    assert not opened.unit_exists(DOOR)
    assert not opened.unit_exists(COLLECTOR)


def test_given_the_mode_agent_when_related_then_nothing_is_taken_in(opened):
    opened.config(mode="agent", remote_stores="https://far.example/w").run()

    assert told(opened) is None
    assert not opened.unit_exists(DOOR)
    assert "not taken in" in opened.status.message


def test_given_a_vmagent_without_limits_when_related_then_nothing_is_taken_in(monitor):
    monitor.host.write(
        "/var/lib/edge-telemetry/options.json",
        limited(monitor, "/usr/bin/vmagent", "remoteWrite.maxHourlySeries"),
        mode=0o600,
    )

    monitor.set(relations={writer()}).config(open_writes=5000).run()

    assert told(monitor) is None
    assert not monitor.unit_exists(COLLECTOR)
    assert monitor.status.message.endswith("not taken in: this vmagent has no limits")


def limited(monitor, program, option):
    """Return what is known of programs, had this one not that option."""
    monitor.config(remote_stores="https://far.example/w").run()
    monitor.config(remote_stores="").run()
    known = json.loads(monitor.host.read("/var/lib/edge-telemetry/options.json"))
    known[program]["options"].remove(option)
    return json.dumps(known)


@pytest.mark.parametrize("series", [-1, 30_001])
def test_given_leave_for_more_than_there_may_be_when_set_then_it_is_blocked(monitor, series):
    monitor.config(open_writes=series).run()

    assert isinstance(monitor.status, testing.BlockedStatus)
    assert "open-writes: must be from 0 to what series says" in monitor.status.message


# --- open ----------------------------------------------------------------------------------------


def test_given_leave_when_related_then_each_application_is_told_its_own_address(monitor):
    monitor.set(relations={writer(), writer("other")}).config(open_writes=5000).run()

    assert json.loads(told(monitor)) == {"url": URL}
    assert json.loads(told(monitor, "other")) == {"url": URL.replace("agent", "other")}
    assert isinstance(monitor.status, testing.ActiveStatus)
    assert "not taken in" not in monitor.status.message


def test_given_leave_when_related_then_only_the_addresses_that_juju_names_are_let_in(opened):
    text = opened.unit(DOOR)

    assert "IPAddressDeny=any\nIPAddressAllow=localhost 10.0.0.7/32\n" in text
    assert "-httpListenAddr=192.0.2.0:8429" in opened.line(DOOR)
    assert "IPAddressDeny" not in opened.unit("edge-monitor-door")


def test_given_leave_when_related_then_what_comes_is_marked_limited_and_sifted(opened):
    (place,) = users(opened)["agent"]["url_map"]

    assert place == {
        "src_paths": ["/api/v1/write"],
        "url_prefix": "http://127.0.0.1:18431/?extra_label=written_by%3Dagent",
    }
    command = opened.command(COLLECTOR)
    assert "-remoteWrite.maxHourlySeries=5000" in command
    assert "-remoteWrite.url=http://127.0.0.1:18428/api/v1/write" in command
    assert "-remoteWrite.relabelConfig=%d/relabel.yml" in command
    assert "LoadCredential=relabel.yml:/etc/edge-monitor/intake-relabel.yml" in opened.unit(
        COLLECTOR
    )


def test_given_other_stores_when_samples_come_then_they_go_there_too(opened):
    opened.config(remote_stores="https://far.example/w").run()

    assert "-remoteWrite.url=http://127.0.0.1:18430/api/v1/write" in opened.command(COLLECTOR)


def test_given_leave_when_open_then_no_password_that_is_a_secret_is_told(opened):
    kept = json.loads(opened.host.read("/etc/edge-monitor/passwords.json"))

    shown = str(told(opened)) + opened.host.read(intake.CONFIG)
    assert kept
    assert not any(password in shown for password in kept.values())


def test_given_an_application_without_address_when_related_then_it_is_named(monitor):
    nowhere = writer(egress="0.0.0.0/0", **{"ingress-address": ""})

    monitor.set(relations={nowhere}).config(open_writes=5000).run()

    assert "IPAddressAllow=localhost\n" in monitor.unit(DOOR)
    assert monitor.status.message.endswith("; no address of agent to let in")


def test_given_a_second_look_when_nothing_changed_then_nobody_is_woken(opened):
    before = opened.state.relations, [len(opened.restarts(each)) for each in intake.ALL]

    opened.run("update_status")

    assert (opened.state.relations, [len(opened.restarts(each)) for each in intake.ALL]) == before


def test_given_leave_and_too_little_memory_when_fitted_then_both_processes_count(make_monitor):
    monitor = make_monitor().config(memory_limit_mb=220, open_writes=5000).run("install")
    assert isinstance(monitor.status, testing.ActiveStatus)

    monitor.set(relations={writer()}).run()

    # The evaluator of its rules is one more.
    assert monitor.status.message.startswith("memory: 30000 series need 289 MB")


# --- what it brings, and what it may not touch ---------------------------------------------------


def test_given_rules_of_a_writer_when_judged_then_they_see_what_it_wrote_and_keep_its_topology(
    opened,
):
    text = opened.host.read("/etc/edge-monitor/guest-rules/written-by-agent.rules")

    (group,) = json.loads(text)["groups"]
    assert group["params"] == {"extra_label": ["written_by=agent"]}
    labels = {**RULE["labels"], "gate": "", "written_by": "agent"}
    assert group["rules"] == [{**RULE, "labels": labels}]


def asked():
    """Return every expression by which a site is judged or shown."""
    yield from (rule["expr"] for rule in stories.rules().values())
    yield from (each.query for each in questions.offered({"a": 1}))
    words = [query for _, query in site_source.WORDS.values()]
    yield from (*site_source.NUMBERS.values(), *site_source.ANSWERS.values(), *words)


@pytest.mark.parametrize("expression", sorted(set(asked())))
def test_given_an_expression_of_the_site_when_read_then_no_writer_can_answer_it(expression):
    relied_on = metric_names.asked(expression) - {"up"}

    assert all(re.fullmatch(intake.RELIED_ON, name) for name in relied_on)
    for matchers in re.findall(r"\bup\b(\{[^}]*\})?", expression):
        assert 'written_by=""' in matchers or expression.startswith("vector(1)")


def test_given_a_name_when_sifted_then_it_is_by_whole_names():
    *_, drop, unmarked = json.loads(intake.relabelling())

    assert drop["source_labels"] == ["__name__"]
    assert re.fullmatch(drop["regex"], "ALERTS_FOR_STATE")
    assert not re.fullmatch(drop["regex"], "till_node_count")
    assert unmarked == {"action": "drop", "source_labels": ["written_by"], "regex": ""}


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["10.0.0.7"], ("10.0.0.7/32",)),
        (["10.0.0.7/24", "2001:db8::1"], ("10.0.0.0/24", "2001:db8::1/128")),
        (["0.0.0.0/0", "::/0", "host.example", "", "10.0.0.7/32 any"], ()),
        (["fe80::1%a\nExecStartPre=+sh -c 'id'", "fe80::1%eth0"], ()),
    ],
)
def test_given_what_juju_says_of_addresses_when_read_then_only_networks_are_let_in(texts, found):
    assert intake.networks(texts) == found


def test_given_an_address_of_version_6_when_said_then_it_is_in_brackets():
    parts = urllib.parse.urlsplit(intake.url("2001:db8::1", "agent"))

    assert (parts.hostname, parts.port, parts.username) == ("2001:db8::1", 8429, "agent")
