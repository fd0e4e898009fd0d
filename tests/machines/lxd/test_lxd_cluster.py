"""The LXD client against clusters of three members, whole and broken."""

import secrets
import time

import lxd_site
import pytest

from edgecloud import host
from edgecloud.lxd import (
    client,
    cluster,
    daemon,
    errors,
    instances,
    operations,
    profiles,
    server,
    storage,
)

ROOT = {"root": {"type": "disk", "path": "/", "pool": "plain"}}
ONLINE, OFFLINE = cluster.Status.ONLINE, cluster.Status.OFFLINE


@pytest.fixture
def lxd(three):
    """Return a client of the first member."""
    return three[0].api


@pytest.fixture
def newcomer(site, lxd):
    """Return a daemon that is not yet in any cluster, under a name of its own."""
    made = site.daemon(f"n{secrets.token_hex(3)}", listens=False)
    yield made
    cluster.remove(lxd, made.name, force=True)
    made.stop()


@pytest.fixture
def instance_on(lxd):
    """Return a function that makes a running instance on a member."""
    made = []

    def make(name, member):
        plan = instances.Plan(name, instances.Source.alias("tiny"), devices=ROOT, member=member)
        instances.create(lxd, plan)
        made.append(name)
        instances.ensure_running(lxd, name)

    yield make
    for name in made:
        instances.ensure_absent(lxd, name)


def _join(newcomer, token, **joining):
    daemon.join(host.LocalHost(), newcomer.at, daemon.Joining(token, newcomer.address, **joining))


def _is_free(real):
    """Return whether a daemon that was taken out has finished with forgetting its cluster."""
    try:
        return cluster.own_name(real.api) == ""
    except errors.UnreachableError:
        return False


def _is_quorate(real):
    try:
        return bool(cluster.members(real.api, timeout_s=3))
    except (errors.NoQuorumError, errors.TimedOutError):
        return False


def _statuses(lxd):
    return {member.name: member.status for member in cluster.members(lxd)}


def test_given_three_joined_when_asked_then_all_are_online_and_vote(lxd, three):
    members = cluster.members(lxd)

    assert [member.name for member in members] == ["m1", "m2", "m3"]
    assert {member.status for member in members} == {ONLINE}
    assert sum(member.leads for member in members) == 1
    assert members[1].address == three[1].address
    assert cluster.own_name(three[2].api) == "m3"


def test_given_member_when_bootstrapped_again_then_refused(three):
    with pytest.raises(errors.AlreadyClusteredError):
        cluster.bootstrap(three[1].api, "another")


def test_given_member_when_joining_then_refused(lxd, three):
    token = cluster.mint(lxd, "m9")

    with pytest.raises(errors.AlreadyClusteredError):
        _join(three[1], token)

    assert cluster.revoke(lxd, "m9")


def test_given_token_revoked_when_joining_then_refused_and_newcomer_is_free(lxd, newcomer):
    token = cluster.mint(lxd, newcomer.name)
    assert [one.server_name for one in cluster.tokens(lxd)] == [newcomer.name]
    assert cluster.revoke(lxd, newcomer.name)

    with pytest.raises(errors.TokenUsedError):
        _join(newcomer, token)

    assert cluster.own_name(newcomer.api) == ""
    assert not cluster.revoke(lxd, newcomer.name)


def test_given_token_expired_when_joining_then_refused(lxd, newcomer):
    server.ensure_config(lxd, {"cluster.join_token_expiry": "1S"})
    token = cluster.mint(lxd, newcomer.name)
    time.sleep(1.1)

    with pytest.raises(errors.TokenError):
        _join(newcomer, token)

    server.ensure_config(lxd, {"cluster.join_token_expiry": None})
    assert cluster.own_name(newcomer.api) == ""


def test_given_newcomer_holds_something_when_joining_then_refused_untouched(lxd, newcomer):
    storage.ensure(newcomer.api, "own", "dir", {})
    disk = {"root": {"type": "disk", "path": "/", "pool": "own"}}
    instances.create(newcomer.api, instances.Plan("i", instances.Source.nothing(), devices=disk))
    token = cluster.mint(lxd, newcomer.name)

    with pytest.raises(errors.NotEmptyError) as caught:
        _join(newcomer, token, adopts=["own"])

    assert caught.value.holds == ("the instance i",)
    assert instances.find(newcomer.api, "i") is not None
    cluster.revoke(lxd, newcomer.name)
    instances.ensure_absent(newcomer.api, "i")


def test_given_member_removed_when_it_has_a_new_token_then_it_joins_again(lxd, newcomer):
    token = cluster.mint(lxd, newcomer.name)
    _join(newcomer, token)
    assert _statuses(lxd)[newcomer.name] is ONLINE

    assert cluster.remove(lxd, newcomer.name)

    assert not cluster.remove(lxd, newcomer.name)
    lxd_site.until(lambda: _is_free(newcomer))
    _join(newcomer, cluster.mint(lxd, newcomer.name))
    assert _statuses(lxd)[newcomer.name] is ONLINE


def test_given_token_used_when_another_joins_by_it_then_refused(site, lxd, newcomer):
    token = cluster.mint(lxd, newcomer.name)
    _join(newcomer, token)
    another = site.daemon("another", listens=False)

    with pytest.raises(errors.TokenUsedError):
        _join(another, token)

    another.stop()


def test_given_pool_not_announced_when_made_in_one_call_then_not_pending(lxd):
    body = {"name": "hasty", "driver": "dir"}

    with pytest.raises(errors.NotPendingError):
        operations.run(lxd, "POST", client.url("storage-pools"), body)


def test_given_pool_half_announced_when_ensured_then_every_member_has_it(lxd):
    body = {"name": "juju", "driver": "dir"}
    lxd.call("POST", client.url("storage-pools"), body, query={"target": "m2"})
    assert not storage.find(lxd, "juju").ready

    assert storage.ensure(lxd, "juju", "dir", {}, members=["m1", "m2", "m3"])

    assert storage.find(lxd, "juju").ready
    assert storage.find(lxd, "juju").members == ("m1", "m2", "m3")
    assert storage.ensure(lxd, "juju", "dir", {}, members=["m1", "m2", "m3"]) is False
    assert storage.space(lxd, "juju", "m3").total > 0
    assert storage.ensure_absent(lxd, "juju")


def test_given_member_with_instance_when_removed_then_refused(lxd, instance_on):
    instance_on("tenant", "m3")

    with pytest.raises(errors.MemberHasInstancesError):
        cluster.remove(lxd, "m3")


def test_given_key_of_one_member_when_set_there_then_others_do_not_have_it(lxd, three):
    wanted = {"core.metrics_address": three[1].address.replace(":8443", ":9100")}

    assert server.ensure_config(lxd, wanted, "m2")

    assert server.ensure_config(lxd, wanted, "m2") is False
    assert "core.metrics_address" not in server.get(lxd).config
    server.ensure_config(lxd, {"core.metrics_address": None}, "m2")


def test_given_member_edited_when_read_then_failure_domain_is_set(lxd):
    def move(document):
        document["failure_domain"] = "shelf-2"

    assert cluster.edit(lxd, "m2", move)

    assert cluster.edit(lxd, "m2", move) is False
    assert cluster.members(lxd)[1].failure_domain == "shelf-2"


def test_given_instances_to_be_stopped_when_evacuated_then_they_come_back_where_they_were(
    lxd, instance_on
):
    instance_on("node", "m2")
    assert cluster.ensure_evacuation_mode(lxd, "m2", "stop") == ("node",)
    assert cluster.ensure_evacuation_mode(lxd, "m2", "stop") == ()

    assert cluster.ensure_evacuated(lxd, "m2")

    assert cluster.ensure_evacuated(lxd, "m2") is False
    assert _statuses(lxd)["m2"] is cluster.Status.EVACUATED
    stopped = instances.find(lxd, "node")
    assert (stopped.member, stopped.running) == ("m2", False)
    plan = instances.Plan("late", instances.Source.alias("tiny"), devices=ROOT, member="m2")
    with pytest.raises(errors.EvacuatedError):
        instances.create(lxd, plan)
    assert cluster.ensure_restored(lxd, "m2")
    assert cluster.ensure_restored(lxd, "m2") is False
    assert instances.find(lxd, "node").running
    assert cluster.stranded(lxd) == {}


def test_given_instance_moved_by_evacuation_when_restored_then_it_is_home(lxd, instance_on):
    instance_on("mobile", "m2")

    cluster.ensure_evacuated(lxd, "m2")

    assert instances.find(lxd, "mobile").member in ("m1", "m3")
    assert cluster.stranded(lxd) == {"mobile": "m2"}
    cluster.ensure_restored(lxd, "m2")
    assert instances.find(lxd, "mobile").member == "m2"
    assert instances.find(lxd, "mobile").running


def test_given_old_daemon_when_evacuation_mode_is_asked_then_refused_untouched(lxd):
    with pytest.raises(errors.MissingExtensionError):
        cluster.ensure_evacuated(lxd, "m2", mode="stop")

    assert _statuses(lxd)["m2"] is ONLINE


def test_given_stopped_instance_when_moved_then_it_is_on_the_other_member(lxd, instance_on):
    instance_on("parcel", "m1")
    instances.ensure_stopped(lxd, "parcel", force=True)

    instances.move(lxd, "parcel", "m3")

    assert instances.find(lxd, "parcel").member == "m3"


def test_given_all_members_manual_when_lxd_chooses_then_no_member(lxd, three):
    for real in three:
        cluster.edit(
            lxd,
            real.name,
            lambda document: document.update(config={"scheduler.instance": "manual"}),
        )

    with pytest.raises(errors.NoMemberError):
        instances.create(
            lxd, instances.Plan("astray", instances.Source.alias("tiny"), devices=ROOT)
        )

    for real in three:
        cluster.edit(lxd, real.name, lambda document: document.update(config={}))


def test_given_two_clients_when_both_edit_a_profile_then_cluster_keeps_both(three):
    profiles.ensure(three[0].api, "both", {}, {})

    profiles.ensure_keys(three[1].api, "both", {"limits.cpu": "1"}, {})
    profiles.ensure_keys(three[2].api, "both", {"limits.memory": "64MiB"}, {})

    found = profiles.find(three[0].api, "both")
    assert found.config == {"limits.cpu": "1", "limits.memory": "64MiB"}
    profiles.ensure_absent(three[0].api, "both")


def test_given_half_upgraded_cluster_when_newer_member_restarts_then_it_does_not_serve(site):
    first, second = site.cluster("b1", "b2")
    second.stop()
    first.sql("UPDATE nodes SET api_extensions=api_extensions-1 WHERE name='b1'")

    second.launch()

    with pytest.raises(errors.TimedOutError):
        daemon.wait_ready(host.LocalHost(), second.at, timeout_s=3)
    with pytest.raises(errors.LxdError):
        cluster.members(client.Client(second.api.endpoint, timeout_s=1), timeout_s=1)
    second.kill()
    first.kill()


def test_given_quorum_lost_when_probed_then_known_in_time_and_survivor_recovers(site, progress):
    first, second, third = site.cluster("q1", "q2", "q3")
    second.kill()
    third.kill()
    lxd_site.until(lambda: not _is_quorate(first))
    started = time.monotonic()

    with pytest.raises((errors.NoQuorumError, errors.TimedOutError)):
        cluster.members(first.api, timeout_s=3)

    assert time.monotonic() - started < 20
    assert server.get(first.api).clustered
    first.stop()
    daemon.recover_quorum(host.LocalHost(), first.at)
    first.start()
    progress("the survivor serves again")
    assert {member.name for member in cluster.members(first.api)} == {"q1", "q2", "q3"}
    assert cluster.remove(first.api, "q2", force=True)
    assert cluster.remove(first.api, "q3", force=True)
    assert "INSERT INTO nodes" in daemon.dump(host.LocalHost(), first.at, "global")
    first.stop()
