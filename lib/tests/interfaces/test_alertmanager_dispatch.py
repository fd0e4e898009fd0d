import pytest
from ops import testing

from edgecloud.interfaces import alertmanager_dispatch

URL = "https://10.0.0.9:9093/site"


def urls(charm):
    return alertmanager_dispatch.AlertmanagerRequirer(charm).urls()


@pytest.mark.parametrize(
    ("bag", "found"),
    [
        ({"url": URL, "public_address": "10.0.0.9:9093/site", "scheme": "https"}, [URL]),
        ({"public_address": "10.0.0.9:9093"}, ["http://10.0.0.9:9093"]),
        ({"public_address": "am:9093", "scheme": "https"}, ["https://am:9093"]),
        ({}, []),
    ],
    ids=["version 1", "version 0", "version 0 with scheme", "not ready"],
)
def test_given_any_published_databag_when_read_then_alerts_can_be_sent(bag, found, inside):
    relation = testing.Relation("alertmanager", remote_units_data={0: bag})

    assert inside(urls, relation).result == found


def test_given_our_own_offer_when_the_other_end_reads_it_then_both_agree(inside):
    def publish(charm):
        end = alertmanager_dispatch.AlertmanagerProvider(charm)
        return end.publish(URL), end.publish(URL)

    ran = inside(publish, testing.Relation("alerting"))
    bag = ran.relation("alerting").local_unit_data

    assert ran.result == (True, False)
    assert (bag["public_address"], bag["scheme"]) == ("10.0.0.9:9093/site", "https")
    relation = testing.Relation("alertmanager", remote_units_data={0: bag, 1: {}})
    assert inside(urls, relation).result == [URL]
