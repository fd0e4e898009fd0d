import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecloud.lxd import cluster, errors

MEMBERS, M2 = "/1.0/cluster/members", "/1.0/cluster/members/m2"
WORDS = st.text(min_size=1, max_size=10)


def _join_token(fake, name="m2", operation="t"):
    metadata = {"serverName": name, "secret": "s3cret", "addresses": ["10.0.0.1:8443"]}
    return fake.operation(id=operation, metadata=metadata, **{"class": "token"})


def test_given_lone_daemon_when_asked_then_it_has_no_name(fake, lxd):
    fake.serves("/1.0/cluster", {"server_name": "", "enabled": False})

    assert cluster.own_name(lxd) == ""


def test_given_member_when_bootstrapped_then_refused_before_anything_is_sent(fake, lxd):
    fake.serves("/1.0/cluster", {"server_name": "m1", "enabled": True})

    with pytest.raises(errors.AlreadyClusteredError):
        cluster.bootstrap(lxd, "m1")

    assert fake.written() == []


def test_given_lone_daemon_when_bootstrapped_then_it_is_the_first(fake, lxd):
    fake.serves("/1.0/cluster", {"enabled": False})
    fake.does("PUT", "/1.0/cluster")

    cluster.bootstrap(lxd, "m1")

    assert fake.last("PUT").json == {"server_name": "m1", "enabled": True}


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("Online", cluster.Status.ONLINE),
        ("OFFLINE", cluster.Status.OFFLINE),
        ("Blocked", cluster.Status.BLOCKED),
        ("Evacuated", cluster.Status.EVACUATED),
        ("Something newer", cluster.Status.UNKNOWN),
    ],
)
def test_given_status_when_listed_then_typed(fake, lxd, said, status):
    fake.serves(MEMBERS, [{"server_name": "m1", "status": said}])

    assert cluster.members(lxd)[0].status is status


def test_given_members_when_listed_then_voters_and_leader_are_known(fake, lxd):
    leader = {"server_name": "m2", "roles": ["database-leader", "database"]}
    standby = {"server_name": "m1", "roles": ["database-standby"], "url": "https://10.0.0.1:8443"}
    fake.serves(MEMBERS, [leader, standby])

    first, second = cluster.members(lxd)

    assert (first.votes, first.leads, first.address) == (False, False, "10.0.0.1:8443")
    assert (second.votes, second.leads) == (True, True)


def test_given_no_quorum_when_listed_then_typed(fake, lxd):
    fake.refuses("GET", MEMBERS, 500, "no available dqlite leader server found")

    with pytest.raises(errors.NoQuorumError):
        cluster.members(lxd)


@given(WORDS, WORDS, st.lists(WORDS, min_size=1, max_size=3), WORDS)
def test_given_any_token_when_encoded_then_decoded_the_same(name, mark, addresses, secret):
    token = cluster.JoinToken(name, mark, tuple(addresses), secret, "2026-01-31T12:00:00Z")

    assert cluster.JoinToken.decode(token.encode()) == token


@given(st.text(max_size=40) | st.binary(max_size=40).map(repr))
def test_given_anything_else_when_decoded_then_no_token(text):
    with pytest.raises(errors.TokenError):
        cluster.JoinToken.decode(text)


def test_given_token_minted_when_shown_then_its_secret_is_not(fake, lxd):
    document = _join_token(fake)
    fake.starts("POST", MEMBERS, **document)

    token = cluster.mint(lxd, "m2")

    assert (token.server_name, token.secret, token.operation) == ("m2", "s3cret", "t")
    assert "s3cret" not in repr(token)
    assert len(fake.asked) == 1


def test_given_tokens_when_revoked_then_all_of_that_name_and_no_other(fake, lxd):
    found = [_join_token(fake, "m2", "a"), _join_token(fake, "m3", "b"), fake.operation(id="c")]
    fake.serves("/1.0/operations", {"running": [*found, _join_token(fake, "m2", "d")]})
    for operation in "ad":
        fake.serves(f"/1.0/operations/{operation}", method="DELETE")

    assert cluster.revoke(lxd, "m2")

    assert fake.written() == [("DELETE", "/1.0/operations/a"), ("DELETE", "/1.0/operations/d")]
    assert not cluster.revoke(lxd, "m4")


def test_given_member_when_removed_by_force_then_said_so(fake, lxd):
    fake.does("DELETE", M2)

    assert cluster.remove(lxd, "m2", force=True)

    assert fake.asked[0].query == {"force": "1"}


def test_given_member_with_instances_when_removed_then_typed(fake, lxd):
    fake.refuses("DELETE", M2, 500, "Node still has the following containers: a")

    with pytest.raises(errors.MemberHasInstancesError):
        cluster.remove(lxd, "m2")


@pytest.mark.parametrize(
    ("ensure", "said"),
    [
        (cluster.ensure_evacuated, "Cluster member is already evacuated"),
        (cluster.ensure_restored, "Cluster member is already restored"),
    ],
)
def test_given_done_before_when_ensured_then_not_a_change(fake, lxd, ensure, said):
    fake.does("POST", f"{M2}/state", err=said)

    assert ensure(lxd, "m2") is False


def test_given_mode_unknown_to_the_daemon_when_evacuated_then_nothing_is_sent(fake, lxd):
    fake.serves("/1.0", {"api_extensions": []})

    with pytest.raises(errors.MissingExtensionError):
        cluster.ensure_evacuated(lxd, "m2", mode="stop")

    assert fake.written() == []


def test_given_mode_known_to_the_daemon_when_evacuated_then_sent(fake, lxd):
    fake.serves("/1.0", {"api_extensions": ["clustering_evacuation_mode"]})
    fake.does("POST", f"{M2}/state")

    assert cluster.ensure_evacuated(lxd, "m2", mode="stop")

    assert fake.last("POST").json == {"action": "evacuate", "mode": "stop"}


def test_given_instances_here_and_there_when_mode_is_set_then_only_here(fake, lxd):
    here, there = {"name": "a", "location": "m2"}, {"name": "b", "location": "m1"}
    fake.serves("/1.0/instances", [here, there])
    fake.serves("/1.0/instances/a", {"config": {}})
    fake.does("PUT", "/1.0/instances/a")

    assert cluster.ensure_evacuation_mode(lxd, "m2", "stop") == ("a",)

    assert fake.last("PUT").json["config"] == {"cluster.evacuate": "stop"}


def test_given_instances_away_from_home_when_asked_then_home_is_named(fake, lxd):
    away = {"name": "a", "config": {"volatile.evacuate.origin": "m2"}}
    fake.serves("/1.0/instances", [away, {"name": "b"}])

    assert cluster.stranded(lxd) == {"a": "m2"}


def test_given_member_when_edited_then_version_is_sent_along(fake, lxd):
    fake.serves(M2, {"failure_domain": "default"}, etag="v1")
    fake.serves(M2, method="PUT")

    assert cluster.edit(lxd, "m2", lambda document: document.update(failure_domain="shelf"))

    assert fake.last("PUT").headers["if-match"] == "v1"
