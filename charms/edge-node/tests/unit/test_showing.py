"""What a machine does that is too short of memory to deliver its metrics itself."""

import dataclasses
import json
import time

import pytest
import test_collection
from conftest import WORKER
from ops import testing

import showing
from edgecloud.interfaces import node_metrics
from edgecloud.testing import decoded

FORWARDER, EXPORTER = "edge-forwarder", "edge-node-exporter"
SECRET, OLD = test_collection.SECRET, test_collection.SINK
CALLER = "-----BEGIN CERTIFICATE----- of who scrapes\n"
SINK = dataclasses.replace(OLD, scraper=CALLER)
ADDRESS = "192.0.2.0"
"""What ops.testing says a unit's address is."""


def said(node):
    return decoded(node_metrics.Sender, node.monitor.local_unit_data)


@pytest.fixture
def short(node):
    """A node with the memory of a Pi Zero 2 W."""
    node.host.write("/proc/meminfo", "MemTotal:         430000 kB\nMemFree:  99 kB\n")
    return node.runs(WORKER)


@pytest.fixture
def shown(short):
    """It, with a monitor that scrapes."""
    return short.watched_by(SINK, SECRET).wake_after_install()


@pytest.mark.parametrize(
    ("option", "memory_kb", "is_let_in", "is_scraped", "wanted"),
    [
        ("auto", 870_399, True, True, True),
        ("auto", 870_400, True, True, False),
        ("auto", 430_000, False, False, True),
        ("auto", 430_000, False, True, True),
        ("auto", 430_000, True, False, False),
        ("auto", 0, True, True, False),
        ("own", 430_000, True, True, False),
        ("none", 8_000_000, True, True, True),
        ("none", 8_000_000, True, False, True),
    ],
)
def test_given_an_option_and_a_machine_when_judged_then_it_shows_or_delivers(
    option, memory_kb, is_let_in, is_scraped, wanted
):
    found = showing.is_wanted(option, memory_kb, is_let_in=is_let_in, is_scraped=is_scraped)

    assert found is wanted


def test_given_little_memory_when_run_then_the_exporter_alone_is_installed_and_runs(shown):
    assert shown.machine.packages == ["prometheus-node-exporter"]
    assert shown.machine.units[f"{EXPORTER}.service"].active
    assert test_collection.unit(shown, FORWARDER) == ""


def test_given_little_memory_when_run_then_the_page_is_on_the_sites_network_and_guarded(shown):
    options = test_collection.options(shown, EXPORTER)
    unit = test_collection.unit(shown, EXPORTER)
    guard = json.loads(shown.host.read("/etc/edge-node/web.yml"))["tls_server_config"]

    assert options["web.listen-address"] == f"{ADDRESS}:19100"
    assert options["web.config.file"] == "%d/web.yml"
    assert guard["client_auth_type"] == "RequireAndVerifyClientCert"
    for name in (guard["cert_file"], guard["key_file"], guard["client_ca_file"]):
        assert f"LoadCredential={name}:/etc/edge-node/page/{name}" in unit
    assert shown.host.read("/etc/edge-node/page/callers.crt") == CALLER


def test_given_little_memory_when_run_then_the_monitor_is_told_where_and_by_what_it_is_known(
    shown,
):
    found = said(shown)

    assert (found.sends, found.page, found.hostname) == (False, f"{ADDRESS}:19100", "pi-0")
    assert (found.node, found.role) == ("pi-0", "worker")
    assert found.certificate == shown.host.read("/etc/edge-node/page/server.crt")
    assert "BEGIN CERTIFICATE" in found.certificate


def test_given_little_memory_when_run_then_the_key_stays_in_a_file_of_root_alone(shown):
    key = shown.host.read("/etc/edge-node/page/server.key")

    files = [*shown.host.glob("/etc/edge-node/page/*.key"), "/etc/edge-node/web.yml"]
    assert {shown.host.path(path).stat().st_mode & 0o777 for path in files} == {0o600}
    public = [*shown.monitor.local_unit_data.values(), test_collection.unit(shown, EXPORTER)]
    public += [" ".join(call.argv) for call in shown.world.calls]
    assert "PRIVATE KEY" in key
    assert not any(line in text for line in key.splitlines()[1:-1] for text in public)


def test_given_little_memory_when_run_then_the_status_says_that_nothing_is_kept(shown):
    assert shown.status.name == "active"
    assert shown.status.message.endswith("; metrics without a buffer, by forwarder")


def test_given_nothing_new_when_run_again_then_nothing_restarts_and_nobody_is_woken(shown):
    before, told = len(test_collection.starts(shown)), dict(shown.monitor.local_unit_data)

    shown.event()

    assert len(test_collection.starts(shown)) == before
    assert shown.monitor.local_unit_data == told


def test_given_an_exporter_that_died_when_run_then_it_is_missed_and_the_status_names_it(shown):
    shown.machine.units[f"{EXPORTER}.service"].active = False

    shown.wake().event()

    assert said(shown).page
    assert f"{EXPORTER} not running" in shown.status.message


def test_given_another_who_scrapes_when_run_then_only_that_one_is_let_in(shown):
    other = "-----BEGIN CERTIFICATE----- of another\n"

    shown.watched_by(dataclasses.replace(SINK, scraper=other), SECRET).event()

    assert shown.host.read("/etc/edge-node/page/callers.crt") == other
    restarted = [call.argv[-1] for call in test_collection.starts(shown)[-1:]]
    assert restarted == [f"{EXPORTER}.service"]


@pytest.mark.parametrize(("days_left", "anew"), [(401, False), (399, True)])
def test_given_a_certificate_near_its_end_when_run_then_it_is_made_anew(shown, days_left, anew):
    before = said(shown).certificate
    end = time.time() + 3650 * 86400  # openssl signs by this computer's clock.
    shown.world.clock.advance(end - days_left * 86400 - shown.world.clock.now())

    shown.event()

    assert said(shown).certificate not in ("", None)
    assert (said(shown).certificate != before) == anew


def test_given_a_monitor_that_does_not_scrape_when_auto_then_it_delivers_all_the_same(short):
    short.watched_by(OLD, SECRET).wake_after_install()

    assert test_collection.unit(short, FORWARDER)
    assert (said(short).sends, said(short).page) == (True, None)


def test_given_a_monitor_that_does_not_scrape_when_none_then_the_status_says_what_to_do(node):
    node.config = {"forwarder": "none"}
    node.runs(WORKER).watched_by(OLD, SECRET).wake_after_install()

    assert node.status.name == "waiting"
    assert "refresh it, or set forwarder=own" in node.status.message
    assert said(node).page is None


def test_given_plenty_of_memory_when_none_is_set_then_it_shows_its_page(node):
    node.config = {"forwarder": "none"}
    node.runs(WORKER).watched_by(SINK, SECRET).wake_after_install()

    assert said(node).page == f"{ADDRESS}:19100"


def test_given_a_forwarder_when_none_is_set_then_queue_and_password_go(node):
    node.runs(WORKER).watched_by(SINK, SECRET).wake_after_install()
    queue = node.host.path(f"/var/lib/{FORWARDER}/queue/1")
    queue.parent.mkdir(parents=True)
    queue.write_text("samples")
    assert test_collection.secrets(node)

    node.config = {"forwarder": "none"}
    node.event("config_changed")

    assert test_collection.unit(node, FORWARDER) == ""
    assert test_collection.secrets(node) == {}
    assert not queue.exists()
    assert not node.host.exists("/etc/edge-node/scrape.yml")


def test_given_a_page_when_own_is_set_then_the_exporter_goes_back_to_this_machine_alone(shown):
    shown.config = {"forwarder": "own"}
    shown.event("config_changed")

    assert (said(shown).sends, said(shown).page, said(shown).certificate) == (True, None, None)
    assert test_collection.options(shown, EXPORTER)["web.listen-address"] == "127.0.0.1:19100"
    assert shown.host.glob("/etc/edge-node/page/*") == []
    assert not shown.host.exists("/etc/edge-node/web.yml")
    assert "buffer" not in shown.status.message


def test_given_a_monitor_that_leaves_when_run_then_nothing_of_it_is_left(shown):
    shown.monitor = None

    shown.event()

    assert test_collection.unit(shown, EXPORTER) == ""
    assert shown.host.glob("/etc/edge-node/page/*") == []
    assert not shown.host.exists("/etc/edge-node/web.yml")
    assert "buffer" not in shown.status.message


def test_given_a_word_that_is_none_of_three_when_set_then_it_blocks_and_the_former_stays(shown):
    before = test_collection.unit(shown, EXPORTER)
    shown.config = {"forwarder": "maybe"}

    shown.event("config_changed")

    assert shown.status == testing.BlockedStatus("forwarder: must be one of auto, own, none")
    assert test_collection.unit(shown, EXPORTER) == before
