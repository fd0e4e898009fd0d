"""What is scraped of what other charms publish."""

import json
import re

import hypothesis
import pytest
from hypothesis import strategies

from edgecloud.telemetry import scrape

UNIT = {"juju_application": "edge-microk8s", "juju_unit": "edge-microk8s/0"}


def raw(name="job", port=1, **more):
    targets = more.pop("targets", [f"localhost:{port}"])
    return {"job_name": name, "static_configs": [{"targets": targets, "labels": {}}], **more}


def read(*jobs):
    return scrape.read(list(jobs), address="10.0.0.5", labels=UNIT)


def kubelite(*ports, path="/metrics"):
    return read(*(raw(f"k{port}", port, metrics_path=path) for port in ports))


def targets(jobs):
    return [(target, job.path) for job in jobs for target, _ in job.targets]


def test_given_a_target_on_loopback_when_read_then_it_is_sought_at_the_unit_with_its_topology():
    (job,) = read(raw("containerd", 1338))

    assert job.targets == (("10.0.0.5:1338", UNIT),)


@pytest.mark.parametrize(
    "host",
    [
        *("*", "LOCALHOST", "localhost.", "a.localhost", "127.0.0.53", "127.1", "0", "2130706433"),
        *("0x7f000001", "0.0.0.0", "::1", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::1%lo]"),
    ],
)
def test_given_any_name_of_loopback_when_read_then_it_is_sought_at_the_unit(host):
    (job,) = read(raw("a", targets=[f"{host}:9093"]))

    assert job.targets == (("10.0.0.5:9093", UNIT),)


@pytest.mark.parametrize("host", ["localhost:9093/x#", "a@127.0.0.1", "a b", "a?b", "a/../b"])
def test_given_a_host_that_holds_more_than_a_name_when_read_then_it_is_left_out(host):
    assert read(raw("a", targets=[f"{host}:1"])) == []


@pytest.mark.parametrize("host", ["pi-1.local", "10.0.0.9", "[fd00::9]", "fd00::9"])
def test_given_a_target_elsewhere_when_read_then_it_is_sought_there(host):
    (job,) = read(raw("a", targets=[f"{host}:9100"]))

    assert job.targets == ((f"{host}:9100", UNIT),)


def test_given_a_unit_that_claims_to_be_another_when_read_then_it_is_what_juju_says():
    claim = {"targets": ["localhost:1"], "labels": {"juju_unit": "other/9", "node": "pi-1"}}

    (job,) = read({"job_name": "a", "static_configs": [claim]})

    assert job.targets[0][1] == {**UNIT, "node": "pi-1"}


def test_given_fields_that_could_do_harm_when_read_then_only_the_harmless_are_taken():
    (job,) = read(
        raw(
            "a",
            1,
            file_sd_configs=[{"files": ["/etc/*"]}],
            basic_auth={"username": "a", "password_file": "/etc/shadow"},
            proxy_url="http://evil",
            scheme="gopher",
            metrics_path="metrics",
            metric_relabel_configs=[
                {"source_labels": ["__name__"], "regex": "(", "action": "drop"},
                {"source_labels": ["__name__"], "regex": "go_.*", "action": "drop"},
                {"target_label": "juju_unit", "replacement": "x"},
            ],
        )
    )

    written = json.loads(scrape.config([job], interval_s=60))["scrape_configs"][0]
    assert (written["scheme"], written["metrics_path"]) == ("http", "/metrics")
    assert written["metric_relabel_configs"] == [
        {"source_labels": ["__name__"], "regex": "go_.*", "action": "drop"}
    ]
    assert set(written) == {
        "job_name",
        "metrics_path",
        "scheme",
        "scrape_align_interval",
        "static_configs",
        "metric_relabel_configs",
    }


@pytest.mark.parametrize(
    ("ports", "kept"),
    [
        ((10250,), [10250]),
        ((16443, 10250, 10257, 10259, 10249), [10250]),
        ((16443, 10257), [16443]),
        ((16443, 16443, 16443), [16443]),
        ((10250, 1338), [10250, 1338]),
    ],
)
def test_given_one_process_on_many_ports_when_thinned_then_it_is_scraped_once(ports, kept):
    found = scrape.once_per_process(kubelite(*ports))

    assert targets(found) == [(f"10.0.0.5:{port}", "/metrics") for port in kept]


def test_given_other_pages_of_kubelite_when_thinned_then_they_stay():
    jobs = kubelite(10250) + kubelite(10250, path="/metrics/cadvisor")

    assert len(scrape.once_per_process(jobs)) == 2


def test_given_kubelite_when_thinned_then_its_widest_histograms_go():
    (job,) = scrape.once_per_process(kubelite(10250))

    assert set(scrape.HEAVY) <= set(job.drop)


def test_given_jobs_of_one_name_when_written_then_names_differ_and_series_do_not():
    jobs = read(raw("a", 1)) + read(raw("a", 2))

    written = json.loads(scrape.config(jobs, interval_s=30))["scrape_configs"]

    assert [job["job_name"] for job in written] == ["a", "a-1"]
    assert {job["static_configs"][0]["labels"]["job"] for job in written} == {"a"}


def test_given_labels_that_say_where_to_scrape_when_read_then_they_are_left_out():
    # What is asked of the store's own address could remove all that it keeps.
    said = {"__address__": "127.0.0.1:18428", "__scheme__": "http", "__param_match": "x", "a": "b"}
    static = {"targets": ["*:9000"], "labels": said}

    (job,) = read({"job_name": "a", "static_configs": [static]})

    assert job.targets == (("10.0.0.5:9000", {"a": "b", **UNIT}),)


@pytest.mark.parametrize(
    ("regex", "is_taken"),
    [
        ("go_.*|process_[a-z_]+", True),
        (r"(?:http|rpc)_\w+?_bucket", True),
        ("(?!go_).*", False),
        ("(?x)go_.*", False),
        (r"(a)\1", False),
        ("a++", False),
        ("a{2000}", False),
        ("(" * 3000 + ")" * 3000, False),
        ("a*)", False),
    ],
)
def test_given_an_expression_when_read_then_it_is_taken_if_every_scraper_reads_it(regex, is_taken):
    rule = {"source_labels": ["__name__"], "regex": regex, "action": "drop"}

    (job,) = read(raw(metric_relabel_configs=[rule]))

    assert job.drop == ((regex,) if is_taken else ())


def test_given_signs_beyond_ascii_when_written_then_none_is_in_halves():
    job = scrape.Job("a", (("10.0.0.1:1", {"place": "\U0001f525 \ud83d \x85 ö"}),))

    text = scrape.config([job], interval_s=60)

    assert r"\ud83d" not in text
    (static,) = json.loads(text)["scrape_configs"][0]["static_configs"]
    assert static["labels"]["place"] == "\U0001f525 \ufffd \x85 ö"
    assert not re.search("[\x7f-\uffff]", text)


JSON = strategies.recursive(
    strategies.none() | strategies.integers() | strategies.text(max_size=6),
    lambda inner: (
        strategies.lists(inner, max_size=3)
        | strategies.dictionaries(
            strategies.sampled_from(
                (
                    "job_name",
                    "static_configs",
                    "targets",
                    "labels",
                    "tls_config",
                    "authorization",
                    "metric_relabel_configs",
                    "params",
                    "regex",
                )
            ),
            inner,
        )
    ),
    max_leaves=10,
)


def test_given_jobs_when_written_then_all_are_scraped_in_the_same_second():
    jobs = [scrape.Job("a", (("10.0.0.1:1", {}),)), scrape.Job("b", (("10.0.0.2:1", {}),))]

    document = json.loads(scrape.config(jobs, interval_s=30))

    assert {job["scrape_align_interval"] for job in document["scrape_configs"]} == {"30s"}


@hypothesis.given(JSON)
def test_given_anything_in_a_databag_when_read_then_it_is_a_configuration_or_nothing(document):
    jobs = scrape.once_per_process(scrape.read(document, address="10.0.0.5", labels=UNIT))

    assert json.loads(scrape.config(jobs, interval_s=60))["global"]["scrape_interval"] == "60s"
