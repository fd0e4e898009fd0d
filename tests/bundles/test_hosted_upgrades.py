"""Nodes that LXD hosts move with a plan: each beside the old one, after the control plane."""

import pytest
import renewal_site
import sites
from hosted_site import LXD
from renewal_site import CONTROL, FOLLOWING, FORMER, STEP

from edgecloud.rollout import ledger

Phase = ledger.Phase


@pytest.fixture
def make_site(tmp_path):
    yield from sites.making(renewal_site.RenewalSite, tmp_path)


def test_given_a_plan_when_the_control_plane_has_moved_then_hosted_nodes_are_replaced_one_by_one(
    make_site,
):
    site = make_site(seed=0, nodes=2)

    site.start()
    site.settle(within_s=8 * 3600)

    assert site.phase() is Phase.COMPLETED
    assert site.builds() == dict.fromkeys(FOLLOWING, site.build())
    assert site.nodes() == dict.fromkeys(("pi-1", *FOLLOWING), True)
    assert (site.fewest, site.most) == (2, 3)
    assert (site.cordoned(), [*site.blocked]) == ([], [])
    assert "set node-channel=1.36/stable" in site.message(LXD)


def test_given_a_new_node_that_never_is_ready_when_given_up_then_the_old_one_serves_and_all_stops(
    make_site,
):
    site = make_site(seed=1, nodes=2)
    old = site.builds()[FORMER[1]]
    site.spoil(FOLLOWING[1])

    site.start()
    site.settle(within_s=8 * 3600)

    assert (site.phase(), site.burnt()) == (Phase.HELD, (f"hosted:1.36:{site.build()}",))
    why = f"{FOLLOWING[0]} new by now; {FORMER[1]} stays"
    assert f"edge-lxd-0 failed, and the plan allows none ({why}" in site.message(CONTROL)
    left = {FOLLOWING[0]: site.build(), FORMER[1]: old}
    assert site.builds() == left
    assert site.nodes() == dict.fromkeys(("pi-1", *left), True)
    assert (site.fewest, site.cordoned()) == (2, [])
    assert any(said.startswith(f"{STEP} ended early: {why}") for said in site.said)
    site.advance(4 * 3600)
    assert site.builds() == left


def test_given_no_controller_and_then_no_power_when_both_are_back_then_the_node_is_replaced(
    make_site,
):
    site = make_site(seed=2, nodes=1)
    site.start()
    site.until(lambda: FOLLOWING[0] in site.hosted())

    site.cut_controller()
    site.advance(1200)
    alone = site.nodes()[FORMER[0]]
    site.heal_controller()
    # Once it joined; and when the old one was let go, which comes up again before it is deleted.
    for moment in (lambda: FOLLOWING[0] in site.nodes(), lambda: FORMER[0] not in site.nodes()):
        site.until(moment)
        site.power_off(site.host.id)
        site.advance(120)
        site.power_on(site.host.id)
    was_there = FORMER[0] in site.hosted()
    site.settle(within_s=8 * 3600)

    assert (alone, was_there) == (True, True)
    assert site.phase() is Phase.COMPLETED
    assert site.builds() == {FOLLOWING[0]: site.build()}
    assert site.nodes() == {"pi-1": True, FOLLOWING[0]: True}
    assert site.cordoned() == []


@pytest.mark.parametrize("seed", range(3))
def test_given_a_leader_that_goes_in_the_middle_when_another_leads_then_the_node_is_replaced_once(
    make_site, seed
):
    site = make_site(seed=seed, nodes=1)
    standby, leader = f"{CONTROL}/0", site.add_unit(CONTROL)
    site.move_leader(CONTROL, leader.name)
    site.settle()
    wishes = site.wishes()

    site.start()
    moments = (site.granted, lambda: FOLLOWING[0] in site.hosted(), site.answered)
    site.until(moments[seed])
    epoch, heard = site.rollout().epoch, site.granted()
    if seed == 1:
        site.move_leader(CONTROL, standby)
    else:
        site.power_off(leader.machine)
        site.schedule(site.clock.now() + 3600, lambda: site.power_on(leader.machine))
    site.settle(within_s=8 * 3600)

    assert heard, "it had ended before the leader went"
    assert site.applications[CONTROL].leader == standby
    assert (site.rollout().epoch, site.phase()) == (epoch + 1, Phase.COMPLETED)
    assert len(wishes) == 1
    assert site.builds() == {FOLLOWING[0]: site.build()}
    assert site.nodes() == {"pi-1": True, FOLLOWING[0]: True}
    assert (site.fewest, site.most, site.cordoned()) == (1, 2, [])
