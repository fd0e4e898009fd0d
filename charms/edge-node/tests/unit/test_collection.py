"""What is collected on a machine with a monitor, and that nothing is without one."""

import dataclasses
import json
import shlex

import pytest
from conftest import WORKER
from ops import testing

import collection
from edgecloud.interfaces import node_metrics
from edgecloud.interfaces.handouts import Handout
from edgecloud.testing import decoded

SYSTEMCTL = "/usr/bin/systemctl"
FORWARDER, EXPORTER = "edge-forwarder", "edge-node-exporter"
PASSWORD = "pa55word"
SECRET = testing.Secret({"username": "writer-edge-node-0", "password": PASSWORD}, id="secret:abc")
SINK = node_metrics.Sink(
    schema=1,
    url="https://10.20.0.11:8427/api/v1/write",
    ca="-----BEGIN CERTIFICATE-----",
    interval_s=30,
    writers=(Handout("edge-node/0", "secret:abc"), Handout("edge-node/1", "secret:def")),
)


def unit(node, name):
    path = f"/etc/systemd/system/{name}.service"
    return node.host.read(path) if node.host.exists(path) else ""


def options(node, name=FORWARDER):
    (line,) = (line for line in unit(node, name).splitlines() if line.startswith("ExecStart="))
    pairs = (word.lstrip("-").partition("=") for word in shlex.split(line)[1:])
    return {key: value for key, _, value in pairs}


def secrets(node):
    return {path: node.host.read(path) for path in node.host.glob("/etc/edge-node/monitors/*")}


def starts(node):
    return [call for call in node.world.calls if "restart" in call.argv]


@pytest.fixture
def watched(node):
    """A node with a monitor that lets it in."""
    return node.runs(WORKER).watched_by(SINK, SECRET).wake_after_install()


def test_given_no_monitor_when_run_then_nothing_of_it_is_there(node):
    node.runs(WORKER).event()

    assert unit(node, FORWARDER) == unit(node, EXPORTER) == ""
    assert node.machine.packages == []
    assert not node.host.exists("/etc/edge-node/scrape.yml")


def test_given_a_monitor_when_run_then_exporter_and_forwarder_run_and_that_is_said(watched):
    for name in (FORWARDER, EXPORTER):
        assert watched.machine.units[f"{name}.service"].active
    said = decoded(node_metrics.Sender, watched.monitor.local_unit_data)
    assert (said.hostname, said.sends) == (watched.machine.hostname, True)
    assert "metrics" not in watched.status.message


def test_given_a_monitor_when_run_then_nothing_listens_beyond_this_machine(watched):
    assert options(watched)["httpListenAddr"].startswith("127.0.0.1:")
    assert options(watched, EXPORTER)["web.listen-address"].startswith("127.0.0.1:")


def test_given_a_monitor_when_run_then_the_password_lies_in_a_file_of_root_alone(watched):
    found = secrets(watched)

    assert found["/etc/edge-node/monitors/edge-monitor-0.password"] == PASSWORD
    modes = {watched.host.path(path).stat().st_mode & 0o777 for path in found}
    assert modes == {0o600}
    shown = [*(unit(watched, name) for name in (FORWARDER, EXPORTER)), watched.status.message]
    shown += [" ".join(call.argv) for call in watched.world.calls]
    shown += watched.monitor.local_unit_data.values()
    assert PASSWORD not in "".join(shown)


def test_given_a_monitor_when_run_then_the_queue_has_a_cap_and_its_series_say_whose(watched):
    assert options(watched)["remoteWrite.maxDiskUsagePerURL"] == str(512 * 2**20)
    document = json.loads(watched.host.read("/etc/edge-node/scrape.yml"))
    assert document["global"]["scrape_interval"] == "30s"
    assert {
        (job["job_name"], static["labels"]["node"], static["labels"]["role"])
        for job in document["scrape_configs"]
        for static in job["static_configs"]
    } == {("node", "pi-0", "worker"), ("vmagent", "pi-0", "worker")}


def test_given_nothing_new_when_run_again_then_nothing_restarts_and_nobody_is_woken(watched):
    before, said = len(starts(watched)), dict(watched.monitor.local_unit_data)

    watched.event()

    assert len(starts(watched)) == before
    assert watched.monitor.local_unit_data == said


@pytest.mark.parametrize("change", ["password", "ca", "buffer"])
def test_given_something_new_when_run_again_then_only_the_forwarder_restarts(watched, change):
    before = len(starts(watched))
    sink, secret = SINK, SECRET
    if change == "password":
        content = {"username": "writer-edge-node-0", "password": "another"}
        secret = testing.Secret(content, id="secret:abc")
    if change == "ca":
        sink = dataclasses.replace(SINK, ca="-----BEGIN CERTIFICATE----- another")
    if change == "buffer":
        watched.config = {"buffer-mb": 1024}

    watched.watched_by(sink, secret).event()

    assert [call.argv[-1] for call in starts(watched)[before:]] == [f"{FORWARDER}.service"]


def test_given_a_secret_that_is_not_granted_yet_when_run_then_it_waits_and_says_so(node):
    node.runs(WORKER).watched_by(SINK).wake_after_install()

    assert node.status.name == "waiting"
    assert "the monitor has not let this machine in yet" in node.status.message
    assert decoded(node_metrics.Sender, node.monitor.local_unit_data).sends is False


def test_given_a_secret_that_is_withdrawn_when_run_then_what_runs_goes_on(watched):
    before = unit(watched, FORWARDER)

    watched.watched_by(SINK).event()

    assert unit(watched, FORWARDER) == before
    assert secrets(watched)


def test_given_no_uplink_and_no_packages_when_run_then_it_is_said_and_tried_again_later(node):
    node.machine.uplink = False
    node.runs(WORKER).watched_by(SINK, SECRET).wake_after_install()
    assert node.status.name == "waiting"
    assert "no metrics, trying again: apt-get install failed" in node.status.message
    tries = len(apt(node))

    node.machine.uplink = True
    node.event()
    assert len(apt(node)) == tries
    assert "apt-get install failed" in node.status.message
    node.world.clock.advance(collection.TRY_AGAIN_S)
    node.event()

    assert decoded(node_metrics.Sender, node.monitor.local_unit_data).sends is True
    assert "metrics" not in node.status.message


def test_given_no_uplink_and_no_packages_when_ordered_then_the_order_is_carried_all_the_same(node):
    node.machine.uplink = False

    node.runs(WORKER).watched_by(SINK, SECRET).order("prepare").event()

    assert node.inbox is not None


def test_given_a_plan_under_way_when_packages_are_missing_then_apt_is_left_alone(node):
    node.runs(WORKER).watched_by(SINK, SECRET).order("prepare").wake_after_install()

    assert apt(node) == []
    assert "no packages are installed while a plan is under way" in node.status.message


def test_given_a_monitor_that_leaves_when_run_then_nothing_of_it_is_left(watched):
    queue = watched.host.path(f"/var/lib/{FORWARDER}/queue/1")
    queue.parent.mkdir(parents=True)
    queue.write_text("samples for nobody")

    watched.monitor = None
    watched.event()

    assert unit(watched, FORWARDER) == unit(watched, EXPORTER) == ""
    assert secrets(watched) == {}
    assert not watched.host.exists("/etc/edge-node/scrape.yml")
    assert not watched.host.exists(f"/var/lib/{FORWARDER}")


def test_given_a_watched_node_when_removed_then_nothing_of_it_runs(watched):
    watched.event("stop").event("remove")

    assert watched.host.glob("/etc/systemd/system/edge-*") == []
    assert secrets(watched) == {}


def test_given_a_forwarder_that_died_when_run_then_the_status_names_it(watched):
    watched.machine.units[f"{FORWARDER}.service"].active = False

    watched.wake().event()

    assert f"{FORWARDER} not running" in watched.status.message


def test_given_a_buffer_that_cannot_hold_when_set_then_it_blocks_and_the_former_stays(watched):
    before = unit(watched, FORWARDER)
    watched.config = {"buffer-mb": 100}

    watched.event("config_changed")

    assert watched.status == testing.BlockedStatus("buffer-mb: must be at least 512")
    assert unit(watched, FORWARDER) == before


def test_given_the_forwarders_least_when_compared_then_the_option_says_the_same():
    import node_options
    from edgecloud.telemetry import forwarder

    assert node_options.SMALLEST_BUFFER_MB == forwarder.SMALLEST_QUEUE_MB


def apt(node):
    return [call for call in node.world.calls if call.argv[0].endswith("apt-get")]
