import dataclasses
import datetime

import pytest
from ops import testing

from edgecloud.interfaces import cluster_join
from edgecloud.interfaces.cluster_join import (
    Admission,
    ClusterRecord,
    HostedNode,
    JoinOffer,
    Member,
    MemberReport,
    NodeReport,
    Refusal,
    Turn,
)
from edgecloud.interfaces.handouts import Handout
from edgecloud.testing import (
    cluster_control_plane,
    cluster_peers,
    cluster_workers,
    decoded,
    encoded,
)

SOON = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
URL = "10.20.0.11:25000/0123456789abcdef0123456789abcdef/fingerprint"

RECORD = ClusterRecord(
    cluster="abc",
    steward="plane/0",
    admission=Admission("worker/1", 2, 900.0),
    turn=Turn("plane/1", 600.0),
    members=(
        Member("plane/0", "pi-1", "10.20.0.11", "control-plane", "joined", 1.0),
        Member("worker/1", "pi-4", "10.20.0.14", "worker", "joining", 2.0),
    ),
    refusals=(Refusal("other/0", 1, 30.0, "host name"), Refusal("worker/2", 1, 30.0, "no")),
    endpoints=("10.20.0.11:16443",),
    encryption="secret:keys",
)


def member_end(step):
    return lambda charm: step(cluster_join.MemberEnd(charm, "cluster", "workers"))


def joiner_end(step, endpoint="control-plane"):
    return lambda charm: step(cluster_join.JoinerEnd(charm, endpoint))


def offered(unit, attempt):
    return member_end(lambda end: end.make_offer(unit, attempt, URL, SOON))


# --- released vectors --------------------------------------------------------------------------

NODE_V1 = {
    "node": '"pi-4"',
    "address": '"10.20.0.14"',
    "role": '"worker"',
    "ca": '"abc"',
    "joined": "true",
    "attempt": "2",
    "error": '"refused"',
}
MEMBER_V1 = {
    "departed": '["plane/2"]',
    "offers": '[{"attempt": 2, "secret": "secret:abc", "unit": "worker/1"}]',
    "gone": '["plane/2"]',
    "holding": '"voter 10.20.0.12 does not answer"',
}
NODE_V2 = {**NODE_V1, "wants_way_back": "true", "busy": "true", "version": '"1.35.2"'}
MEMBER_V2 = {
    **MEMBER_V1,
    "ways_back": '[{"secret": "secret:d", "unit": "plane/1", "until": 86400.0}]',
    "accesses": '[{"secret": "secret:e", "unit": "worker/1", "until": 9.0}]',
}
RECORD_V1 = {
    "cluster": '"abc"',
    "steward": '"plane/0"',
    "admission": '{"attempt": 2, "unit": "worker/1", "until": 900.0}',
    "members": '[{"address": "10.20.0.11", "node": "pi-1", "role": "control-plane",'
    ' "since": 1.0, "state": "joined", "unit": "plane/0"}]',
    "refusals": '[{"attempt": 1, "not_before": 30.0, "reason": "no", "unit": "worker/2"}]',
    "endpoints": '["10.20.0.11:16443"]',
}
HOSTED = HostedNode("1a", NodeReport("pi-4-1a", role="worker", attempt=1, leaving=True))
VECTORS = {
    "empty node": ({}, NodeReport()),
    "node v1": (
        NODE_V1,
        NodeReport("pi-4", "10.20.0.14", "worker", "abc", True, 2, "refused"),
    ),
    "node v2": (
        NODE_V2,
        NodeReport(
            *("pi-4", "10.20.0.14", "worker", "abc", True, 2, "refused"),
            wants_way_back=True,
            busy=True,
            version="1.35.2",
        ),
    ),
    "node of the future": ({"node": '"pi-4"', "firmware": '"2027"'}, NodeReport("pi-4")),
    "node with hosted ones": (
        {
            "hosted": '[{"name": "1a", "report": {"attempt": 1, "leaving": true,'
            ' "node": "pi-4-1a", "role": "worker"}}]',
        },
        NodeReport(hosted=(HOSTED,)),
    ),
    "empty member": ({}, MemberReport()),
    "member v1": (
        MEMBER_V1,
        MemberReport(
            ("plane/2",),
            (JoinOffer("worker/1", 2, "secret:abc"),),
            ("plane/2",),
            "voter 10.20.0.12 does not answer",
        ),
    ),
    "member v2": (
        MEMBER_V2,
        MemberReport(
            ("plane/2",),
            (JoinOffer("worker/1", 2, "secret:abc"),),
            ("plane/2",),
            "voter 10.20.0.12 does not answer",
            ways_back=(Handout("plane/1", "secret:d", 86400.0),),
            accesses=(Handout("worker/1", "secret:e", 9.0),),
        ),
    ),
    "member of the future": (
        {"gone": '["plane/2"]', "mood": "{}"},
        MemberReport(gone=("plane/2",)),
    ),
    "empty record": ({}, ClusterRecord()),
    "record v1": (
        RECORD_V1,
        ClusterRecord(
            cluster="abc",
            steward="plane/0",
            admission=RECORD.admission,
            members=RECORD.members[:1],
            refusals=RECORD.refusals[1:],
            endpoints=RECORD.endpoints,
        ),
    ),
    "record of the future": (
        {"cluster": '"abc"', "admission": '{"unit": "worker/1", "priority": 7}'},
        ClusterRecord(cluster="abc", admission=Admission("worker/1")),
    ),
}


@pytest.mark.parametrize(("bag", "meaning"), VECTORS.values(), ids=VECTORS.keys())
def test_given_any_released_databag_when_loaded_then_it_means_the_same_as_ever(bag, meaning):
    assert decoded(type(meaning), bag) == meaning


@pytest.mark.parametrize(
    "kind",
    ["node v1", "node v2", "node with hosted ones", "member v1", "member v2", "record v1"],
)
def test_given_a_value_of_any_version_when_saved_then_the_wire_is_the_same_as_ever(kind):
    bag, meaning = VECTORS[kind]

    assert bag.items() <= encoded(meaning).items()


# --- both ends ---------------------------------------------------------------------------------


def test_given_a_nodes_report_when_published_then_the_control_plane_reads_it(inside):
    said = NodeReport("pi-4", "10.20.0.14", "worker", "abc")
    worker = inside(joiner_end(lambda end: end.publish(said)), cluster_control_plane(), app="w")
    wire = worker.relation("control-plane").local_unit_data

    there = testing.Relation("workers", remote_app_name="w", remote_units_data={0: wire})
    read = inside(member_end(lambda end: end.reports()), cluster_peers(), there, app="plane")

    assert worker.result is True
    assert read.result == {"plane/0": NodeReport(), "w/0": said}


def test_given_a_record_when_published_then_workers_read_only_what_concerns_them(inside):
    workers = cluster_workers({1: NodeReport("pi-4")})
    leader = inside(
        member_end(lambda end: end.publish(RECORD)),
        cluster_peers(),
        workers,
        app="plane",
        leader=True,
    )
    wire = leader.relation("workers").local_app_data

    there = testing.Relation("control-plane", remote_app_name="plane", remote_app_data=wire)
    read = inside(joiner_end(lambda end: end.record()), there, app="worker", number=1)

    assert read.result == dataclasses.replace(
        RECORD, turn=None, members=RECORD.members[1:], refusals=(), encryption=None
    )


def test_given_a_record_when_published_then_peers_read_all_of_it(inside):
    leader = inside(member_end(lambda end: end.publish(RECORD)), cluster_peers(), leader=True)
    wire = leader.relation("cluster").local_app_data

    read = inside(
        member_end(lambda end: end.record()), testing.PeerRelation("cluster", local_app_data=wire)
    )

    assert read.result == RECORD


def test_given_an_offer_when_made_then_its_unit_reads_the_address_and_nobody_else_may(inside):
    workers = cluster_workers({0: NodeReport(), 1: NodeReport()})
    made = inside(offered("worker/1", 2), cluster_peers(), workers, app="plane")
    (secret,) = made.state.secrets

    assert secret.remote_grants == {workers.id: {"worker/1"}}
    assert secret.owner == "unit"
    assert secret.expire == SOON
    assert made.result == JoinOffer("worker/1", 2, secret.id)


def test_given_an_offer_when_followed_by_its_unit_then_it_gets_the_address(inside):
    workers = cluster_workers({1: NodeReport()})

    def act(end):
        offer = end.make_offer("worker/1", 2, URL, SOON)
        end.publish_acts(MemberReport(offers=(offer,), metrics="secret:m"))

    made = inside(member_end(act), cluster_peers(), workers, app="plane")
    (secret,) = made.state.secrets
    there = testing.Relation(
        "control-plane",
        remote_app_name="plane",
        remote_app_data=encoded(RECORD),
        remote_units_data={0: made.relation("workers").local_unit_data},
    )
    granted = testing.Secret({"url": URL}, id=secret.id, owner=None)
    read = inside(
        joiner_end(lambda end: end.url(end.offer())),
        there,
        app="worker",
        number=1,
        secrets=[granted],
    )

    assert read.result == URL


def test_given_an_offer_when_looked_for_in_databags_then_no_token_is_in_plain_sight(inside):
    def act(end):
        end.publish_acts(MemberReport(offers=(end.make_offer("worker/1", 2, URL, SOON),)))

    made = inside(
        member_end(act), cluster_peers(), cluster_workers({1: NodeReport()}), app="plane"
    )

    bags = [relation.local_unit_data for relation in made.state.relations]
    assert not [text for bag in bags for text in bag.values() if URL[:20] in text]


def test_given_an_offer_withdrawn_when_followed_then_there_is_no_address(inside):
    there = cluster_control_plane(
        {0: MemberReport(offers=(JoinOffer("worker/1", 2, "secret:9m4e2mr0ui3e8a215n4g"),))},
        record=RECORD,
        app="plane",
    )

    read = inside(joiner_end(lambda end: end.url(end.offer())), there, app="worker", number=1)

    assert read.result is None


@pytest.mark.parametrize(
    ("number", "steward", "attempt"),
    [
        pytest.param(0, "plane/0", 2, id="for another unit"),
        pytest.param(1, "plane/1", 2, id="from another than the steward"),
        pytest.param(1, "plane/0", 1, id="of an earlier attempt"),
    ],
)
def test_given_an_offer_that_is_not_in_force_when_looked_for_then_there_is_none(
    inside, number, steward, attempt
):
    record = dataclasses.replace(RECORD, steward=steward)
    acts = MemberReport(offers=(JoinOffer("worker/1", attempt, "secret:abc"),))
    there = cluster_control_plane({0: acts}, record=record, app="plane")

    read = inside(joiner_end(lambda end: end.offer()), there, app="worker", number=number)

    assert read.result is None


def test_given_a_unit_that_is_gone_when_an_offer_is_due_then_no_secret_is_made(inside):
    made = inside(offered("worker/7", 1), cluster_peers(), cluster_workers({1: NodeReport()}))

    assert made.result is None
    assert not made.state.secrets


def test_given_an_offer_when_withdrawn_then_the_secret_goes_and_the_address_comes_back(inside):
    def act(end):
        return end.withdraw(end.make_offer("dummy/1", 1, URL, SOON))

    made = inside(member_end(act), cluster_peers({1: ()}))

    assert made.result == URL
    assert not made.state.secrets


def test_given_no_such_secret_when_withdrawn_then_nothing_happens(inside):
    made = inside(member_end(lambda end: end.withdraw(JoinOffer("w/0", 1, "x"))), cluster_peers())

    assert made.result is None


def test_given_acts_when_published_then_workers_are_told_of_their_own_offers_only(inside):
    offers = (JoinOffer("dummy/1", 1, "secret:a"), JoinOffer("worker/1", 2, "secret:b"))
    acts = MemberReport(departed=("dummy/9",), offers=offers, holding="waits", metrics="secret:m")
    relations = cluster_peers({1: ()}), cluster_workers({1: NodeReport()})

    told = inside(member_end(lambda end: end.publish_acts(acts)), *relations)

    mine = decoded(MemberReport, told.relation("cluster").local_unit_data)
    theirs = decoded(MemberReport, told.relation("workers").local_unit_data)
    assert mine == acts
    assert theirs == MemberReport(offers=offers[1:], metrics="secret:m")


def test_given_offers_over_two_relations_when_asked_for_then_all_are_known(inside):
    offers = (JoinOffer("dummy/1", 1, "secret:a"), JoinOffer("worker/1", 2, "secret:b"))
    relations = cluster_peers({1: ()}), cluster_workers({1: NodeReport()})

    def act(end):
        end.publish_acts(MemberReport(offers=offers))
        return end.my_offers()

    assert inside(member_end(act), *relations).result == offers


def test_given_the_same_record_when_published_again_then_it_is_no_news(inside):
    def act(end):
        return end.publish(RECORD), end.publish(RECORD)

    assert inside(member_end(act), cluster_peers(), leader=True).result == (True, False)


def test_given_no_relation_when_a_node_speaks_then_nobody_hears_it(inside):
    def act(end):
        return end.record(), end.report(), end.publish(NodeReport("pi-1")), end.offer()

    assert inside(joiner_end(act)).result == (ClusterRecord(), NodeReport(), False, None)


# --- hosted nodes ------------------------------------------------------------------------------


def test_given_hosted_nodes_when_published_then_the_control_plane_reads_each_by_name(inside):
    said = NodeReport(hosted=(HOSTED, HostedNode("2a", NodeReport("pi-4-2a"))))
    host = inside(joiner_end(lambda end: end.publish(said)), cluster_control_plane(), app="lxd")
    wire = host.relation("control-plane").local_unit_data

    there = testing.Relation("workers", remote_app_name="lxd", remote_units_data={0: wire})
    read = inside(member_end(lambda end: end.reports()), cluster_peers(), there, app="plane")

    assert read.result == {
        "plane/0": NodeReport(),
        "lxd/0": NodeReport(),
        "lxd/0:1a": HOSTED.report,
        "lxd/0:2a": NodeReport("pi-4-2a"),
    }


def test_given_a_hosted_node_when_offered_then_only_its_host_may_read_and_finds_it(inside):
    record = ClusterRecord(
        steward="plane/0",
        admission=Admission("worker/1:2a", 3, 900.0),
        members=(Member("worker/1:2a"), Member("worker/2:2a")),
        refusals=(Refusal("worker/1:1a"), Refusal("other/1:1a")),
    )

    def act(end):
        offer = end.make_offer("worker/1:2a", 3, URL, SOON)
        end.publish_acts(MemberReport(offers=(offer,)))
        end.publish(record)

    workers = cluster_workers({1: NodeReport()})
    made = inside(member_end(act), cluster_peers(), workers, app="plane", leader=True)
    (secret,) = made.state.secrets
    there = testing.Relation(
        "control-plane",
        remote_app_name="plane",
        remote_app_data=made.relation("workers").local_app_data,
        remote_units_data={0: made.relation("workers").local_unit_data},
    )
    read = inside(
        joiner_end(lambda end: (end.offer(), end.offer("1a"), end.offer("2a"), end.record())),
        there,
        app="worker",
        number=1,
    )

    assert secret.remote_grants == {workers.id: {"worker/1"}}
    assert secret.label == "join-worker-1-2a-3"
    assert read.result == (
        None,
        None,
        JoinOffer("worker/1:2a", 3, secret.id),
        dataclasses.replace(
            record, members=(Member("worker/1:2a"),), refusals=(Refusal("worker/1:1a"),)
        ),
    )


def test_given_an_offer_to_a_hosted_node_when_withdrawn_then_the_address_comes_back(inside):
    def act(end):
        return end.withdraw(end.make_offer("worker/1:2a", 1, URL, SOON))

    made = inside(member_end(act), cluster_peers(), cluster_workers({1: NodeReport()}))

    assert made.result == URL
    assert not made.state.secrets


# --- shared secrets ----------------------------------------------------------------------------


def test_given_workers_when_the_metrics_token_is_shared_then_only_they_may_read_it(inside):
    workers = cluster_workers({1: NodeReport()})

    shared = inside(
        member_end(lambda end: end.share_metrics_token("t0k3n")), cluster_peers({1: ()}), workers
    )

    (secret,) = shared.state.secrets
    assert secret.remote_grants == {workers.id: {"worker"}}
    assert secret.latest_content == {"token": "t0k3n"}


def test_given_no_workers_when_the_metrics_token_is_shared_then_no_secret_is_made(inside):
    shared = inside(member_end(lambda end: end.share_metrics_token("t0k3n")), cluster_peers())

    assert (shared.result, set(shared.state.secrets)) == (None, set())


def test_given_a_shared_token_when_a_worker_asks_then_it_reads_it(inside):
    secret = testing.Secret({"token": "t0k3n"}, owner=None)
    record = ClusterRecord(steward="plane/0")
    there = cluster_control_plane({0: MemberReport(metrics=secret.id)}, record=record, app="plane")

    read = inside(joiner_end(lambda end: end.metrics_token()), there, secrets=[secret])

    assert read.result == "t0k3n"


def test_given_keys_when_shared_then_the_application_owns_them_and_nobody_else_may_read(inside):
    shared = inside(
        member_end(lambda end: end.share_keys(ClusterRecord(), {"key": "k" * 32})),
        cluster_peers({1: ()}),
        cluster_workers({1: NodeReport()}),
        leader=True,
    )

    (secret,) = shared.state.secrets
    assert (secret.owner, secret.remote_grants) == ("app", {})
    assert shared.result == secret.id


def test_given_other_keys_when_shared_again_then_the_secret_has_a_new_revision(inside):
    secret = testing.Secret({"key": "a" * 32}, owner="app", label=cluster_join.KEYS_LABEL)
    record = ClusterRecord(encryption=secret.id)

    shared = inside(
        member_end(lambda end: end.share_keys(record, {"key": "b" * 32})),
        cluster_peers(),
        leader=True,
        secrets=[secret],
    )

    assert shared.state.get_secret(id=secret.id).latest_content == {"key": "b" * 32}


# --- what is handed out ------------------------------------------------------------------------


def handed(content, *, to="dummy/1", until=9.0):
    return member_end(lambda end: end.hand_out(to, content, what="way-back", until=until))


def test_given_something_for_a_peer_when_handed_out_then_only_that_unit_may_read_it(inside):
    peers = cluster_peers({1: (), 2: ()})

    made = inside(handed({"url": URL}), peers)

    (secret,) = made.state.secrets
    assert made.result == Handout("dummy/1", secret.id, 9.0)
    assert secret.remote_grants == {peers.id: {"dummy/1"}}
    assert secret.latest_content == {"url": URL}


def test_given_a_secret_that_is_there_when_handed_out_anew_then_it_has_new_content(inside):
    def twice(charm):
        handed({"url": "old"})(charm)
        return handed({"url": "new"}, until=10.0)(charm)

    made = inside(twice, cluster_peers({1: ()}))

    (secret,) = made.state.secrets
    assert made.result == Handout("dummy/1", secret.id, 10.0)
    assert secret.latest_content == {"url": "new"}


def test_given_a_unit_that_is_not_related_when_handed_out_then_nothing_is_made(inside):
    made = inside(handed({"url": URL}, to="dummy/9"), cluster_peers({1: ()}))

    assert made.result is None
    assert not made.state.secrets


def test_given_something_handed_out_when_taken_back_then_the_secret_is_gone(inside):
    def there_and_back(charm):
        handout = handed({"url": URL})(charm)
        for _ in range(2):
            cluster_join.MemberEnd(charm, "cluster", "workers").take_back(handout, what="way-back")

    assert not inside(there_and_back, cluster_peers({1: ()})).state.secrets


def test_given_offers_of_several_when_a_unit_looks_then_it_sees_its_own_only(inside):
    mine, others = Handout("dummy/0", "secret:a", 1.0), Handout("dummy/5", "secret:b", 1.0)
    peers = cluster_peers(
        {1: [MemberReport(ways_back=(mine, others))], 2: [MemberReport(ways_back=(others,))]}
    )

    seen = inside(joiner_end(lambda end: end.ways_back(), "cluster"), peers)

    assert seen.result == (mine,)


def test_given_an_access_when_a_worker_looks_then_the_stewards_counts(inside):
    one, two = Handout("dummy/0", "secret:a", 1.0), Handout("dummy/0", "secret:b", 1.0)
    plane = cluster_control_plane(
        {0: MemberReport(accesses=(one,)), 1: MemberReport(accesses=(two,))},
        record=ClusterRecord(steward="plane/1"),
        app="plane",
    )

    assert inside(joiner_end(lambda end: end.access()), plane).result == two


def test_given_units_that_wish_when_looked_at_then_the_others_are_named(inside):
    wish = NodeReport(wants_way_back=True)
    peers = cluster_peers({1: [wish], 2: [NodeReport()]}, mine=[wish])

    assert inside(member_end(lambda end: end.wishing()), peers).result == ["dummy/1"]
