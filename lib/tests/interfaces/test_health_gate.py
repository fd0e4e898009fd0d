import dataclasses

import pytest
from ops import testing

from edgecloud.interfaces import health_gate
from edgecloud.interfaces.health_gate import Access, GateSource, Question
from edgecloud.testing import decoded, encoded

FULL = GateSource(
    schema=1,
    url="https://10.0.0.9:8428",
    ca="PEM",
    credentials="secret:abc",
    questions=(Question("nodes-up", "min(up)"),),
)
V1 = {
    "schema": "1",
    "url": '"https://10.0.0.9:8428"',
    "ca": '"PEM"',
    "credentials": '"secret:abc"',
    "questions": '[{"name": "nodes-up", "query": "min(up)"}]',
}
VECTORS = {
    "empty": ({}, GateSource()),
    "v1": (V1, FULL),
    "future field": ({"schema": "2", "mood": '"calm"'}, GateSource(schema=2)),
}
OPEN = dataclasses.replace(FULL, credentials=None)


def access(inside, source, **state):
    relation = testing.Relation("health-gate", remote_app_data=encoded(source))
    return inside(lambda charm: health_gate.GateRequirer(charm).access(), relation, **state).result


@pytest.mark.parametrize(("bag", "meaning"), VECTORS.values(), ids=VECTORS.keys())
def test_given_any_released_databag_when_loaded_then_it_means_the_same_as_ever(bag, meaning):
    assert decoded(GateSource, bag) == meaning


def test_given_a_source_when_saved_then_the_wire_is_the_same_as_ever():
    assert encoded(FULL) == V1


def test_given_a_monitor_when_it_publishes_then_the_controller_can_ask_it(inside):
    monitor = inside(
        lambda charm: health_gate.GateProvider(charm, "gate").publish(OPEN),
        testing.Relation("gate"),
        leader=True,
    )

    bag = monitor.relation("gate").local_app_data
    found = access(inside, decoded(GateSource, bag))

    assert monitor.result is True
    assert found == Access(FULL.url, FULL.ca, questions=FULL.questions)


def test_given_credentials_when_granted_then_the_controller_has_name_and_password(inside):
    secret = testing.Secret({"username": "gate", "password": "s3cret"}, id="secret:abc")

    found = access(inside, FULL, secrets=[secret])

    assert (found.username, found.password) == ("gate", "s3cret")
    assert "s3cret" not in repr(found)


def test_given_credentials_that_are_not_granted_when_asked_then_there_is_no_access(inside):
    assert access(inside, FULL) is None


@pytest.mark.parametrize("changes", [{"schema": 2}, {"schema": None}, {"url": None}], ids=str)
def test_given_a_source_that_cannot_be_used_when_asked_then_there_is_no_access(inside, changes):
    assert access(inside, dataclasses.replace(OPEN, **changes)) is None


def test_given_a_monitor_when_it_shares_its_secret_then_only_the_relation_may_read_it(inside):
    def step(charm):
        secret = charm.app.add_secret({"username": "gate", "password": "s3cret"})
        health_gate.GateProvider(charm, "gate").share(secret)

    ran = inside(step, testing.Relation("gate"), leader=True)

    (secret,) = ran.state.secrets
    relation = ran.relation("gate")
    assert secret.remote_grants == {relation.id: {relation.remote_app_name}}


def test_given_no_monitor_when_asked_then_there_is_nothing(inside):
    def step(charm):
        requirer = health_gate.GateRequirer(charm)
        return requirer.related, requirer.access()

    assert inside(step).result == (False, None)
