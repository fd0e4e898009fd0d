"""What the page is filled from: samples of the store and alerts, or the lack of them."""

import io
import urllib.parse

import metric_names
import pytest

import site_main
import site_source

NOW = 1_795_615_200.0
WATCHDOG = {
    "state": "firing",
    "name": "Watchdog",
    "labels": {"alertname": "Watchdog", "severity": "none"},
    "annotations": {"summary": "Alert rules are evaluated."},
    "activeAt": "2026-11-25T13:39:02.350123456Z",
}
HOT = {
    "state": "firing",
    "name": "ProcessorHot",
    "labels": {"severity": "critical", "gate": "upgrade", "node": "pi-1"},
    "annotations": {"summary": "pi-1 is hot.", "description": "See to its fan."},
    "activeAt": "2026-11-25T13:39:02Z",
}


class Store:
    """Answers each query with the samples that it was given for it."""

    def __init__(self, **samples):
        self.samples = samples

    def __call__(self, path):
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
        if path.startswith("/api/v1/query_range"):
            return self.range(asked)
        found = [
            {"metric": labels, "value": [NOW, str(value)]}
            for metric, samples in self.samples.items()
            if metric in asked["query"]
            for labels, value in samples
        ]
        return {"status": "success", "data": {"result": found}}

    def range(self, asked):
        assert float(asked["end"]) - float(asked["start"]) == 6 * 3600
        values = [[NOW - 600, "50"], [NOW, "51.5"]]
        return {"data": {"result": [{"metric": {"node": "pi-1"}, "values": values}]}}


def rules(*alerts):
    return lambda path: {"status": "success", "data": {"alerts": list(alerts)}}


def broken(path):
    raise OSError("connection refused")


def look(store=None, evaluator=None, further=()):
    return site_source.look(
        store or Store(),
        evaluator or rules(WATCHDOG),
        name="lighthouse",
        now=NOW,
        further=further,
    )


def test_given_samples_when_looked_at_then_each_is_in_its_place():
    site = look(
        Store(
            tlast_over_time=[({"node": "pi-1"}, NOW - 5)],
            edge_kubernetes_ready=[({"node": "pi-1"}, 0)],
            upgrade_node_state=[({"node": "pi-1", "state": "soaking"}, 1)],
        )
    )

    (node,) = site.nodes
    assert (node.name, node.heard, node.ready, node.heat) == ("pi-1", NOW - 5, False, (50, 51.5))
    assert node.state == "soaking"
    assert (site.problem, site.alerts) != ("", None)


def test_given_a_sample_without_a_node_when_looked_at_then_no_row_is_made_of_it():
    assert [n.name for n in look(Store(edge_kubernetes_ready=[({}, 1)])).nodes] == ["pi-1"]


def test_given_alerts_when_looked_at_then_they_say_what_to_do_and_since_when():
    hot = look(evaluator=rules(WATCHDOG, HOT)).alerts[1]

    assert (hot.node, hot.summary, hot.description) == ("pi-1", "pi-1 is hot.", "See to its fan.")
    assert hot.since == pytest.approx(1795613942)
    assert hot.holds_upgrades


def test_given_a_pending_alert_when_looked_at_then_it_does_not_fire():
    assert len(look(evaluator=rules(WATCHDOG, {**HOT, "state": "pending"})).alerts) == 1


@pytest.mark.parametrize(
    "evaluator", [broken, rules(), rules(HOT), lambda path: {"data": None}, lambda path: []]
)
def test_given_rules_that_are_silent_when_looked_at_then_alerts_are_unknown(evaluator):
    site = look(evaluator=evaluator)

    assert site.alerts is None
    assert "The rules" in site.problem


def test_given_alerts_of_an_application_when_looked_at_then_they_are_shown_beside_the_sites():
    site = look(evaluator=rules(WATCHDOG), further=[rules(HOT)])

    assert [alert.name for alert in site.alerts] == ["Watchdog", "ProcessorHot"]


def test_given_an_applications_rules_that_are_silent_when_looked_at_then_the_sites_are_shown():
    site = look(evaluator=rules(WATCHDOG, HOT), further=[broken])

    assert len(site.alerts) == 2
    assert "The rules of applications do not answer" in site.problem


def test_given_silent_rules_of_the_site_when_an_application_has_alerts_then_all_are_unknown():
    assert look(evaluator=broken, further=[rules(HOT)]).alerts is None


@pytest.mark.parametrize(
    "store",
    [broken, lambda path: {"status": "error", "error": "no"}, lambda path: {}, lambda path: 7],
)
def test_given_a_store_that_is_silent_when_looked_at_then_the_page_says_so(store):
    site = look(store)

    assert site.nodes == ()
    assert site.problem.startswith("The store does not answer")


def queries():
    words = [query for _, query in site_source.WORDS.values()]
    return [*site_source.NUMBERS.values(), *site_source.ANSWERS.values(), *words, site_source.HEAT]


@pytest.mark.parametrize("query", queries())
def test_given_a_query_of_the_page_when_read_then_something_serves_its_metrics(query):
    assert metric_names.asked(query) <= metric_names.known()


@pytest.mark.parametrize(
    ("request_line", "status", "has_body"),
    [
        (b"GET / HTTP/1.1", b"200", True),
        (b"GET /?x=1 HTTP/1.0", b"200", True),
        (b"HEAD / HTTP/1.1", b"200", False),
        (b"GET /etc/passwd HTTP/1.1", b"404", False),
        (b"POST / HTTP/1.1", b"405", False),
        (b"GET /", b"400", False),
        (b"", b"400", False),
    ],
)
def test_given_a_request_when_answered_then_only_the_page_is_given(request_line, status, has_body):
    head, _, body = site_main.answer(request_line + b"\r\n\r\n", "<p>é</p>").partition(b"\r\n\r\n")

    assert head.split()[1] == status
    assert body == ("<p>é</p>".encode() if has_body else b"")
    assert b"default-src 'none'" in head


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\nrest", b"GET / HTTP/1.1\r\n"])
def test_given_a_request_when_read_then_its_end_is_found_or_the_connection_ends_it(sent):
    assert site_main.read_request(io.BytesIO(sent)).startswith(b"GET / HTTP/1.1\r\n")


def test_given_a_request_without_end_when_read_then_it_is_cut():
    assert len(site_main.read_request(io.BytesIO(b"x" * 100_000))) <= 2 * site_main.LONGEST_REQUEST
