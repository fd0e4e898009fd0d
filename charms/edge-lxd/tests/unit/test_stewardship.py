"""The steward's tokens and its farewells; and how a unit leaves."""

import dataclasses

import pytest
from conftest import books, member, name, report, said

import departure
import membership
import pool_care
from edgecloud import testing as relations
from edgecloud.host import snap
from edgecloud.interfaces.lxd_cluster import Admission
from edgecloud.lxd import cluster, errors, instances, storage
from edgelab import pi
from edgelab.pi.lxd import daemon as pi_daemon

UNTIL = 1_800_000_900.0


@pytest.fixture
def admitting(single, unit, record):
    """A cluster of one whose books admit edge-lxd/1, and its unit; nothing offered yet."""
    single.add(1).install(1)
    admitted = record(
        0,
        admission=Admission("edge-lxd/1", 1, UNTIL),
        members=(member(single, 0), member(single, 1, "joining")),
    )
    return unit(0), admitted


def offer(unit, admitted, *, leader=True):
    peers = relations.lxd_peers({1: said(unit.pis, 1)}, record=admitted)
    return unit.update(peers=peers, leader=leader, planned_units=2)


def tokens(pis):
    return [one.server_name for one in cluster.tokens(pis.api(0))]


def test_given_a_unit_admitted_when_offered_then_the_token_is_in_a_secret_for_it(admitting, pis):
    unit, admitted = admitting

    state = offer(unit, admitted)

    [secret] = state.secrets
    [made] = report(state).offers
    assert made.secret == secret.id
    assert list(secret.remote_grants.values()) == [{"edge-lxd/1"}]
    token = cluster.JoinToken.decode(secret.latest_content["token"])
    assert token.server_name == "edge-lxd-1"
    assert token.secret not in str(state.get_relations("cluster"))


def test_given_an_offer_when_its_token_expires_soon_then_another_takes_its_place(admitting, pis):
    unit, admitted = admitting
    state = offer(unit, admitted)
    before = next(iter(state.secrets)).latest_content["token"]
    pis.world.clock.advance(2 * 3600 + 55 * 60)
    later = dataclasses.replace(admitted, admission=Admission("edge-lxd/1", 1, UNTIL + 99_999))
    peers = dataclasses.replace(
        state.get_relations("cluster")[0], local_app_data=relations.encoded(later)
    )

    state = unit.go_on(dataclasses.replace(state, relations={peers}))

    [secret] = state.secrets
    fresh = secret.latest_content["token"]
    assert fresh != before
    assert tokens(pis) == ["edge-lxd-1"]
    pis.world.clock.advance(20 * 60)
    at = pis.address(1)
    from edgecloud.lxd import daemon

    daemon.join(pis.host(1), daemon.SNAP, daemon.Joining(cluster.JoinToken.decode(fresh), at))
    assert "edge-lxd-1" in pis.members()


def test_given_an_offer_when_the_admission_is_over_then_secret_and_token_are_gone(admitting, pis):
    unit, admitted = admitting
    state = offer(unit, admitted)
    pis.world.clock.advance(1000)

    state = unit.go_on(state)

    assert not report(state).offers
    assert not state.secrets
    assert tokens(pis) == []


def test_given_a_new_steward_when_the_old_one_runs_then_it_withdraws_its_offer(admitting, pis):
    unit, admitted = admitting
    state = offer(unit, admitted)
    other = dataclasses.replace(admitted, steward="edge-lxd/9")
    peers = dataclasses.replace(
        state.get_relations("cluster")[0], local_app_data=relations.encoded(other)
    )

    state = unit.go_on(dataclasses.replace(state, relations={peers}, leader=False))

    assert not report(state).offers
    assert tokens(pis) == []


def test_given_a_silent_member_whose_unit_left_then_it_is_not_removed_unasked(trio, unit, record):
    trio.power_off(2)
    leaving = record(0, 1, members=(*record(0, 1).members, member(trio, 2, "leaving")))
    peers = relations.lxd_peers({1: said(trio, 1, cluster=leaving.cluster)}, record=leaving)

    state = unit(0).update(peers=peers, leader=True, planned_units=2)

    assert name(2) in trio.members()
    assert "run remove-member member=edge-lxd-2" in state.unit_status.message


def test_given_a_member_that_answers_when_its_unit_left_long_ago_then_it_is_seen_off(
    trio, unit, record
):
    leaving = record(0, 1, members=(*record(0, 1).members, member(trio, 2, "leaving")))
    peers = relations.lxd_peers({1: said(trio, 1, cluster=leaving.cluster)}, record=leaving)

    pi = unit(0)
    state = pi.update(peers=peers, leader=True, planned_units=2)
    state = pi.go_on(state)
    state = pi.go_on(state)

    assert name(2) not in trio.members()
    assert [one.unit for one in books(state).members] == ["edge-lxd/0", "edge-lxd/1"]


def stop(unit, record):
    peers = relations.lxd_peers(record=record)
    return unit.dispatch(unit.ctx.on.stop(), unit.state(peers=peers))


def make(pis, instance, number, **config):
    plan = instances.Plan(instance, instances.Source.nothing(), config=config, member=name(number))
    instances.create(pis.api(0), plan)
    instances.ensure_running(pis.api(0), instance)


def test_given_instances_when_the_unit_is_removed_then_they_move_and_it_leaves(trio, unit, record):
    make(trio, "i", 1)

    stop(unit(1), record(0, 1, 2))

    assert instances.find(trio.api(0), "i").member != name(1)
    assert trio.members() == [name(0), name(2)]
    assert cluster.own_name(trio.api(1)) == ""


def test_given_volumes_of_its_own_when_the_unit_is_removed_then_they_do_not_hold_it(
    trio, unit, record
):
    storage.ensure_volume(trio.api(1), "local", "images", {}, member=name(1))

    stop(unit(1), record(0, 1, 2))

    assert trio.members() == [name(0), name(2)]


def test_given_two_silent_members_when_a_third_unit_is_removed_then_it_is_refused(
    trio, unit, record
):
    trio.add(3).install(3).join(3)
    trio.power_off(2)

    with pytest.raises(SystemExit):
        stop(unit(1), record(0, 1, 2, 3))

    assert name(1) in trio.members()


def test_given_the_last_member_with_instances_when_removed_then_it_is_refused(
    single, unit, record
):
    make(single, "i", 0)

    with pytest.raises(SystemExit):
        stop(unit(0), record(0))

    assert single.members() == [name(0)]


def test_given_a_member_that_is_lost_while_nodes_are_drained_when_leaving_then_nobody_leaves(
    trio, unit, record, monkeypatch
):
    books = record(0, 1, 2)

    def drained(*_):
        trio.power_off(2)
        trio.world.clock.advance(120)

    monkeypatch.setattr(pool_care, "remove", drained)

    with pytest.raises(SystemExit):
        stop(unit(1), books)

    assert trio.members() == [name(0), name(1), name(2)]


def test_given_instances_when_the_remove_hook_runs_all_the_same_then_lxd_stays(
    single, unit, record
):
    make(single, "i", 0)
    pi = unit(0)

    pi.dispatch(pi.ctx.on.remove(), pi.state(peers=relations.lxd_peers(record=record(0))))

    assert "lxd" in single.world.machines["0"].snaps


def test_given_a_daemon_that_does_not_serve_when_the_remove_hook_runs_then_lxd_stays(
    single, unit, record
):
    make(single, "i", 0)
    pi = unit(0)
    state = pi.state(peers=relations.lxd_peers(record=record(0)))
    snap.stop(single.host(0), "lxd")

    pi.dispatch(pi.ctx.on.remove(), state)

    # Nobody could say that it is empty, and what it holds would be gone for good.
    assert "lxd" in single.world.machines["0"].snaps


def test_given_a_daemon_that_starts_anew_when_the_remove_hook_asks_it_then_lxd_goes(
    single, unit, record, monkeypatch
):
    pi = unit(0)
    state = pi.state(peers=relations.lxd_peers(record=record(0)))
    answers = [errors.UnreachableError("it hung up"), ()]

    def asked(*_):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(departure, "is_inhabited", asked)
    pi.dispatch(pi.ctx.on.remove(), state)

    assert answers == []
    assert "lxd" not in single.world.machines["0"].snaps


def removed(pis, unit, books):
    """Run the remove hook of unit 0, and return whether LXD went."""
    pi = unit(0)
    pi.dispatch(pi.ctx.on.remove(), pi.state(peers=relations.lxd_peers(record=books)))
    return "lxd" not in pis.world.machines["0"].snaps


def hang(pis):
    pis.world.machines["0"].lxd.hung = True
    pi_daemon.sync(pis.world)


def test_given_a_daemon_that_hangs_when_the_remove_hook_runs_then_it_is_ended_and_goes(
    single, unit, record
):
    books = record(0)
    hang(single)

    assert removed(single, unit, books)


def test_given_a_daemon_that_hangs_when_the_remove_hook_runs_then_its_instances_run_on(
    single, unit, record
):
    # It would not come back by itself.
    make(single, "i", 0, **{"boot.autostart": "false"})
    books = record(0)
    hang(single)

    assert not removed(single, unit, books)

    assert instances.find(single.api(0), "i").running


def test_given_a_daemon_that_was_stopped_when_the_remove_hook_runs_then_it_is_not_started(
    single, unit, record
):
    make(single, "i", 0)
    books = record(0)
    snap.stop(single.host(0), "lxd")

    assert not removed(single, unit, books)

    assert not single.world.machines["0"].lxd.running


def test_given_snapd_that_is_busy_when_the_remove_hook_runs_then_it_says_so_and_is_run_again(
    single, unit, record, caplog
):
    books = record(0)
    busy = pi.fail(1, 'error: snap "lxd" has "auto-refresh" change in progress')
    single.fail(0, "/usr/bin/snap", "remove", effect=busy)

    with pytest.raises(SystemExit):
        removed(single, unit, books)

    assert "not cleared yet, trying again: snap remove failed" in caplog.text
    assert removed(single, unit, books)


def test_given_a_departure_when_the_dying_unit_hears_it_then_it_notes_nothing(trio, unit, record):
    peers = relations.lxd_peers({0: said(trio, 0), 2: said(trio, 2)}, record=record(0, 1, 2))
    pi = unit(1)
    event = pi.ctx.on.relation_departed(peers, remote_unit=2, departing_unit=1)

    state = pi.dispatch(event, pi.state(peers=peers, leader=True))

    assert report(state).departed == ()
    assert trio.members() == [name(0), name(1), name(2)]


def test_given_a_departure_when_another_unit_left_then_it_is_noted(trio, unit, record):
    peers = relations.lxd_peers({2: said(trio, 2)}, record=record(0, 1, 2))
    pi = unit(0)
    event = pi.ctx.on.relation_departed(peers, remote_unit=1, departing_unit=1)

    state = pi.dispatch(event, pi.state(peers=peers, leader=True))

    assert report(state).departed == ("edge-lxd/1",)
    assert [one.unit for one in membership.leaving(books(state))] == ["edge-lxd/1"]
