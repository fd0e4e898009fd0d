"""What the monitor's stand-in answers: as the charm's files say, and no more than it can."""

import base64
import json
import urllib.error
import urllib.parse

import pytest

from edgecloud.telemetry import daemons, forwarder
from edgelab import pi
from edgelab.pi import monitoring, promql, telemetry

DATA = [
    ({"__name__": "up", "app": "a", "unit": "a/0"}, 1.0),
    ({"__name__": "up", "app": "a", "unit": "a/1"}, 0.0),
    ({"__name__": "up", "app": "b-c", "unit": "b/0"}, 1.0),
    ({"__name__": "ALERTS", "alertname": "Watchdog", "alertstate": "firing"}, 1.0),
]


def values(query):
    found = promql.answer(query, lambda: DATA)
    return found.value if isinstance(found, promql.Number) else [value for _, value in found]


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("up", [1, 0, 1]),
        ('up{app="a"}', [1, 0]),
        ('up{app!="a"}', [1]),
        ('up{app=~"a|b-c",unit=~".*/0"}', [1, 1]),
        ('up{app="typo"}', []),
        ("sum(up)", [2]),
        ("count(up == 1)", [2]),
        ("count by (app) (up)", [2, 1]),
        ("sum(min by (app) (up)) >= bool 2", [0]),
        ('count(up{app="typo"})', []),
        ('count(up{app="typo"}) or vector(0)', [0]),
        ("(count(up) or vector(0)) == bool 3", [1]),
        ('vector(1) and on() (count(up{app="a"}) >= 2)', [1]),
        ('vector(1) and on() (count(up{app="a"}) >= 3)', []),
        ('up{app="b-c"} or ALERTS{alertname="Watchdog"}', [1, 1]),
        ("2 > bool 1", 1.0),
        ("5", 5.0),
    ],
)
def test_given_a_query_when_answered_then_it_is_what_prometheus_would_say(query, answer):
    assert values(query) == answer


@pytest.mark.parametrize(
    "query", ["min(up", "up{", "rate(up[5m])", "up + 1", 'up{app=~"a\\-b"}', "up up", "", "sum(1)"]
)
def test_given_what_it_cannot_read_when_asked_then_it_does_not_guess(query):
    with pytest.raises(promql.QueryError):
        promql.answer(query, lambda: DATA)


DATA_OF_A_WHILE = [
    ({"__name__": "sag", "node": "a"}, [(0.0, 0.0), (60.0, 1.0), (120.0, 0.0)]),
    ({"__name__": "writes_total", "node": "a"}, [(0.0, 5.0), (60.0, 9.0), (120.0, 2.0)]),
]


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("max_over_time(sag[2m])", [1]),
        ("max_over_time(sag[30s])", [0]),
        ('max by (node) (max_over_time(sag{node="a"}[2m]) or max_over_time(gone[1h])) > 0', [1]),
        ("min_over_time(writes_total[1h])", [2]),
        ("increase(writes_total[2m])", [6]),
        ("last_over_time(writes_total[1d])", [2]),
        ("tlast_over_time(writes_total[1d])", [120]),
        ("max_over_time(gone[1h])", []),
        ('up{app="a"} / up{app="a"}', [1]),
        ('up{app="typo"} / up', []),
    ],
)
def test_given_a_query_of_the_past_when_answered_then_it_is_what_prometheus_would_say(
    query, answer
):
    def past(seconds):
        for labels, samples in DATA_OF_A_WHILE:
            yield labels, [(at, value) for at, value in samples if at >= 120 - seconds]

    assert [value for _, value in promql.answer(query, lambda: DATA, past)] == answer


@pytest.mark.parametrize("query", ["max_over_time(up[5m])", "max_over_time(up)", "up[5m]"])
def test_given_nothing_remembered_when_asked_for_the_past_then_it_does_not_guess(query):
    with pytest.raises(promql.QueryError):
        promql.answer(query, lambda: DATA)


# --- the door and the store ----------------------------------------------------------------------


def user(name, path, *labels):
    forced = urllib.parse.urlencode([("extra_label", label) for label in labels])
    place = {"src_paths": [path], "url_prefix": f"http://127.0.0.1:18428/?{forced}"}
    return {"username": name, "password": "p", "url_map": [place]}


DOOR = {
    "users": [
        user("gate", "/api/v1/query"),
        user("other", "/api/v1/write", "juju_unit=node/1", "site=harbour"),
    ]
}
SCRAPE = {
    "scrape_configs": [
        {
            "job_name": "k",
            "static_configs": [
                {"targets": ["10.20.0.12:10250"], "labels": {"job": "k", "juju_unit": "k/0"}}
            ],
        }
    ]
}
RULE = {"alert": "Watchdog", "expr": "vector(1)", "labels": {"severity": "none"}}


@pytest.fixture
def site(tmp_path):
    """A monitor on machine 0, which scrapes machine 1."""
    world = pi.World(tmp_path, pi.Clock())
    for number in ("0", "1"):
        world.add_machine(number)
    host = world.machines["0"].host()
    host.write("/etc/edge-monitor/door.yml", json.dumps(DOOR))
    host.write("/etc/edge-monitor/scrape.yml", json.dumps(SCRAPE))
    host.write("/etc/edge-monitor/tls/ca.crt", "authority")
    host.write(
        "/etc/edge-monitor/rules/heartbeat.rules", json.dumps({"groups": [{"rules": [RULE]}]})
    )
    for name in ("door", "store", "rules"):
        unit = f"edge-monitor-{name}.service"
        host.write(f"/etc/systemd/system/{unit}", "[Service]\nExecStart=/usr/bin/true\n")
        host.run(("/usr/bin/systemctl", "start", unit), timeout_s=9)
    return world


def ask(site, query, *, url="https://10.20.0.11:8427", user="gate", authority="authority"):
    pair = base64.b64encode(f"{user}:p".encode()).decode()
    address = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    headers = {"Authorization": f"Basic {pair}"}
    document = json.loads(site.machines["1"].host().fetch(address, headers, authority))
    return [float(sample["value"][1]) for sample in document["data"]["result"]]


def test_given_a_target_that_runs_when_asked_then_it_is_up_and_down_once_it_does_not(site):
    assert ask(site, "up") == [1]

    site.cut("0", "1")

    with pytest.raises(TimeoutError):
        ask(site, "up")
    found = list(monitoring.series(site.machines["0"]))
    assert found[0][1] == 0


def test_given_an_alert_that_a_test_raised_when_asked_then_it_fires_beside_the_heartbeat(site):
    site.machines["0"].host().write(monitoring.ALERTS, json.dumps([{"alertname": "DiskFull"}]))

    assert ask(site, 'ALERTS{alertstate="firing"}') == [1, 1]


def test_given_rules_that_are_not_evaluated_when_asked_then_there_is_no_alert_at_all(site):
    site.machines["0"].units["edge-monitor-rules.service"].active = False

    assert ask(site, "ALERTS") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"user": "other"},
        {"user": "nobody"},
        {"authority": "another"},
        {"url": "http://10.20.0.11:8427"},
        {"url": "https://10.20.0.11:1"},
        {"url": "http://10.20.0.11:18428"},
        {"url": "https://10.20.0.99:8427"},
    ],
    ids=str,
)
def test_given_a_wrong_way_to_ask_when_asked_then_nothing_is_answered(site, wrong):
    with pytest.raises(OSError):
        ask(site, "up", **wrong)


def test_given_a_query_that_the_store_cannot_read_when_asked_then_it_is_refused(site):
    with pytest.raises(urllib.error.HTTPError, match="422"):
        ask(site, "min(up")


# --- what machines deliver -----------------------------------------------------------------------

NODE = {
    "scrape_configs": [
        {
            "job_name": "node",
            "static_configs": [
                {
                    "targets": ["127.0.0.1:19100"],
                    "labels": {"job": "node", "node": "pi-1", "juju_unit": "liar/9"},
                }
            ],
        }
    ]
}


def deliver(site, *, user="other", authority="authority"):
    """Let machine 1 deliver, by a unit and files as the charm writes them."""
    sender = site.machines["1"]
    remote = forwarder.Remote(
        "https://10.20.0.11:8427/api/v1/write", user, "/etc/node/password", "/etc/node/ca"
    )
    known = telemetry.OPTIONS["/usr/bin/vmagent"].split()
    daemon = forwarder.daemon(forwarder.Forwarder((remote,), "/etc/node/scrape.yml"), known)
    host = sender.host()
    for path, text in (("password", "p"), ("ca", authority), ("scrape.yml", json.dumps(NODE))):
        host.write(f"/etc/node/{path}", text)
    for name in ("edge-node-exporter", daemon.name):
        text = (
            daemons.unit(daemon) if name == daemon.name else "[Service]\nExecStart=/usr/bin/true"
        )
        host.write(f"/etc/systemd/system/{name}.service", text)
        host.run(("/usr/bin/systemctl", "start", name), timeout_s=9)
    return sender


def test_given_a_machine_that_delivers_when_asked_then_its_series_are_the_doors_to_name(site):
    deliver(site)

    assert ask(site, 'up{job="node",node="pi-1",juju_unit="node/1",site="harbour"}') == [1]
    assert ask(site, 'up{juju_unit="liar/9"}') == []
    assert ask(site, 'node_timex_sync_status{node="pi-1"}') == [1]


def test_given_an_exporter_that_is_down_when_asked_then_its_machine_says_so(site):
    deliver(site).units["edge-node-exporter.service"].active = False

    assert ask(site, 'up{job="node"}') == [0]
    assert ask(site, "node_timex_sync_status") == []


@pytest.mark.parametrize("wrong", [{"user": "gate"}, {"user": "x"}, {"authority": "y"}], ids=str)
def test_given_a_machine_that_may_not_when_it_delivers_then_nothing_comes_in(site, wrong):
    deliver(site, **wrong)

    assert ask(site, 'up{job="node"}') == []


def test_given_a_machine_that_is_off_when_asked_then_it_is_missed(site):
    deliver(site).power_off()

    found = list(monitoring.series(site.machines["0"]))
    assert not [labels for labels, _ in found if labels.get("job") == "node"]


# --- alerts and what is remembered ---------------------------------------------------------------

SAG = {
    "alert": "UnderVoltage",
    "expr": 'max by (node) (max_over_time(edge_power_fault{since="now"}[10m])) > 0',
    "labels": {"severity": "critical"},
    "annotations": {"summary": "{{ $labels.node }} sags, {{ $value | humanize }}."},
}
LATER = {**SAG, "alert": "Later", "for": "1h"}
ODD = {**SAG, "alert": "Odd", "expr": "rate(up[5m]) > 0"}
TOLD = 'edge_power_fault{fault="under_voltage",since="now"} 1\n'


@pytest.fixture
def sagging(site):
    """A site with rules, where machine 1 delivers that its supply sags."""
    rules = json.dumps({"groups": [{"rules": [SAG, LATER, ODD]}]})
    site.machines["0"].host().write("/etc/edge-monitor/rules/board.rules", rules)
    deliver(site).host().write("/run/edge-agent/metrics/edge-node.prom", TOLD)
    return site


def raised(site):
    text = site.machines["0"].host().fetch("http://127.0.0.1:18880/api/v1/alerts", {}, "")
    return {alert["name"]: alert for alert in json.loads(text)["data"]["alerts"]}


def test_given_a_rule_that_holds_when_asked_then_it_fires_and_says_of_whom_and_since_when(sagging):
    before = raised(sagging)["UnderVoltage"]
    sagging.clock.advance(120)

    alert = raised(sagging)["UnderVoltage"]

    assert set(raised(sagging)) == {"Watchdog", "UnderVoltage"}
    assert alert["annotations"]["summary"] == "pi-1 sags, 1."
    assert alert["activeAt"] == before["activeAt"]


def test_given_a_rule_with_a_memory_when_all_is_well_again_then_it_fires_until_that_is_over(
    sagging,
):
    assert ask(sagging, 'ALERTS{severity="critical"}') == [1]
    told = TOLD.replace(" 1", " 0")
    sagging.machines["1"].host().write("/run/edge-agent/metrics/edge-node.prom", told)

    sagging.clock.advance(590)
    assert ask(sagging, 'ALERTS{severity="critical"}') == [1]
    sagging.clock.advance(20)

    assert ask(sagging, 'ALERTS{severity="critical"}') == []


def test_given_samples_of_a_while_when_asked_for_a_stretch_then_each_step_has_its_own(sagging):
    host = sagging.machines["0"].host()
    ask(sagging, "up")
    began = sagging.clock.now()
    sagging.clock.advance(600)
    ask(sagging, "up")
    asked = {
        "query": "max by (node) (edge_power_fault)",
        "start": began,
        "end": began + 600,
        "step": "600s",
    }

    text = host.fetch(
        f"http://127.0.0.1:18428/api/v1/query_range?{urllib.parse.urlencode(asked)}", {}, ""
    )

    (line,) = json.loads(text)["data"]["result"]
    assert line["values"] == [[began, "1.0"], [began + 600, "1.0"]]


@pytest.mark.parametrize(("expression", "code"), [("sum(up) > 0", 0), ("sum(up", 255)])
def test_given_rules_when_the_evaluator_tries_them_then_it_says_whether_it_can_read_them(
    site, expression, code
):
    host = site.machines["0"].host()
    host.run(("/usr/bin/apt-get", "install", "victoria-metrics"), timeout_s=600)
    host.write("/tmp/x", json.dumps({"groups": [{"rules": [{"alert": "A", "expr": expression}]}]}))

    tried = host.run(("/usr/bin/vmalert", "-dryRun", "-rule", "/tmp/x"), timeout_s=9, check=False)

    assert tried.returncode == code
