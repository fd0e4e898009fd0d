import pytest
from ops import testing

from edgecloud.interfaces import prometheus_api

DIRECT, INGRESS = "https://10.0.0.9:8427", "https://example.com/prometheus"


def ask(charm):
    return prometheus_api.PrometheusApiRequirer(charm, "ask").api()


@pytest.mark.parametrize(
    ("bag", "api"),
    [
        ({"direct_url": DIRECT}, prometheus_api.Api(DIRECT)),
        (
            {"direct_url": DIRECT, "ingress_url": INGRESS, "later": "x"},
            prometheus_api.Api(DIRECT, INGRESS),
        ),
        # As version 0.1 of the library wrote it.
        ({"internal_url": DIRECT, "ingress_url": INGRESS}, prometheus_api.Api(DIRECT, INGRESS)),
        ({"internal_url": "file:///etc/passwd"}, None),
        ({}, None),
        ({"direct_url": "file:///etc/passwd"}, None),
        ({"ingress_url": INGRESS}, None),
    ],
)
def test_given_any_databag_when_read_then_only_an_address_is_believed(bag, api, inside):
    assert inside(ask, testing.Relation("ask", remote_app_data=bag)).result == api


def test_given_no_store_when_asked_then_there_is_no_address(inside):
    assert inside(ask).result is None


def test_given_our_own_offer_when_the_other_end_reads_it_then_both_agree(inside):
    def publish(charm):
        end = prometheus_api.PrometheusApiProvider(charm)
        api = prometheus_api.Api(DIRECT, INGRESS)
        return end.publish(api), end.publish(api)

    ran = inside(publish, testing.Relation("prometheus-api"), leader=True)
    bag = ran.relation("prometheus-api").local_app_data

    assert ran.result == (True, False)
    assert bag == {"direct_url": DIRECT, "ingress_url": INGRESS}
    assert inside(ask, testing.Relation("ask", remote_app_data=bag)).result.direct_url == DIRECT
