import json

from ops import testing

from edgecloud.interfaces import grafana_datasource

URL = "https://10.0.0.9:8427"


def publish(inside, leader=True, remote=None):
    def step(charm):
        end = grafana_datasource.DatasourceProvider(charm)
        return end.publish(URL), end.publish(URL), end.uids()

    relation = testing.Relation("grafana-source", remote_app_data=remote or {})
    return inside(step, relation, app="mon", leader=leader)


def test_given_a_store_when_published_then_every_key_of_the_schema_is_there(inside):
    ran = publish(inside)
    said = ran.relation("grafana-source")

    source = json.loads(said.local_app_data["grafana_source_data"])
    assert set(source) == {
        "model",
        "model_uuid",
        "application",
        "type",
        "extra_fields",
        "secure_extra_fields",
    }
    assert (source["application"], source["type"]) == ("mon", "prometheus")
    assert source["secure_extra_fields"] is None
    assert said.local_unit_data["grafana_source_host"] == URL
    assert ran.result[:2] == (True, False)


def test_given_a_unit_that_does_not_lead_when_published_then_it_only_says_where_it_is(inside):
    said = publish(inside, leader=False).relation("grafana-source")

    assert said.local_app_data == {}
    assert said.local_unit_data["grafana_source_host"] == URL


def test_given_grafanas_answer_when_read_then_each_unit_has_its_id(inside):
    remote = {
        "datasource_uids": json.dumps({"mon/0": "juju_m_u_mon_0", "mon/1": 7}),
        "grafana_uid": "g",
    }

    assert publish(inside, remote=remote).result[2] == {"mon/0": "juju_m_u_mon_0"}
