import json

import pytest
from ops import testing

from edgecloud.interfaces import others

URL, CA = "https://anybody:anybody@10.0.0.9:8427", "-----BEGIN CERTIFICATE-----\nA"
ENDS = ("grafana-source", "prometheus-api", "send-ca-cert")


def receive(inside, *urls, leader=True, ends=ENDS):
    def step(charm):
        end = others.Others(charm)
        news = [end.receive(url, authority=CA, interval_s=60) for url in urls]
        return news, end.asking

    return inside(step, *(testing.Relation(end) for end in ends), app="mon", leader=leader)


def test_given_an_address_when_received_then_grafana_knows_where_and_whom_to_trust(inside):
    said = receive(inside, URL).relation("grafana-source")

    source = json.loads(said.local_app_data["grafana_source_data"])
    assert said.local_unit_data["grafana_source_host"] == URL
    assert source["extra_fields"] == {"timeInterval": "60s", "tlsAuthWithCACert": True}
    assert source["secure_extra_fields"] == {"tlsCACert": CA}


def test_given_an_address_when_received_then_others_know_it_and_the_authority(inside):
    ran = receive(inside, URL)

    assert ran.relation("prometheus-api").local_app_data == {"direct_url": URL}
    given = ran.relation("send-ca-cert").local_app_data["certificates"]
    assert json.loads(given) == [CA]


def test_given_no_address_any_more_when_received_then_the_former_one_is_taken_back(inside):
    ran = receive(inside, URL, "")

    assert ran.relation("prometheus-api").local_app_data == {}
    assert "grafana_source_host" not in ran.relation("grafana-source").local_unit_data
    assert ran.result == ([True, True], ("grafana-source", "prometheus-api"))


def test_given_nothing_new_when_received_again_then_nobody_is_woken(inside):
    assert receive(inside, URL, URL).result[0] == [True, False]


def test_given_a_unit_that_does_not_lead_when_received_then_it_only_says_where_it_is(inside):
    ran = receive(inside, URL, leader=False)

    assert ran.relation("prometheus-api").local_app_data == {}
    assert ran.relation("grafana-source").local_app_data == {}
    assert ran.relation("grafana-source").local_unit_data["grafana_source_host"] == URL


@pytest.mark.parametrize("end", ENDS)
def test_given_one_end_alone_when_looked_at_then_only_who_asks_counts(end, inside):
    _, asking = receive(inside, URL, ends=(end,)).result

    assert asking == ((end,) if end != "send-ca-cert" else ())
