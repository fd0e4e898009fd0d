import dataclasses

import pytest
from ops import testing

from edgecloud.interfaces import node_metrics
from edgecloud.interfaces.handouts import Handout
from edgecloud.interfaces.node_metrics import Access, Machine, Sender, Sink
from edgecloud.testing import decoded, encoded

FULL = Sink(
    schema=1,
    url="https://10.0.0.9:8427/api/v1/write",
    ca="PEM",
    interval_s=30,
    writers=(Handout("dummy/0", "secret:abc"),),
)
V1 = {
    "schema": "1",
    "url": '"https://10.0.0.9:8427/api/v1/write"',
    "ca": '"PEM"',
    "interval_s": "30",
    "writers": '[{"secret": "secret:abc", "unit": "dummy/0", "until": 0.0}]',
}
SENDER = Sender(1, "pi-1", True)
SENDER_V1 = {"schema": "1", "hostname": '"pi-1"', "sends": "true"}
SCRAPES, SCRAPES_V1 = Sink(schema=1, scraper="PEM"), {"schema": "1", "scraper": '"PEM"'}
SHOWS = Sender(1, "pi-1", False, "10.0.0.3:19100", "PEM", "pi-1", "worker")
SHOWS_V1 = {
    "schema": "1",
    "hostname": '"pi-1"',
    "sends": "false",
    "page": '"10.0.0.3:19100"',
    "certificate": '"PEM"',
    "node": '"pi-1"',
    "role": '"worker"',
}
CONTENT = {"username": "writer-dummy-0", "password": "s3cret"}
SECRET = testing.Secret(CONTENT, id="secret:abc")


@pytest.mark.parametrize(
    ("cls", "bag", "meaning"),
    [
        (Sink, {}, Sink()),
        (Sink, V1, FULL),
        (Sink, {"schema": "2", "mood": '"calm"'}, Sink(schema=2)),
        (Sender, SENDER_V1, SENDER),
        (Sender, {"sends": '"yes"'}, Sender()),
        (Sink, SCRAPES_V1, SCRAPES),
        (Sender, SHOWS_V1, SHOWS),
    ],
    ids=["empty", "v1", "future", "sender v1", "unfit", "scraper", "shows"],
)
def test_given_any_released_databag_when_loaded_then_it_means_the_same_as_ever(cls, bag, meaning):
    assert decoded(cls, bag) == meaning


@pytest.mark.parametrize(
    ("said", "wire"),
    [(FULL, V1), (SENDER, SENDER_V1), (SCRAPES, SCRAPES_V1), (SHOWS, SHOWS_V1)],
    ids=str,
)
def test_given_a_side_when_saved_then_the_wire_is_the_same_as_ever(said, wire):
    assert encoded(said) == wire


def accesses(inside, said, **state):
    relation = testing.Relation("monitor", remote_units_data={0: encoded(said)})
    return inside(
        lambda charm: node_metrics.MetricsRequirer(charm).accesses(), relation, **state
    ).result


def test_given_what_is_granted_when_asked_then_the_machine_knows_the_way_in(inside):
    (found,) = accesses(inside, FULL, secrets=[SECRET])

    assert found == Access(
        "remote/0", FULL.url, "PEM", 30, CONTENT["username"], CONTENT["password"]
    )
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"schema": None},
        {"url": None},
        {"writers": (Handout("dummy/1", "secret:x"),)},
    ],
    ids=str,
)
def test_given_a_monitor_that_cannot_be_used_when_asked_then_there_is_no_way_in(inside, changes):
    assert accesses(inside, dataclasses.replace(FULL, **changes), secrets=[SECRET]) == ()


def test_given_a_secret_that_is_not_granted_when_asked_then_there_is_no_way_in(inside):
    assert accesses(inside, FULL) == ()


@pytest.mark.parametrize(
    ("said", "found"),
    [(SCRAPES, ("PEM",)), (FULL, ()), (Sink(schema=2, scraper="PEM"), ())],
    ids=str,
)
def test_given_a_monitor_when_asked_then_the_machine_knows_who_would_scrape_it(
    inside, said, found
):
    relation = testing.Relation("monitor", remote_units_data={0: encoded(said)})

    ran = inside(lambda charm: node_metrics.MetricsRequirer(charm).scrapers(), relation)

    assert ran.result == found


def test_given_a_machine_that_shows_its_page_when_asked_then_the_monitor_knows_it(inside):
    relation = testing.Relation("receive", remote_app_name="node", remote_units_data={0: SHOWS_V1})

    ran = inside(lambda charm: node_metrics.MetricsProvider(charm, "receive").machines(), relation)

    assert ran.result == [
        Machine("node/0", "node", "pi-1", False, "10.0.0.3:19100", "PEM", "pi-1", "worker")
    ]


def test_given_machines_when_offered_then_each_is_handed_what_is_its_own(inside):
    relation = testing.Relation(
        "receive", remote_app_name="node", remote_units_data={0: encoded(SENDER), 1: {}}
    )

    def step(charm):
        provider = node_metrics.MetricsProvider(charm, "receive")
        writers = {f"node/{n}": {"username": f"w{n}", "password": f"p{n}"} for n in (0, 1)}
        return provider.machines(), provider.offer(Sink(url="u"), writers)

    ran = inside(step, relation)

    known, news = ran.result
    assert known == [Machine("node/0", "node", "pi-1", True), Machine("node/1", "node")]
    assert news
    contents = {secret.id: secret.latest_content["password"] for secret in ran.state.secrets}
    said = decoded(Sink, ran.relation("receive").local_unit_data)
    assert {each.unit: contents[each.secret] for each in said.writers} == {
        "node/0": "p0",
        "node/1": "p1",
    }


def test_given_a_machine_that_left_when_withdrawn_then_its_secret_is_gone(inside):
    secret = testing.Secret(CONTENT, label="metrics-writer-node-1", owner="unit")

    def step(charm):
        node_metrics.MetricsProvider(charm, "receive").withdraw(["node/1", "node/2"])

    assert list(inside(step, secrets=[secret]).state.secrets) == []
