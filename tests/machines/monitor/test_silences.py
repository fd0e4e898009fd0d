"""Who is called out while a node is upgraded, by the real Alertmanager: nobody for that node."""

import itertools
import json
import pathlib
import re
import shlex
import subprocess
import time

import gate_site
import pytest
from monitor_site import get, post, wait

import alerting
import silencer
import silences
import store
from edgecloud.host import web
from edgecloud.interfaces.health_gate import Disturbance
from edgecloud.rollout import ledger, terms

CALM = terms.Gate("calm", "alerts", 'severity="critical"')
SILENT = {
    "alert": "NodeSilent",
    "expr": "last_over_time(synth_down[10m]) == 1",
    "labels": {"severity": "critical", "gate": "upgrade"},
}
HOT = {**SILENT, "alert": "ProcessorHot", "expr": "last_over_time(synth_hot[10m]) == 1"}
API = f"{alerting.URL}/api/v2"
LEASE_S = 40
OTHER, NUMBERS = "pi-1", itertools.count(2)


@pytest.fixture(scope="module")
def running(tmp_path_factory, monitor_programs, progress):
    made = gate_site.Monitor(tmp_path_factory.mktemp("silences"), SILENT, HOT).start()
    try:
        wait(lambda: made.verdict(CALM) is ledger.Verdict.PASS, timeout_s=60)
        yield made
    finally:
        made.stop()


@pytest.fixture
def node():
    """A node of the test's own: who was told that one is down is not told again for hours."""
    return f"pi-{next(NUMBERS)}"


@pytest.fixture
def monitor(running, node):
    """A site on which nothing fires, nobody is silenced, and nobody was told anything yet."""
    yield running
    for each in (OTHER, node):
        set_(each, down=0, hot=0)
    wait(lambda: not json.loads(get(f"{API}/alerts", active="true"))[1:], timeout_s=60)
    silencer.ensure(running.host, [])
    running.receiver.taken.clear()


def set_(node, **values):
    for name, value in values.items():
        post(f"{store.URL}/api/v1/import/prometheus", f'synth_{name}{{node="{node}"}} {value}')


def disturb(monitor, *nodes, seconds=LEASE_S):
    """Say to Alertmanager what the monitor's charm does when it hears this of its controller."""
    until = int(time.time()) + seconds
    said = [Disturbance(node, until, "winter-2026", "kubernetes/1.35") for node in nodes]
    return silencer.ensure(monitor.host, said)


def told(monitor, name="NodeSilent"):
    return [alert["labels"]["node"] for alert in monitor.receiver.named(name)]


def listed():
    """The silences that count now, as Alertmanager tells everybody."""
    found = json.loads(get(f"{API}/silences"))
    return [each for each in found if each["status"]["state"] == "active"]


def test_given_a_disturbed_node_when_it_goes_away_then_the_gate_knows_and_nobody_is_called(
    monitor, node, progress
):
    def meanwhile(check):
        """Wait for a check, and say anew what disturbs the node, as its controller does."""
        wait(lambda: disturb(monitor, node) and check(), timeout_s=90, every_s=2)

    disturb(monitor, node)
    set_(node, down=1)

    meanwhile(lambda: monitor.verdict(CALM) is ledger.Verdict.FAIL)
    set_(OTHER, down=1)
    meanwhile(lambda: told(monitor))
    # Three times as long as anything is gathered before it is delivered.
    end = time.monotonic() + 6
    meanwhile(lambda: time.monotonic() > end)

    assert set(told(monitor)) == {OTHER}
    progress("the gate fails; the other node is reported, the disturbed one is not")
    wait(lambda: node in told(monitor), timeout_s=LEASE_S + 90)
    assert listed() == []
    progress("nobody said it anew: the silence ended by itself, and the node is reported")


def test_given_a_disturbed_node_when_something_else_is_wrong_with_it_then_somebody_is_told(
    monitor,
    node,
):
    disturb(monitor, node, seconds=900)
    set_(node, down=1, hot=1)

    wait(lambda: set(told(monitor, "ProcessorHot")) == {node}, timeout_s=90)
    time.sleep(4)
    assert told(monitor) == []


def test_given_a_node_that_is_through_and_away_when_said_then_it_is_reported_at_once(
    monitor, node
):
    disturb(monitor, node, seconds=900)
    set_(node, down=1)
    time.sleep(12)
    assert told(monitor) == []

    disturb(monitor)

    wait(lambda: set(told(monitor)) == {node}, timeout_s=90)


def test_given_a_silence_when_it_is_renewed_then_it_stays_the_same_and_says_who_made_it(
    monitor, node
):
    disturb(monitor, node, seconds=60)
    (first,) = listed()

    disturb(monitor, node, seconds=600)

    (renewed,) = listed()
    assert (renewed["id"], renewed["startsAt"]) == (first["id"], first["startsAt"])
    assert renewed["endsAt"] > first["endsAt"]
    assert renewed["createdBy"] == "edge-upgrade-controller"
    assert renewed["comment"] == f"plan winter-2026, step kubernetes/1.35 disturbs {node}"
    assert disturb(monitor, node, seconds=600).expire == ()


def test_given_an_operators_silence_when_ours_come_and_go_then_theirs_stays(monitor, node):
    theirs = {**of_node(OTHER), "createdBy": "ann"}
    web.send(monitor.host, f"{API}/silences", method="POST", text=json.dumps(theirs), timeout_s=5)

    disturb(monitor, OTHER)
    disturb(monitor)

    (left,) = listed()
    assert left["createdBy"] == "ann"
    web.send(monitor.host, f"{API}/silence/{left['id']}", method="DELETE", timeout_s=5)


def test_given_the_command_of_the_how_to_when_run_then_a_site_is_silenced_for_just_that(monitor):
    page = pathlib.Path(__file__).parents[3] / "docs/how-to/connect-cos.md"
    (line,) = re.findall(r"^amtool .*$", page.read_text(), re.MULTILINE)

    words = shlex.split(line.replace("https://alertmanager.example", alerting.URL))
    subprocess.run(words, check=True, capture_output=True, timeout=30)

    (silence,) = listed()
    said = {each["name"]: (each["value"], each["isRegex"]) for each in silence["matchers"]}
    assert said == {"site": ("harbour", False), "alertname": ("|".join(silences.EXCUSED), True)}
    web.send(monitor.host, f"{API}/silence/{silence['id']}", method="DELETE", timeout_s=5)


def of_node(node):
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600))
    matcher = {"name": "node", "value": node, "isRegex": False}
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"matchers": [matcher], "startsAt": start, "endsAt": end, "comment": "I am here"}


def test_given_an_alertmanager_that_was_killed_when_it_is_back_then_the_next_hook_silences_anew(
    monitor,
    node,
):
    disturb(monitor, node, seconds=900)
    process = monitor.processes[alerting.NAME]
    process.kill()
    with pytest.raises(silencer.DeafError):
        disturb(monitor, node, seconds=900)
    process.start()
    wait(lambda: get(f"{API}/status"))

    disturb(monitor, node, seconds=900)

    assert [each["matchers"][1]["value"] for each in listed()] == [node]
