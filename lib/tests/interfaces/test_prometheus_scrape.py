import json

import pytest
from ops import testing

from edgecloud.interfaces import prometheus_scrape

JOBS = [{"metrics_path": "/metrics", "static_configs": [{"targets": ["*:4080"]}]}]
RULES = {"groups": [{"name": "g", "rules": [{"alert": "Down", "expr": "up == 0"}]}]}

# As the published specification has it, with the keys that charms are seen to write besides.
VECTORS = {
    "specification": (
        {
            "alert_rules": json.dumps({"groups": []}),
            "scrape_jobs": json.dumps(JOBS),
            "scrape_metadata": json.dumps(
                {
                    "model": "cos",
                    "model_uuid": "c2e9f4d5-dcb3-4870-8509-330eb9745ee8",
                    "application": "zinc",
                    "unit": "zinc/0",
                    "charm_name": "zinc-k8s",
                }
            ),
        },
        {
            "prometheus_scrape_unit_address": "10.0.0.7",
            "prometheus_scrape_unit_name": "zinc/0",
        },
        "10.0.0.7:4080",
    ),
    "behind a proxy, newer keys": (
        {
            "scrape_jobs": json.dumps([{"static_configs": [{"targets": ["server:9"]}], "x": 1}]),
            "scrape_metadata": json.dumps({"model": "cos", "model_uuid": "u", "application": "z"}),
            "added_later": "?",
        },
        {
            "prometheus_scrape_unit_address": "10.0.0.7",
            "prometheus_scrape_unit_name": "zinc/0",
            "prometheus_scrape_unit_path": "/zinc/",
            "prometheus_scrape_unit_fqdn": "zinc-0.cos.svc",
        },
        "server:9",
    ),
}


def consumer(charm):
    end = prometheus_scrape.MetricsConsumer(charm, "scrape")
    return end.targets(), end.alert_rules()


def publish(inside, leader=True, **said):
    def step(charm):
        end = prometheus_scrape.MetricsProvider(charm)
        shown = {"address": "10.0.0.9", "jobs": JOBS, "alert_rules": RULES, **said}
        return end.publish(**shown), end.publish(**shown)

    return inside(step, testing.Relation("metrics-endpoint"), app="mon", leader=leader)


@pytest.mark.parametrize(("app", "unit", "target"), VECTORS.values(), ids=VECTORS)
def test_given_any_published_databag_when_read_then_its_target_is_known(app, unit, target, inside):
    relation = testing.Relation(
        "scrape", remote_app_name="zinc", remote_app_data=app, remote_units_data={0: unit}
    )

    (found,), _ = inside(consumer, relation).result

    assert found.jobs[0]["static_configs"][0]["targets"] == [target]
    assert found.jobs[0]["static_configs"][0]["labels"]["juju_unit"] == "zinc/0"


def test_given_a_unit_that_gives_another_name_when_read_then_what_juju_calls_it_is_known(inside):
    app, _, _ = VECTORS["specification"]
    unit = {
        "prometheus_scrape_unit_address": "10.0.0.7",
        "prometheus_scrape_unit_name": "edge-node/0",
    }
    relation = testing.Relation(
        "scrape", remote_app_name="zinc", remote_app_data=app, remote_units_data={3: unit}
    )

    (found,), _ = inside(consumer, relation).result

    assert (found.unit, found.known_as, found.application) == ("edge-node/0", "zinc/3", "zinc")


def test_given_a_proxy_when_read_then_its_path_comes_before_the_jobs(inside):
    app, unit, _ = VECTORS["behind a proxy, newer keys"]
    relation = testing.Relation("scrape", remote_app_data=app, remote_units_data={0: unit})

    (found,), _ = inside(consumer, relation).result

    assert found.jobs[0]["metrics_path"] == "/zinc/metrics"
    assert found.jobs[0]["x"] == 1


@pytest.mark.parametrize("jobs", ["", "7", '[7, {"static_configs": 3}, {"static_configs": [{}]}]'])
def test_given_jobs_that_are_none_when_read_then_nothing_is_scraped(jobs, inside):
    relation = testing.Relation(
        "scrape",
        remote_app_data={"scrape_jobs": jobs},
        remote_units_data={0: {"prometheus_scrape_unit_address": "10.0.0.7"}},
    )

    (found,), _ = inside(consumer, relation).result

    assert found.jobs == ()


def test_given_a_unit_without_address_when_read_then_it_is_no_target(inside):
    relation = testing.Relation("scrape", remote_app_data={"scrape_jobs": json.dumps(JOBS)})

    assert inside(consumer, relation).result == ([], {})


def test_given_our_own_offer_when_the_other_end_reads_it_then_both_agree(inside):
    ran = publish(inside)
    said = ran.relation("metrics-endpoint")
    relation = testing.Relation(
        "scrape",
        remote_app_name="mon",
        remote_app_data=said.local_app_data,
        remote_units_data={0: said.local_unit_data},
    )

    (target,), rules = inside(consumer, relation).result

    assert ran.result == (True, False)
    assert (target.unit, target.address, rules) == ("mon/0", "10.0.0.9", {"mon": RULES})
    (static,) = target.jobs[0]["static_configs"]
    assert static["targets"] == ["10.0.0.9:4080"]
    assert static["labels"]["juju_application"] == "mon"
    assert static["labels"]["juju_charm"] == "mon"


def test_given_a_unit_that_does_not_lead_when_published_then_it_only_says_where_it_is(inside):
    said = publish(inside, leader=False).relation("metrics-endpoint")

    assert said.local_app_data == {}
    assert said.local_unit_data["prometheus_scrape_unit_address"] == "10.0.0.9"
