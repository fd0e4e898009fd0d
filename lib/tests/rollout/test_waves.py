from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecloud.rollout import intent, route, waves
from tests.rollout import sites

STEP = route.Step(0, route.Kind.KUBERNETES, "1.35")


def test_given_roles_when_assigned_then_control_planes_come_first_and_domains_take_turns():
    left, right = sites.workers("w1", "w2", domain="l"), sites.workers("w3", domain="r")
    members = sites.frozen(sites.planes("p1", "p2"), left, right)

    found = waves.assign(sites.make(), members, STEP)

    assert found == (("p1",), ("p2", "w1", "w3", "w2"))


def test_given_the_coordinators_node_when_assigned_then_it_is_the_last_of_its_role():
    members = sites.frozen(sites.planes("a", coordinator=True), sites.planes("b", "c"))

    assert waves.assign(sites.make(), members, STEP) == (("b",), ("c", "a"))


def test_given_an_os_step_when_assigned_then_a_worker_is_the_canary():
    members = sites.frozen(sites.planes("p"), sites.workers("w"))

    found = waves.assign(sites.make(), members, route.Step(0, route.Kind.OS, "1"))

    assert found[0] == ("w",)


def test_given_firmware_when_assigned_then_only_the_canary_gets_it():
    members = sites.frozen(sites.workers("a", "b", "c"))

    found = waves.assign(sites.make(), members, route.Step(0, route.Kind.FIRMWARE, "1"))

    assert found == (("a",),)


def test_given_lxd_when_assigned_then_all_members_are_in_one_wave():
    members = sites.frozen(sites.workers("a", "b", lxd=True), sites.workers("c"))

    assert waves.assign(sites.make(), members, route.Step(0, route.Kind.LXD)) == (("a", "b"),)


def test_given_a_wave_that_takes_workers_first_when_accepted_then_it_is_refused():
    members = sites.frozen(sites.planes("p", "q"), sites.workers("w", labels=(("tier", "x"),)))
    canary = {"name": "canary", "size": "1", "where": {"tier": "x"}}

    with pytest.raises(intent.IntentError, match="worker comes before"):
        intent.accept(sites.make(canary=canary), members, 0)


@given(
    planes=st.integers(0, 5),
    workers=st.integers(1, 40),
    sizes=st.lists(st.sampled_from(("1", "3", "10%", "50%")), max_size=4),
)
def test_given_any_site_when_assigned_then_every_node_is_in_exactly_one_wave(
    planes, workers, sizes
):
    members = sites.frozen(
        sites.planes(*(f"p{n}" for n in range(planes))),
        sites.workers(*(f"w{n}" for n in range(workers))),
    )
    specs = [{"name": f"w{i}", "size": size} for i, size in enumerate(sizes)] or [{"name": "all"}]

    found = waves.assign(sites.make(waves=specs), members, STEP)

    assert Counter(name for wave in found for name in wave) == Counter(list(members))
    assert len(found[0]) < max(2, len(members))
