"""The books: who begins, who joins, who acts, who leaves; as decisions on plain values."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

import membership
from edgecloud import books
from edgecloud.interfaces.lxd_cluster import (
    Admission,
    Build,
    ClusterRecord,
    Member,
    MemberReport,
    Refusal,
)

NOW = 1_000_000.0
FOUNDED = ClusterRecord(
    founder="a/0",
    cluster="f00",
    steward="a/0",
    network="br0",
    builds=(Build("arm64", "a/0", "100"),),
    members=(Member("a/0", "a-0", "10.0.0.1:8443", "joined", 1.0),),
)


def says(number, **fields):
    plain = {
        "arch": "arm64",
        "revision": "100",
        "name": f"a-{number}",
        "address": f"10.0.0.{number + 1}:8443",
        "network": "br0",
        "ready": True,
    }
    return MemberReport(**{**plain, **fields})


def joined(number):
    return says(number, ready=None, cluster="f00")


def plan(record, reports, *, leader="a/0", now=NOW):
    return membership.plan(
        record, reports={f"a/{n}": r for n, r in reports.items()}, leader=leader, now=now
    )


def test_given_ready_units_when_nothing_is_decided_then_the_leader_founds():
    record = plan(ClusterRecord(), {0: says(0), 1: says(1)}, leader="a/1")

    assert record.founder == "a/1"
    assert membership.may_found(record, "a/1")
    assert not membership.may_found(record, "a/0")


def test_given_a_founder_when_another_unit_leads_then_it_stays_the_only_one():
    record = plan(ClusterRecord(), {0: says(0), 1: says(1)})

    record = plan(record, {0: says(0), 1: says(1)}, leader="a/1")

    assert record.founder == "a/0"
    assert record.cluster is None


def test_given_a_founder_that_departed_before_it_began_then_another_one_is_chosen():
    record = plan(ClusterRecord(), {0: says(0), 1: says(1)})

    record = plan(record, {1: says(1, departed=("a/0",))}, leader="a/1")

    assert record.founder == "a/1"


def test_given_the_founder_has_begun_then_nobody_may_again():
    record = plan(dataclasses.replace(FOUNDED, cluster=None, members=()), {0: joined(0)})

    assert record.cluster == "f00"
    assert not membership.may_found(record, "a/0")


def test_given_the_founder_departed_later_then_the_cluster_goes_on():
    record = dataclasses.replace(FOUNDED, members=(*FOUNDED.members, member(1)))

    record = plan(record, {1: dataclasses.replace(joined(1), departed=("a/0",))}, leader="a/1")

    assert record.cluster == "f00"
    assert record.steward == "a/1"
    assert [one.unit for one in membership.leaving(record)] == ["a/0"]


def member(number, state="joined"):
    return Member(f"a/{number}", f"a-{number}", f"10.0.0.{number + 1}:8443", state, 1.0)


def test_given_two_that_want_in_then_one_at_a_time_is_admitted():
    record = plan(FOUNDED, {0: joined(0), 2: says(2), 1: says(1)})

    assert record.admission == Admission("a/1", 1, NOW + books.ADMISSION_S)
    again = plan(record, {0: joined(0), 2: says(2), 1: says(1)}, now=NOW + 10)
    assert again.admission == record.admission


def test_given_the_first_has_joined_then_the_next_has_its_turn():
    record = plan(FOUNDED, {0: joined(0), 1: says(1), 2: says(2)})

    record = plan(record, {0: joined(0), 1: joined(1), 2: says(2)})

    assert record.admission.unit == "a/2"
    assert [one.unit for one in membership.joined(record)] == ["a/0", "a/1"]


def test_given_an_attempt_that_failed_then_others_go_ahead_and_it_waits():
    record = plan(FOUNDED, {0: joined(0), 1: says(1), 2: says(2)})
    failed = says(1, attempt=1, error="the token has expired")

    record = plan(record, {0: joined(0), 1: failed, 2: says(2)})

    assert record.admission.unit == "a/2"
    assert membership.refusal_of(record, "a/1").reason == "the token has expired"


def test_given_a_failed_attempt_when_its_wait_is_over_then_it_has_a_new_attempt():
    record = plan(FOUNDED, {0: joined(0), 1: says(1)})
    failed = says(1, attempt=1, error="the token has expired")
    record = plan(record, {0: joined(0), 1: failed})
    assert record.admission is None

    record = plan(record, {0: joined(0), 1: failed}, now=NOW + 31)

    assert record.admission == Admission("a/1", 2, NOW + 31 + books.ADMISSION_S)


def test_given_a_joiner_that_never_answers_then_its_admission_ends():
    record = plan(FOUNDED, {0: joined(0), 1: says(1)})

    record = plan(record, {0: joined(0), 1: says(1)}, now=NOW + books.ADMISSION_S)

    assert record.admission is None
    assert membership.refusal_of(record, "a/1").reason == "did not answer in time"


def test_given_a_joiner_whose_word_comes_late_then_it_is_a_member_all_the_same():
    record = plan(FOUNDED, {0: joined(0), 1: joined(1)})

    assert [one.unit for one in membership.joined(record)] == ["a/0", "a/1"]


def test_given_a_machine_of_another_cluster_then_it_is_no_member():
    record = plan(FOUNDED, {0: joined(0), 1: says(1, ready=None, cluster="other")})

    assert [one.unit for one in membership.joined(record)] == ["a/0"]
    assert record.admission is None


def test_given_a_member_that_left_when_the_steward_finds_it_absent_then_it_is_forgotten():
    record = dataclasses.replace(FOUNDED, members=(*FOUNDED.members, member(1)))
    gone = dataclasses.replace(joined(0), departed=("a/1",))
    record = plan(record, {0: gone})
    assert [one.unit for one in membership.leaving(record)] == ["a/1"]

    record = plan(record, {0: dataclasses.replace(gone, absent=("a/1",))})

    assert [one.unit for one in record.members] == ["a/0"]


def test_given_a_departure_that_only_the_dying_unit_saw_then_nobody_is_marked():
    record = dataclasses.replace(FOUNDED, members=(*FOUNDED.members, member(1)))

    record = plan(record, {0: joined(0), 1: dataclasses.replace(joined(1), departed=("a/0",))})

    assert membership.leaving(record) == []


def test_given_everybody_left_when_a_unit_comes_then_a_new_cluster_may_begin():
    emptied = dataclasses.replace(FOUNDED, members=())

    record = plan(emptied, {5: says(5)}, leader="a/5")

    assert membership.may_found(record, "a/5")


def test_given_a_leader_that_is_no_member_then_the_steward_changes_after_a_failure():
    record = dataclasses.replace(FOUNDED, members=(*FOUNDED.members, member(1)))
    reports = {0: joined(0), 1: joined(1), 9: says(9)}
    assert plan(record, reports, leader="a/9").steward == "a/0"

    record = dataclasses.replace(record, refusals=(Refusal("a/9", 1, NOW + 99, "no"),))

    assert plan(record, reports, leader="a/9").steward == "a/1"


def test_given_a_build_nobody_has_then_one_unit_finds_out_and_the_others_wait():
    reports = {n: says(n, revision=None, ready=None) for n in (0, 1)}
    record = plan(ClusterRecord(), reports)
    first = membership.build_for(record, "a/0", "arm64")
    second = membership.build_for(record, "a/1", "arm64")

    record = plan(record, {0: says(0), 1: reports[1]})

    assert (first, second) == (Build("arm64", "a/0"), None)
    assert membership.build_for(record, "a/1", "arm64").revision == "100"


def test_given_the_unit_that_goes_first_departed_then_another_one_does():
    record = plan(ClusterRecord(), {0: says(0, revision=None, ready=None)})

    record = plan(record, {1: says(1, revision=None, ready=None)}, leader="a/1")

    assert membership.build_for(record, "a/1", "arm64") == Build("arm64", "a/1")


@pytest.mark.parametrize("attempt", [1, 5, 1000])
def test_given_many_failures_then_the_wait_has_a_limit(attempt):
    record = dataclasses.replace(FOUNDED, admission=Admission("a/1", attempt, NOW + 5))

    record = plan(record, {0: joined(0), 1: says(1, attempt=attempt, error="no")})

    wait = membership.refusal_of(record, "a/1").not_before - NOW
    assert 30 <= wait <= books.BACKOFF_LIMIT_S


REPORTS = st.dictionaries(
    st.integers(0, 4),
    st.builds(
        says,
        st.integers(0, 4),
        ready=st.booleans(),
        cluster=st.sampled_from([None, "f00", "other"]),
        attempt=st.sampled_from([None, 1, 2]),
        error=st.sampled_from([None, "no"]),
        departed=st.lists(st.sampled_from([f"a/{n}" for n in range(5)]), max_size=2).map(tuple),
    ),
    min_size=1,
)


@given(st.lists(REPORTS, min_size=1, max_size=5), st.integers(0, 4))
def test_given_any_reports_then_one_founder_one_cluster_one_admission(rounds, leader):
    record = ClusterRecord()
    for at, reports in enumerate(rounds):
        before = record
        record = plan(record, reports, leader=f"a/{leader}", now=NOW + 1000 * at)
        if before.cluster and before.members:
            assert record.cluster == before.cluster
        assert len({one.unit for one in record.members}) == len(record.members)
        joining = [one for one in record.members if one.state == membership.JOINING]
        assert len(joining) <= 1
        assert plan(record, reports, leader=f"a/{leader}", now=NOW + 1000 * at) is not None


LEFT = dataclasses.replace(
    FOUNDED,
    members=(
        Member("a/0", "a-0", "10.0.0.1:8443", "joined", 1.0),
        Member("a/1", "a-1", "10.0.0.2:8443", "leaving", 1.0),
    ),
)


@pytest.mark.parametrize(
    ("record", "reports", "planned", "found"),
    [
        (LEFT, {2: says(2)}, 1, ("a-0", "a-1")),
        (LEFT, {2: says(2)}, 2, ()),  # Somebody was not met yet.
        (LEFT, {0: joined(0), 2: says(2)}, 2, ()),  # Somebody can let it in.
        (LEFT, {1: joined(1), 2: says(2)}, 2, ("a-0", "a-1")),  # Who leaves cannot.
        (ClusterRecord(founder="a/0"), {2: says(2)}, 1, ("a-0",)),
        (ClusterRecord(founder="a/2"), {2: says(2)}, 1, ()),
        (ClusterRecord(), {2: says(2)}, 1, ()),
    ],
)
def test_given_the_books_when_no_unit_of_the_cluster_is_left_then_its_members_are_lost(
    record, reports, planned, found
):
    seen = {f"a/{number}": report for number, report in reports.items()}

    assert membership.lost(record, seen, planned) == found


def test_given_no_unit_of_the_cluster_when_nobody_gave_it_up_then_nobody_begins_another():
    record = plan(LEFT, {2: says(2)}, leader="a/2")

    assert record.cluster == "f00"
    assert record.founder == "a/0"
    assert record.steward is None
    assert record.admission is None
    assert not membership.may_found(record, "a/2")


@pytest.mark.parametrize("record", [LEFT, ClusterRecord(founder="a/0")])
def test_given_a_cluster_without_units_when_given_up_then_one_of_those_there_are_begins_anew(
    record,
):
    given_up = says(3, given_up=membership.identity(record))

    record = plan(record, {2: says(2), 3: given_up}, leader="a/2")

    assert record.founder == "a/2"
    assert record.cluster is None
    assert not record.members
    again = plan(record, {2: joined(2), 3: given_up}, leader="a/3")
    assert again.founder == "a/2"
    assert again.cluster == "f00"


@pytest.mark.parametrize("given_up", ["f00", "a-0", "another"])
def test_given_a_unit_of_the_cluster_when_somebody_gives_it_up_then_it_stays(given_up):
    reports = {0: joined(0), 2: says(2, given_up=given_up)}

    record = plan(FOUNDED, reports, leader="a/2")

    assert record.cluster == "f00"
    assert record.members[0].unit == "a/0"
