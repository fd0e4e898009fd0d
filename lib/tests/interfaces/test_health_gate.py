import dataclasses

import pytest
from ops import testing

from edgecloud.interfaces import health_gate
from edgecloud.interfaces.health_gate import Access, Disturbance, GateSource, Question, Upheaval
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
BUSY = Upheaval(
    schema=1,
    disturbed=(Disturbance("pi-2", 1_800_000_900, "winter-2026", "kubernetes/1.35"),),
)
BUSY_V1 = {
    "schema": "1",
    "disturbed": '[{"node": "pi-2", "part": "kubernetes/1.35", "plan": "winter-2026",'
    ' "until": 1800000900}]',
}
UPHEAVALS = {
    "empty": ({}, Upheaval()),
    "before it was said": ({"schema": "1"}, Upheaval(schema=1)),
    "v1": (BUSY_V1, BUSY),
    "nothing disturbed": ({"schema": "1", "disturbed": "[]"}, Upheaval(schema=1)),
    "future field": (
        {"schema": "1", "disturbed": '[{"node": "pi-2", "until": 9, "mood": "calm"}]'},
        Upheaval(schema=1, disturbed=(Disturbance("pi-2", 9),)),
    ),
    "without an end": (
        {"schema": "1", "disturbed": '[{"node": "pi-2", "until": "tomorrow"}]'},
        Upheaval(schema=1, disturbed=(Disturbance("pi-2", 0),)),
    ),
    "not a list": ({"schema": "1", "disturbed": '"pi-2"'}, Upheaval(schema=1)),
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


# --- what is disturbed ---------------------------------------------------------------------------


@pytest.mark.parametrize(("bag", "meaning"), UPHEAVALS.values(), ids=UPHEAVALS.keys())
def test_given_any_databag_of_a_controller_when_loaded_then_it_means_the_same_as_ever(
    bag, meaning
):
    assert decoded(Upheaval, bag) == meaning


def test_given_a_disturbed_node_when_said_then_the_wire_is_the_same_as_ever(inside):
    ran = inside(
        lambda charm: health_gate.GateRequirer(charm).say(BUSY.disturbed),
        testing.Relation("health-gate"),
        leader=True,
    )

    assert (ran.result, ran.relation("health-gate").local_app_data) == (True, BUSY_V1)


def test_given_the_same_when_said_again_then_nobody_is_woken(inside):
    said = testing.Relation("health-gate", local_app_data=BUSY_V1)

    ran = inside(
        lambda charm: health_gate.GateRequirer(charm).say(BUSY.disturbed), said, leader=True
    )

    assert ran.result is False


def test_given_nothing_disturbed_any_more_when_said_then_the_field_goes(inside):
    said = testing.Relation("health-gate", local_app_data=BUSY_V1)

    ran = inside(lambda charm: health_gate.GateRequirer(charm).say(()), said, leader=True)

    assert ran.relation("health-gate").local_app_data == {"schema": "1"}


@pytest.mark.parametrize(
    ("bag", "found"),
    [
        (BUSY_V1, BUSY.disturbed),
        ({}, ()),
        ({"schema": "1"}, ()),
        ({**BUSY_V1, "schema": "2"}, ()),
        ({"disturbed": BUSY_V1["disturbed"]}, ()),
    ],
    ids=["v1", "older controller", "at rest", "newer schema", "no schema"],
)
def test_given_a_controller_of_any_age_when_heard_then_only_what_is_understood_counts(
    inside, bag, found
):
    relation = testing.Relation("gate", remote_app_data=bag)

    ran = inside(lambda charm: health_gate.GateProvider(charm, "gate").disturbed(), relation)

    assert ran.result == found
