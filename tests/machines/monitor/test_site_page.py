"""The page of a site, filled from the real store and the real evaluator of its rules."""

import contextlib
import re
import subprocess
import sys
import time

import metrics_store
import monitor_site
import pytest
import stories

SOURCE = monitor_site.REPOSITORY / "charms/edge-monitor/src"
STEP_S = 30


def samples(now):
    """Return the last hour of two nodes: one that sags and has heated up, one that is gone."""
    series = {
        'node_boot_time_seconds{node="pi-1",role="control-plane"}': lambda n: now - 9000,
        'edge_temperature_celsius{node="pi-1"}': lambda n: 40 + n / 4,
        'edge_power_fault{node="pi-1",fault="under_voltage",since="now"}': lambda n: n > 100,
        'edge_kubernetes_ready{node="pi-1"}': lambda n: 1,
        'edge_kubernetes_schedulable{node="pi-1"}': lambda n: 1,
        'edge_snap_info{node="pi-1",snap="microk8s",version="v1.35.0"}': lambda n: 1,
        'edge_certificate_expiry_timestamp_seconds{node="pi-1",certificate="server"}': lambda n: (
            now + 40 * 86400
        ),
        'node_boot_time_seconds{node="pi-2",role="worker"}': lambda n: now if n < 60 else None,
    }
    series |= upgrade()
    for name, at in series.items():
        for n in range(121):
            if at(n) is not None:
                yield f"{name} {float(at(n))} {int(now - (120 - n) * STEP_S) * 1000}\n"


def upgrade():
    """Return what the controller's leader tells: a gate passed for half an hour, and fails now."""
    site = "upgrade_site"
    return {
        f'{site}_plan_info{{node="pi-1",plan="winter",generation="1",digest="d"}}': lambda n: 1,
        f'{site}_phase{{node="pi-1",phase="active"}}': lambda n: 1,
        f'{site}_phase{{node="pi-1",phase="held"}}': lambda n: 0,
        f'{site}_step_info{{node="pi-1",part="kubernetes/1.36"}}': lambda n: 1,
        f'{site}_wave{{node="pi-1"}}': lambda n: 1,
        f'{site}_waves{{node="pi-1"}}': lambda n: 2,
        f'{site}_window_open{{node="pi-1"}}': lambda n: 1,
        f'{site}_member_info{{node="pi-1",member="pi-1",wave="0",state="done"}}': lambda n: 1,
        f'{site}_member_info{{node="pi-1",member="pi-2",wave="1",state="waiting"}}': lambda n: 1,
        f'{site}_waits{{node="pi-1",member="pi-2",reason="gate calm: fail"}}': lambda n: 1,
        f'{site}_gate_info{{node="pi-1",gate="calm",kind="alerts",asks="severity=\\"critical\\"",'
        'when="before"}': lambda n: 1,
        f'{site}_gate_status{{node="pi-1",gate="calm"}}': lambda n: n < 60,
    }


@contextlib.contextmanager
def evaluator(store, folder):
    address = f"127.0.0.1:{metrics_store.free_port()}"
    command = (
        "vmalert",
        f"-rule={stories.RULES}/*.rules",
        f"-datasource.url={store}",
        f"-remoteWrite.url={store}",
        f"-notifier.url=http://127.0.0.1:{metrics_store.free_port()}",
        "-evaluationInterval=1s",
        f"-httpListenAddr={address}",
    )
    log = folder / "rules.log"
    with log.open("w") as said, subprocess.Popen(command, stderr=said) as daemon:
        try:
            metrics_store.wait_for(f"http://{address}")
            yield f"http://{address}"
        finally:
            daemon.terminate()


def page(store, rules):
    """Return what is answered to a request, by the program as systemd runs it."""
    command = (sys.executable, str(SOURCE / "site_main.py"), "lighthouse", store, rules, "180")
    ran = subprocess.run(
        command, input=b"GET / HTTP/1.1\r\n\r\n", capture_output=True, check=True, timeout=60
    )
    return ran.stdout.decode()


@pytest.fixture
def store(tmp_path):
    with metrics_store.running(tmp_path) as url:
        metrics_store.fill(url, samples(time.time()))
        yield url


def test_given_a_real_store_and_real_rules_when_asked_then_the_page_says_how_the_site_is(
    store, tmp_path
):
    with evaluator(store, tmp_path) as rules:
        for _ in range(60):
            answer = page(store, rules)
            if "The supply of pi-1 sags" in answer and "Fires: " in answer:
                break
            time.sleep(1)

    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert "pi-2 silent" in answer
    for text in ("The supply of pi-1 sags", "sags now", "70 °C", "Kubernetes v1.35.0", "39 days"):
        assert text in answer
    assert "last heard 30 min ago" in answer
    assert '<polyline points="' in answer
    for text in ("kubernetes/1.36, wave 1 of 1", "Held up: gate calm: fail", "1 waiting"):
        assert text in answer
    assert "Fires: UnderVoltage on pi-1" in answer  # As the store has it, not the evaluator.
    assert re.search(r"\b[34] pass, [34] fail", answer)


def test_given_no_evaluator_when_asked_then_the_page_says_that_alerts_are_unknown(store):
    answer = page(store, f"http://127.0.0.1:{metrics_store.free_port()}")

    assert "Alerts cannot be read" in answer
    assert "sags now" in answer


def test_given_neither_store_nor_evaluator_when_asked_then_there_is_a_page_all_the_same():
    nobody = f"http://127.0.0.1:{metrics_store.free_port()}"

    answer = page(nobody, nobody)

    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert "The store does not answer" in answer
