"""Gates, asked of a real server that answers like Prometheus."""

import base64
import http.server
import json
import threading
import urllib.parse

import hypothesis
import pytest
from hypothesis import strategies

import gates
from edgecloud.interfaces.health_gate import Access, Question
from edgecloud.rollout import ledger, terms

Verdict = ledger.Verdict
NOW = 1_800_000_000
PROMQL = terms.Gate("well", "promql", "min(up)")
ALERTS = terms.Gate("calm", "alerts", 'severity="critical"')


def vector(*samples):
    """An answer with samples of (labels, age in seconds, value)."""
    found = [{"metric": m, "value": [NOW - age, str(value)]} for m, age, value in samples]
    return {"status": "success", "data": {"resultType": "vector", "result": found}}


def verdicts(*args):
    return {name: each.verdict for name, each in gates.ask(*args).items()}


WATCHDOG = ({"alertname": "Watchdog"}, 0, 1)
FIRING = ({"alertname": "DiskFull"}, 0, 1)


@pytest.fixture
def monitor():
    """A server that answers what its ``answer`` says, and keeps what it was asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append((self.path, self.headers.get("Authorization")))
            body = server.answer if isinstance(server.answer, bytes) else json.dumps(server.answer)
            self.send_response(server.code)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else body.encode())

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.answer, server.code = [], vector(({}, 0, 1)), 200
    server.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("gate", "answer", "verdict"),
    [
        (PROMQL, vector(({}, 0, 1)), Verdict.PASS),
        (PROMQL, vector(({}, 0, 1), ({}, 0, 0)), Verdict.FAIL),
        (PROMQL, vector(), Verdict.INCONCLUSIVE),
        (PROMQL, vector(({}, 600, 1)), Verdict.INCONCLUSIVE),
        (PROMQL, vector(({}, 600, 0)), Verdict.INCONCLUSIVE),
        (PROMQL, vector(({}, 0, "NaN")), Verdict.INCONCLUSIVE),
        (ALERTS, vector(WATCHDOG), Verdict.PASS),
        (ALERTS, vector(WATCHDOG, FIRING), Verdict.FAIL),
        (ALERTS, vector(), Verdict.INCONCLUSIVE),
        (PROMQL, {"status": "error"}, Verdict.ERROR),
        (PROMQL, b"<html>", Verdict.ERROR),
        (PROMQL, b"\xff", Verdict.ERROR),
    ],
    ids=str,
)
def test_given_an_answer_when_asked_then_only_a_whole_and_fresh_one_decides(
    monitor, gate, answer, verdict
):
    monitor.answer = answer

    assert verdicts(Access(monitor.url), [gate], NOW) == {gate.name: verdict}


@pytest.mark.parametrize(
    ("gate", "answer", "said"),
    [
        (ALERTS, vector(WATCHDOG, ({"alertname": "DiskFull", "node": "pi-1"}, 0, 1)),
         "DiskFull on pi-1"),
        (ALERTS, vector(*(({"alertname": f"A{n}"}, 0, 1) for n in range(5))),
         "A0, A1, A2 and 2 more"),
        (PROMQL, vector(({"node": "pi-1"}, 0, 0), ({"node": "pi-2"}, 0, 1)), "pi-1"),
        (PROMQL, vector(({}, 0, 0)), ""),
        (PROMQL, vector(), "nothing is known"),
        (PROMQL, vector(({}, 600, 1)), "the answer is old or odd"),
        (PROMQL, {"status": "error"}, "the monitor answers what is no answer"),
        (PROMQL, vector(({}, 0, 1)), ""),
    ],
)  # fmt: skip
def test_given_an_answer_that_does_not_pass_when_asked_then_it_is_said_why(
    monitor, gate, answer, said
):
    monitor.answer = answer

    assert gates.ask(Access(monitor.url), [gate], NOW)[gate.name].said == said


def test_given_a_scalar_when_judged_then_it_counts_like_a_sample():
    answer = {"status": "success", "data": {"resultType": "scalar", "result": [NOW, "1"]}}

    assert gates.judge(PROMQL, answer, NOW) is Verdict.PASS


def test_given_a_server_error_when_asked_then_it_is_no_verdict_on_the_site(monitor):
    monitor.code = 503

    assert verdicts(Access(monitor.url), [PROMQL], NOW) == {"well": Verdict.ERROR}


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://127.0.0.1", "file:///etc/passwd"])
def test_given_nobody_to_ask_when_asked_then_it_is_an_error(url):
    assert verdicts(Access(url), [PROMQL], NOW) == {"well": Verdict.ERROR}


def test_given_a_certificate_that_is_none_when_asked_then_it_is_an_error():
    access = Access("https://127.0.0.1:1", ca="no certificate")

    assert verdicts(access, [PROMQL], NOW) == {"well": Verdict.ERROR}


def test_given_no_access_when_asked_then_every_gate_is_an_error():
    assert verdicts(None, [PROMQL, ALERTS], NOW) == dict.fromkeys(("well", "calm"), Verdict.ERROR)


def test_given_a_password_when_asked_then_it_goes_in_the_header_only(monitor):
    gates.ask(Access(monitor.url, username="gate", password="s3cret"), [PROMQL], NOW)

    ((path, header),) = monitor.asked
    assert base64.b64decode(header.split()[1]) == b"gate:s3cret"
    assert "s3cret" not in path


def test_given_time_is_up_when_asked_then_the_rest_is_not_asked(monitor, monkeypatch):
    monkeypatch.setattr(gates, "ALL_S", 0)

    assert verdicts(Access(monitor.url), [PROMQL], NOW) == {"well": Verdict.ERROR}
    assert monitor.asked == []


@pytest.mark.parametrize(
    ("gate", "query"),
    [
        (PROMQL, "min(up)"),
        (terms.Gate("w", "promql", "min(up)", for_s=300), "min_over_time((min(up))[300s:30s])"),
        (terms.Gate("nodes-up", "promql"), "min(node)"),
        (
            ALERTS,
            'ALERTS{alertstate="firing",severity="critical"}'
            ' or ALERTS{alertstate="firing",alertname="Watchdog"}',
        ),
        (
            terms.Gate("a", "alerts", for_s=60),
            'max_over_time(ALERTS{alertstate="firing"}[60s])'
            ' or ALERTS{alertstate="firing",alertname="Watchdog"}',
        ),
    ],
)
def test_given_a_gate_when_asked_then_the_monitor_hears_this_query(monitor, gate, query):
    gates.ask(Access(monitor.url, questions=(Question("nodes-up", "min(node)"),)), [gate], NOW)

    address = urllib.parse.urlsplit(monitor.asked[0][0])
    assert address.path == "/api/v1/query"
    assert urllib.parse.parse_qs(address.query) == {"query": [query]}


def test_given_a_question_that_nobody_offers_when_asked_then_it_is_an_error(monitor):
    gate = terms.Gate("moon", "promql")

    assert verdicts(Access(monitor.url), [gate], NOW) == {"moon": Verdict.ERROR}


@pytest.mark.parametrize(("asked", "has_monitor"), [([PROMQL], True), ([], False)])
def test_given_gates_and_a_monitor_or_none_when_checked_then_all_is_well(asked, has_monitor):
    assert gates.problems(asked, has_monitor=has_monitor) == []


def test_given_gates_that_nobody_can_answer_when_checked_then_the_remedy_is_said():
    found = gates.problems([PROMQL], has_monitor=False)

    assert found == ["gates: relate health-gate to a monitor first"]


JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.floats() | strategies.text(max_size=6),
    lambda inner: (
        strategies.lists(inner, max_size=3)
        | strategies.dictionaries(
            strategies.sampled_from(("status", "data", "result", "resultType", "metric", "value")),
            inner,
        )
    ),
    max_leaves=8,
)


@hypothesis.given(JSON)
def test_given_any_answer_when_judged_then_it_never_passes_by_accident(answer):
    assert gates.judge(PROMQL, answer, NOW) is not Verdict.PASS
