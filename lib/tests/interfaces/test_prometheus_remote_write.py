import json

import pytest
from ops import testing

from edgecloud.interfaces import prometheus_remote_write, published

RULES = {"groups": [{"name": "g", "rules": [{"alert": "Down", "expr": "up == 0"}]}]}
URL = "http://192.168.1.2:9090/api/v1/write"

# Databags of a store, as its specification has them.
VECTORS = {
    "specification": ({}, {"remote_write": json.dumps({"url": URL})}),
    "newer, reads packed rules": (
        {"alert_rules_encodings": json.dumps(["lzma", "json"])},
        {"remote_write": json.dumps({"url": URL})},
    ),
}


def requirer(rules):
    def step(charm):
        end = prometheus_remote_write.RemoteWriteRequirer(charm)
        return end.urls(), end.publish(rules), end.publish(rules)

    return step


def store(app, unit):
    return testing.Relation(
        "send-remote-write", remote_app_data=app, remote_units_data={0: unit, 1: {}}
    )


@pytest.mark.parametrize(("app", "unit"), VECTORS.values(), ids=VECTORS)
def test_given_any_published_databag_when_read_then_samples_can_be_written(app, unit, inside):
    ran = inside(requirer(RULES), store(app, unit), leader=True)

    assert ran.result == ([URL], True, False)


@pytest.mark.parametrize("said", ["", "7", "{}", '{"url": null}', '["x"]'])
def test_given_a_store_that_is_not_ready_when_read_then_it_is_left_out(said, inside):
    ran = inside(requirer(RULES), store({}, {"remote_write": said}), leader=True)

    assert ran.result[0] == []


def test_given_a_store_that_cannot_unpack_when_rules_are_handed_over_then_they_are_plain(inside):
    ran = inside(requirer(RULES), store(*VECTORS["specification"]), leader=True)

    text = ran.relation("send-remote-write").local_app_data["alert_rules"]
    assert json.loads(text) == RULES


def test_given_a_store_that_can_unpack_when_rules_are_handed_over_then_they_are_packed(inside):
    ran = inside(requirer(RULES), store(*VECTORS["newer, reads packed rules"]), leader=True)

    text = ran.relation("send-remote-write").local_app_data["alert_rules"]
    assert text.startswith(published.LZMA_START)
    assert json.loads(published.unpack(text)) == RULES


def provider(charm):
    end = prometheus_remote_write.RemoteWriteProvider(charm)
    return end.related, end.publish(URL), end.publish(URL), end.alert_rules()


@pytest.mark.parametrize("text", [json.dumps(RULES), published.pack(json.dumps(RULES))])
def test_given_a_writer_when_both_ends_spoke_then_url_and_rules_arrived(text, inside):
    relation = testing.Relation(
        "receive-remote-write", remote_app_name="agent", remote_app_data={"alert_rules": text}
    )

    ran = inside(provider, relation, leader=True)
    said = ran.relation("receive-remote-write")
    back = inside(requirer(RULES), store(said.local_app_data, said.local_unit_data), leader=True)

    assert ran.result == (True, True, False, {"agent": RULES})
    assert back.result[0] == [URL]
    assert back.relation("send-remote-write").local_app_data["alert_rules"].startswith("/Td6")


def test_given_a_store_when_published_then_nothing_but_the_address_is_in_it(inside):
    # The schema allows no other property.
    said = inside(provider, testing.Relation("receive-remote-write"), leader=True)

    bag = said.relation("receive-remote-write").local_unit_data
    assert json.loads(bag["remote_write"]) == {"url": URL}


def test_given_a_unit_that_does_not_lead_when_published_then_it_leaves_the_application_alone(
    inside,
):
    said = inside(provider, testing.Relation("receive-remote-write"))

    assert said.relation("receive-remote-write").local_app_data == {}


# Unit databags as Juju fills them in, of who writes.
EGRESS = {
    "same model": (
        {"egress-subnets": "10.0.0.7/32", "ingress-address": "10.0.0.7"},
        "10.0.0.7/32",
    ),
    "another model": ({"egress-subnets": "203.0.113.0/24"}, "203.0.113.0/24"),
    "older": ({"private-address": "10.0.0.8"}, "10.0.0.8"),
}


@pytest.mark.parametrize(("bag", "found"), EGRESS.values(), ids=EGRESS)
def test_given_a_writer_when_read_then_it_is_known_where_it_writes_from(bag, found, inside):
    relation = testing.Relation(
        "receive-remote-write", remote_app_name="agent", remote_units_data={0: bag}
    )

    ran = inside(
        lambda charm: prometheus_remote_write.RemoteWriteProvider(charm).writers(), relation
    )

    assert ran.result == {"agent": (found,)}


def test_given_two_writers_when_one_may_then_the_other_is_told_of_no_address(inside):
    def step(charm):
        end = prometheus_remote_write.RemoteWriteProvider(charm)
        return end.publish({"a": URL, "b": URL}), end.publish({"a": URL})

    relations = [testing.Relation("receive-remote-write", remote_app_name=name) for name in "ab"]
    ran = inside(step, *relations, leader=True)

    said = {
        each.remote_app_name: each.local_unit_data.get("remote_write")
        for each in ran.state.get_relations("receive-remote-write")
    }
    assert ran.result == (True, True)
    assert said == {"a": json.dumps({"url": URL}), "b": None}
