"""Which alert rules of other charms' applications are evaluated here, and as what."""

import json

import pytest
from ops import testing

import guest_rules
from edgelab import pi

JOB = {"job_name": "till", "static_configs": [{"targets": ["*:9000"]}]}
# As the specification of prometheus_scrape has it.
RULE = {
    "alert": "SomethingIsUp",
    "expr": "something_bad == 1",
    "for": "0m",
    "labels": {"some_label": "some-value"},
    "annotations": {"summary": "some-other-value"},
}
BROKEN = {**RULE, "alert": "Broken", "expr": "sum(something_bad"}
RULES, OWN = "edge-monitor-guest-rules", "edge-monitor-rules"


def group(*rules, name="an_alert_rule_group"):
    return {"name": name, "rules": list(rules)}


def guest(*groups, name="tills", metadata=None):
    return testing.Relation(
        "metrics-endpoint",
        remote_app_name=name,
        remote_app_data={
            "scrape_jobs": json.dumps([JOB]),
            "scrape_metadata": json.dumps(metadata or {"application": name}),
            "alert_rules": json.dumps({"groups": groups}),
        },
        remote_units_data={0: {"prometheus_scrape_unit_address": "10.0.0.7"}},
    )


def taken(*rules, **changes):
    about = {"application": "tills", "groups": [group(*rules)], "labels": {}, **changes}
    return guest_rules.take(guest_rules.Guest(**about), reserved=("site",))


def written(monitor, name="tills"):
    (found,) = json.loads(monitor.host.read(f"/etc/edge-monitor/guest-rules/{name}.rules"))[
        "groups"
    ]
    return found


def jobs(monitor):
    document = json.loads(monitor.host.read("/etc/edge-monitor/scrape.yml"))
    return {each["job_name"]: each["static_configs"] for each in document["scrape_configs"]}


def asked(monitor):
    return [call for call in monitor.world.calls if "-dryRun" in call.argv]


# --- what is taken -------------------------------------------------------------------------------


def test_given_a_published_rule_when_taken_then_it_is_told_of_its_application_only(monitor):
    monitor.set(relations={guest(group(RULE))}).run()

    model = monitor.state.model
    labels = {
        "juju_model": model.name,
        "juju_model_uuid": model.uuid,
        "juju_application": "tills",
    }
    found = written(monitor)
    assert found["rules"] == [{**RULE, "labels": {**RULE["labels"], "gate": "", **labels}}]
    assert set(found["params"]["extra_label"]) == {f"{k}={v}" for k, v in labels.items()}
    assert found["limit"] == guest_rules.MOST_ALERTS


def test_given_rules_that_came_when_run_then_an_evaluator_of_their_own_has_them(monitor):
    before = monitor.unit(OWN)

    monitor.set(relations={guest(group(RULE))}).run()

    assert "-rule=/etc/edge-monitor/guest-rules/*.rules" in monitor.line(RULES)
    assert "-httpListenAddr=127.0.0.1:18881" in monitor.line(RULES)
    assert "tills" not in monitor.line(OWN)
    assert monitor.line(OWN) in before
    assert monitor.host.read("/etc/systemd/system/edge-monitor-page@.service").count(":18881")
    assert "left out" not in monitor.status.message


def test_given_rules_that_came_when_run_then_their_evaluator_shuts_no_gate(monitor):
    monitor.set(relations={guest(group(RULE))}).run()

    (static,) = jobs(monitor)["vmalert-guests"]
    assert static["targets"] == ["127.0.0.1:18881"]
    assert "juju_unit" not in static["labels"]
    assert static["labels"]["node"]


def test_given_rules_that_go_when_changed_then_so_does_their_evaluator(monitor):
    monitor.set(relations={guest(group(RULE))}).run()

    monitor.set(relations=set()).run()

    assert not monitor.unit_exists(RULES)
    assert not monitor.host.glob("/etc/edge-monitor/guest-rules/*")
    assert "vmalert-guests" not in jobs(monitor)


def test_given_the_mode_agent_when_rules_come_then_there_is_nothing_to_ask(monitor):
    monitor.set(relations={guest(group(RULE))})

    monitor.config(mode="agent", remote_stores="https://far.example/w").run()

    assert not monitor.unit_exists(RULES)


def test_given_rules_and_too_little_memory_when_fitted_then_the_second_evaluator_counts(
    make_monitor,
):
    # 217 MB without it: what a store for 30 000 series and its helpers take.
    monitor = make_monitor().config(memory_limit_mb=220).run("install")
    assert isinstance(monitor.status, testing.ActiveStatus)

    monitor.set(relations={guest(group(RULE))}).run()

    assert isinstance(monitor.status, testing.BlockedStatus)
    assert monitor.status.message.startswith("memory: 30000 series need 241 MB")


# --- what is not ---------------------------------------------------------------------------------


def test_given_a_group_that_cannot_be_read_when_judged_then_the_others_go_on(monitor):
    bad, good = group(RULE, BROKEN, name="bad"), group(RULE, name="good")

    monitor.set(relations={guest(bad, good)}).run()

    assert [rule["alert"] for rule in written(monitor)["rules"]] == ["SomethingIsUp"]
    assert monitor.status.message.endswith("; rules of tills left out: bad")
    assert isinstance(monitor.status, testing.ActiveStatus)
    assert not monitor.host.exists("/etc/edge-monitor/guest-rules/trial")


def test_given_only_broken_rules_when_judged_then_nothing_runs_for_them(monitor):
    monitor.set(relations={guest(group(BROKEN))}).run()

    assert not monitor.unit_exists(RULES)
    assert isinstance(monitor.status, testing.ActiveStatus)


def test_given_rules_that_were_judged_when_looked_at_again_then_nobody_is_asked(monitor):
    monitor.set(relations={guest(group(RULE), group(BROKEN, name="bad"))}).run()
    before = len(asked(monitor)), len(monitor.restarts(RULES))

    monitor.run("update_status")

    assert (len(asked(monitor)), len(monitor.restarts(RULES))) == before
    assert monitor.status.message.endswith("; rules of tills left out: bad")


def test_given_another_version_of_the_evaluator_when_looked_at_then_it_judges_anew(monitor):
    monitor.set(relations={guest(group(RULE))}).run()
    before = len(asked(monitor))

    monitor.machine.path("/usr/bin/vmalert").write_text("# newer")
    monitor.run("update_status")

    assert len(asked(monitor)) == before + 1


def test_given_an_evaluator_that_does_not_answer_when_rules_change_then_the_former_go_on(monitor):
    monitor.set(relations={guest(group(RULE))}).run()
    monitor.machine.faults.add(pi.Fault(("vmalert", "-dryRun"), pi.hang()))

    monitor.set(relations={guest(group({**RULE, "alert": "Another"}))}).run()

    assert written(monitor)["rules"][0]["alert"] == "SomethingIsUp"
    assert monitor.unit_exists(RULES)
    assert "cannot be judged now" in monitor.status.message


@pytest.mark.parametrize(
    "change",
    [
        {"alert": "Watchdog"},
        {"alert": 7},
        {"alert": ""},
        {"expr": ["up"]},
        {"expr": "x" * 4097},
        {"for": "soon"},
        {"for": 5},
    ],
)
def test_given_a_rule_that_is_not_for_a_guest_when_read_then_its_group_is_left_out(change):
    found = taken({**RULE, **change})

    assert (found.groups, found.left_out) == ((), ("an_alert_rule_group",))


@pytest.mark.parametrize("groups", [None, 7, "x", [7], [{}], [{"name": "n", "rules": "x"}]])
def test_given_what_is_no_group_when_read_then_nothing_is_taken(groups):
    assert taken(groups=groups).groups == ()


def test_given_a_name_that_no_status_takes_when_left_out_then_it_is_told_without_such_signs():
    names = ("a\0b\ud800\n", "\0")

    found = taken(groups=[group(BROKEN, {}, name=name) for name in names])

    assert found.left_out == ("ab", "group 2")


def test_given_a_recording_rule_when_read_then_it_is_left_out():
    # It could write any series, of whatever is not its own.
    assert taken({"record": "up", "expr": "vector(1)"}).groups == ()


def test_given_too_many_when_read_then_the_first_are_taken_and_the_rest_are_named():
    groups = [group(RULE, name=f"g{number}") for number in range(guest_rules.MOST_GROUPS + 1)]
    many = [{**RULE, "alert": f"A{number}"} for number in range(guest_rules.MOST_RULES + 1)]

    assert len(taken(groups=groups).groups) == guest_rules.MOST_GROUPS
    assert taken(groups=groups).left_out == ("g20 (too many)",)
    assert taken(*many).left_out == ("an_alert_rule_group (too many)",)


def test_given_the_same_rule_twice_when_written_then_it_is_there_once():
    found = taken(RULE, dict(RULE))

    (written_,) = json.loads(guest_rules.document(found, found.groups))["groups"]
    assert len(written_["rules"]) == 1


def test_given_a_pictogram_when_written_then_it_is_in_one_piece():
    found = taken({**RULE, "annotations": {"summary": "\U0001f525 hot"}})

    text = guest_rules.document(found, found.groups)

    assert "\U0001f525 hot" in text


# --- whose it is ---------------------------------------------------------------------------------


def test_given_labels_that_say_something_here_when_read_then_they_are_not_the_guests_to_set():
    said = {
        "gate": "upgrade",
        "alertname": "Watchdog",
        "alertstate": "firing",
        "juju_application": "edge-microk8s",
        "juju_unit": "edge-microk8s/0",
        "site": "elsewhere",
        "severity": "critical",
        "not a name": "x",
        "count": 3,
    }

    (found,) = taken({**RULE, "labels": said}, labels={"juju_application": "tills"}).groups

    assert found.rules[0]["labels"] == {
        "severity": "critical",
        "gate": "",
        "juju_application": "tills",
    }


CALLED = {"juju_model": "shops", "juju_application": "tills-k8s", "juju_charm": "tills"}
HERE = {"juju_model": "site", "juju_application": "tills"}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            'up{juju_model="shops",juju_application="tills-k8s"} < 1',
            'up{juju_model="site",juju_application="tills"} < 1',
        ),
        ('x{juju_unit="tills-k8s/0"}', 'x{juju_unit="tills/0"}'),
        ('x{juju_unit=~"tills-k8s/[01]"}', 'x{juju_unit=~"tills/[01]"}'),
        ('x{juju_application="others"}', 'x{juju_application="others"}'),
        ('x{juju_charm="tills"}', 'x{juju_charm="tills"}'),
        ("x{%%juju_topology%%}", "x{}"),
        ('x{%%juju_topology%%, a="b"}', 'x{ a="b"}'),
    ],
)
def test_given_an_application_of_another_model_when_read_then_it_is_called_what_it_is_here(
    said, meant
):
    (found,) = taken({**RULE, "expr": said}, labels=HERE, called=CALLED).groups

    assert found.rules[0]["expr"] == meant


def test_given_a_guest_of_another_model_when_related_then_its_rules_are_of_this_one(monitor):
    metadata = {"model": "shops", "model_uuid": "u-2", "application": "tills-k8s"}
    rule = {**RULE, "expr": 'up{juju_model="shops",juju_application="tills-k8s"} < 1'}

    monitor.set(relations={guest(group(rule), metadata=metadata)}).run()

    (found,) = written(monitor)["rules"]
    model = monitor.state.model.name
    assert found["expr"] == f'up{{juju_model="{model}",juju_application="tills"}} < 1'
