import hypothesis
import pytest
from hypothesis import strategies

import quorum
from quorum import Member, Role

MEMBERS = strategies.lists(
    strategies.builds(
        Member,
        address=strategies.integers(1, 9).map(lambda n: f"10.0.0.{n}"),
        role=strategies.sampled_from(Role),
        alive=strategies.booleans(),
    ),
    unique_by=lambda member: member.address,
    max_size=9,
)


def voters(*alive):
    return [Member(f"10.0.0.{n}", Role.VOTER, up) for n, up in enumerate(alive, 1)]


@pytest.mark.parametrize(
    ("alive", "leaves", "survives"),
    [
        pytest.param((True, True, True), "10.0.0.1", True, id="one of three healthy"),
        pytest.param((True, True, False), "10.0.0.3", True, id="the dead one of three"),
        pytest.param((True, True, False), "10.0.0.1", False, id="a healthy one beside a dead one"),
        pytest.param((True, False, False), "10.0.0.2", False, id="no majority to agree on it"),
        pytest.param((True,), "10.0.0.1", True, id="the last one"),
        pytest.param((True, True, True), "10.0.0.9", True, id="one that is no member"),
    ],
)
def test_given_voters_when_one_leaves_then_the_majority_decides(alive, leaves, survives):
    assert quorum.survives_without(voters(*alive), leaves) is survives


def test_given_one_voter_and_a_spare_when_the_voter_leaves_then_it_is_refused():
    members = [*voters(True), Member("10.0.0.2", Role.SPARE, True)]

    assert not quorum.survives_without(members, "10.0.0.1")


@hypothesis.given(MEMBERS)
def test_given_any_members_when_a_removal_is_allowed_then_a_majority_remains(members):
    for gone in members:
        rest = [member for member in members if member is not gone]

        if quorum.survives_without(members, gone.address) and rest:
            assert quorum.has_quorum(rest)


@hypothesis.given(MEMBERS)
def test_given_any_members_when_all_voters_answer_then_there_is_a_majority(members):
    if quorum.all_answer(members):
        assert quorum.has_quorum(members)


@pytest.mark.parametrize(
    ("alive", "restarts", "spared"),
    [
        pytest.param((True, True, True), "10.0.0.1", True, id="all answer"),
        pytest.param((True, True, False), "10.0.0.1", False, id="another voter is away"),
        pytest.param((True, True, False), "10.0.0.3", True, id="it is the one that is away"),
        pytest.param((True,), "10.0.0.1", True, id="there is no other"),
    ],
)
def test_given_voters_when_one_wants_to_restart_then_the_others_must_answer(
    alive, restarts, spared
):
    assert quorum.can_spare(voters(*alive), restarts) is spared


def test_given_a_voter_that_is_away_when_a_spare_restarts_then_nobody_minds():
    members = [*voters(True, True, False), Member("10.0.0.4", Role.SPARE, True)]

    assert quorum.can_spare(members, "10.0.0.4")
