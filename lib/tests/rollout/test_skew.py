import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecloud.rollout import skew

MINORS = st.integers(20, 40).map(lambda minor: skew.Minor(1, minor))
PLANE, WORKER = skew.CONTROL_PLANE, skew.WORKER


def m(minor):
    return skew.Minor(1, minor)


@pytest.mark.parametrize("text", ["1.34", "v1.34.2", "1.34.10", "v1.34.0-rc.1+x"])
def test_given_a_version_when_parsed_then_its_minor_is_found(text):
    assert skew.parse(text) == m(34)


@pytest.mark.parametrize("text", ["", "latest", "1", "v1.x"])
def test_given_something_else_when_parsed_then_there_is_no_minor(text):
    assert skew.parse(text) is None


@given(MINORS, MINORS)
def test_given_two_minors_when_routed_then_no_minor_between_them_is_left_out(current, target):
    way = (current, *skew.route(current, target))

    assert all(later.minor - earlier.minor == 1 for earlier, later in itertools.pairwise(way))
    assert current > target or way[-1] == target


@pytest.mark.parametrize(
    ("fleet", "broken"),
    [
        ([(PLANE, 34), (PLANE, 35)], False),
        ([(PLANE, 34), (PLANE, 36)], True),
        ([(PLANE, 34), (WORKER, 35)], True),
        ([(PLANE, 35), (WORKER, 32)], False),
        ([(PLANE, 35), (WORKER, 31)], True),
        ([(PLANE, 26), (WORKER, 24)], False),
        ([(PLANE, 27), (WORKER, 24)], True),
        ([(WORKER, 20), (WORKER, 34)], False),
    ],
)
def test_given_a_fleet_when_checked_then_upstreams_policy_decides(fleet, broken):
    assert bool(skew.problems((role, m(minor)) for role, minor in fleet)) is broken


def test_given_a_worker_when_the_control_plane_is_older_then_it_may_not_move():
    fleet = {(PLANE, m(34)): 1, (WORKER, m(34)): 2}

    assert "newer" in skew.blocker(fleet, WORKER, m(34), m(35))
    assert skew.blocker(fleet, PLANE, m(34), m(35)) == ""


def test_given_a_node_far_behind_when_it_moves_up_by_one_then_old_faults_do_not_stop_it():
    fleet = {(PLANE, m(36)): 1, (WORKER, m(31)): 1}

    assert skew.blocker(fleet, WORKER, m(31), m(32)) == ""
    assert "skips" in skew.blocker(fleet, WORKER, m(31), m(33))


@given(
    st.dictionaries(st.tuples(st.sampled_from((PLANE, WORKER)), MINORS), st.just(1), min_size=1),
    st.data(),
)
def test_given_a_sound_fleet_when_a_node_may_move_then_it_is_sound_during_and_after(fleet, data):
    role, current = data.draw(st.sampled_from(sorted(fleet)))
    target = m(current.minor + data.draw(st.sampled_from((-1, 1))))

    if not skew.problems(fleet) and not skew.blocker(fleet, role, current, target):
        rest = [pair for pair in fleet if pair != (role, current)]
        assert skew.problems([*fleet, (role, target)]) == []
        assert skew.problems([*rest, (role, target)]) == []
