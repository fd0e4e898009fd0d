"""What is scraped of charms that are not of this collection."""

import json

import pytest
from ops import testing

JOB = {"job_name": "till", "static_configs": [{"targets": ["*:9000"], "labels": {"room": "a"}}]}


def guest(*jobs, name="tills", said="tills/0", address="10.0.0.7"):
    metadata = {"model": "elsewhere", "model_uuid": "u", "application": "edge-node"}
    return testing.Relation(
        "metrics-endpoint",
        remote_app_name=name,
        remote_app_data={
            "scrape_jobs": json.dumps(jobs),
            "scrape_metadata": json.dumps(metadata),
        },
        remote_units_data={
            0: {
                "prometheus_scrape_unit_address": address,
                "prometheus_scrape_unit_name": said,
            }
        },
    )


def job(monitor, name="till"):
    text = monitor.host.read("/etc/edge-monitor/scrape.yml")
    return {each["job_name"]: each for each in json.loads(text)["scrape_configs"]}.get(name)


def watched(monitor):
    return monitor.host.read("/etc/edge-monitor/rules/heartbeat.rules")


def test_given_a_guest_when_related_then_it_is_scraped_within_the_budget_of_series(monitor):
    monitor.set(relations={guest(JOB)}).run()

    found = job(monitor)
    (static,) = found["static_configs"]
    assert static["targets"] == ["10.0.0.7:9000"]
    assert static["labels"]["room"] == "a"
    assert found["series_limit"] == 15000
    assert "tills" in watched(monitor)
    assert monitor.status.message == "watching 2 units, 15 days kept"


def test_given_a_guest_that_claims_to_be_another_when_related_then_it_speaks_for_itself(monitor):
    monitor.set(relations={guest(JOB, said="edge-node/0")}).run()

    (static,) = job(monitor)["static_configs"]
    assert static["labels"]["juju_unit"] == "tills/0"
    assert static["labels"]["juju_application"] == "tills"
    assert static["labels"]["juju_model"] == monitor.state.model.name


@pytest.mark.parametrize(
    "more",
    [
        {"tls_config": {"ca_file": "/etc/edge-monitor/tls/ca.key"}},
        {"authorization": {"credentials_file": "/etc/shadow"}},
    ],
)
def test_given_a_guest_that_names_a_file_of_ours_when_related_then_it_is_named_and_shuts_no_gate(
    monitor, more
):
    monitor.set(relations={guest({**JOB, **more})}).run()

    assert job(monitor) is None
    assert "tills" not in watched(monitor)
    assert monitor.status.message.endswith("; nothing from tills/0")


def test_given_a_guest_on_this_machines_loopback_when_related_then_its_own_address_is_asked(
    monitor,
):
    near = {"job_name": "till", "static_configs": [{"targets": ["localhost:18428"]}]}

    monitor.set(relations={guest(near)}).run()

    (static,) = job(monitor)["static_configs"]
    assert static["targets"] == ["10.0.0.7:18428"]


def test_given_a_guest_that_goes_when_changed_then_it_is_asked_no_more(monitor):
    monitor.set(relations={guest(JOB)}).run()

    monitor.set(relations=set()).run()

    assert job(monitor) is None
    assert "tills" not in watched(monitor)
