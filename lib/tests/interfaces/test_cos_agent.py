import json

import hypothesis
import pytest
from hypothesis import strategies
from ops import testing

from edgecloud.interfaces import cos_agent

KEYS = {
    "metrics_alert_rules",
    "log_alert_rules",
    "dashboards",
    "metrics_scrape_jobs",
    "log_slots",
}


def publish(inside, *, again=False, **offered):
    plain = {"jobs": [], "alert_rules": {}, "dashboards": []}

    def step(charm):
        provider = cos_agent.CosAgentProvider(charm)
        first = provider.publish(**{**plain, **offered})
        return (first, provider.publish(**{**plain, **offered})) if again else first

    return inside(step, testing.SubordinateRelation("cos-agent"))


def config(ran):
    return json.loads(ran.relation("cos-agent").local_unit_data["config"])


def test_given_nothing_to_offer_when_published_then_every_key_of_the_schema_is_there(inside):
    assert set(config(publish(inside))) == KEYS


def test_given_a_job_when_published_then_prometheus_can_read_it(inside):
    job = cos_agent.ScrapeJob(
        "kubelet",
        10250,
        path="/metrics/cadvisor",
        scheme="https",
        labels={"node": "pi-1"},
        tls={"ca_file": "/ca.crt"},
        authorization={"credentials_file": "/token"},
        drop_series=["etcd_.*"],
    )

    (said,) = config(publish(inside, jobs=[job]))["metrics_scrape_jobs"]

    assert said == {
        "job_name": "kubelet",
        "metrics_path": "/metrics/cadvisor",
        "scheme": "https",
        "static_configs": [{"targets": ["localhost:10250"], "labels": {"node": "pi-1"}}],
        "tls_config": {"ca_file": "/ca.crt"},
        "authorization": {"credentials_file": "/token"},
        "metric_relabel_configs": [
            {"source_labels": ["__name__"], "regex": "etcd_.*", "action": "drop"}
        ],
    }


@pytest.mark.parametrize("path", ["/metrics", "/metrics/cadvisor", "/metrics/probes"])
def test_given_any_path_when_published_then_the_jobs_name_and_path_are_whole(path):
    job = cos_agent.ScrapeJob("kubelet-cadvisor", 10250, path=path).as_prometheus()

    assert (job["job_name"], job["metrics_path"]) == ("kubelet-cadvisor", path)


def test_given_the_same_offer_when_published_again_then_it_is_no_news(inside):
    assert publish(inside, again=True).result == (True, False)


@hypothesis.given(strategies.text())
def test_given_any_dashboard_when_packed_then_it_unpacks_to_the_same(text):
    assert cos_agent.unpack(cos_agent.pack(text)) == text


def test_given_a_dashboard_when_published_then_the_agent_can_unpack_it(inside):
    (packed,) = config(publish(inside, dashboards=['{"title": "Pi"}']))["dashboards"]

    assert cos_agent.unpack(packed) == '{"title": "Pi"}'


def test_given_no_agent_when_asked_then_the_provider_says_so(inside):
    assert inside(lambda charm: cos_agent.CosAgentProvider(charm).related).result is False


def test_given_what_another_charm_offers_when_read_then_its_jobs_are_known(inside):
    # As the published schema has it, with a key that was added to it later.
    said = {
        "metrics_alert_rules": {},
        "log_alert_rules": {},
        "dashboards": [cos_agent.pack("{}")],
        "metrics_scrape_jobs": [
            {"job_name": "zk", "static_configs": [{"targets": ["localhost:7"]}]}
        ],
        "log_slots": ["charmed-zookeeper:logs"],
        "tracing_protocols": None,
    }
    relation = testing.Relation(
        "targets", remote_app_name="zk", remote_units_data={0: {"config": json.dumps(said)}}
    )

    (found,) = inside(
        lambda c: cos_agent.CosAgentConsumer(c, "targets").published(), relation
    ).result

    assert (found.unit, found.jobs) == ("zk/0", said["metrics_scrape_jobs"])
