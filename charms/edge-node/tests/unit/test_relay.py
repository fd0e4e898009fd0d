"""What a node asks of its principal, and what has to come before its agent is told. Pure."""

import dataclasses

import pytest
from conftest import PLANE, START, WORKER

import relay
from edgecloud.interfaces import edge_component
from edgecloud.lxd_member import renewal
from edgecloud.rollout import messages

Status, Verb = messages.Status, messages.Verb
PART = "kubernetes/1.36"


def order(verb, **changes):
    return messages.Order(
        **{"stamp": (1, 2), "verb": Verb(verb), "digest": "d", "part": PART, **changes}
    )


def report(status, **changes):
    return messages.Report(Status(status), **{"digest": "d", "part": PART, **changes})


def wishes(given, said, component=PLANE, *, now=START, rejoins=True, alone=False):
    return relay.wishes(given, said, component, now, rejoins=rejoins, alone=alone)


@pytest.mark.parametrize("status", ["disrupted", "uncommitted", "soaking", "regressed"])
@pytest.mark.parametrize("given", [None, order("forget"), order("hold")])
def test_given_a_voter_that_may_go_back_when_its_order_is_gone_then_the_way_back_is_kept(
    status, given
):
    assert wishes(given, report(status)).way_back


@pytest.mark.parametrize("status", ["idle", "done", "failed", "rolled-back", "quarantined"])
@pytest.mark.parametrize("given", [None, order("forget")])
def test_given_a_voter_that_is_through_when_its_order_is_gone_then_no_way_back_is_asked(
    status, given
):
    assert not wishes(given, report(status)).way_back


@pytest.mark.parametrize(
    ("said", "component", "alone"),
    [
        (report("disrupted", part="os/26.04.1"), PLANE, False),
        (report("disrupted"), WORKER, False),
        (report("disrupted"), None, False),
        (report("disrupted"), PLANE, True),
    ],
)
def test_given_a_node_that_goes_back_by_itself_when_disturbed_then_no_way_back_is_asked(
    said, component, alone
):
    assert not wishes(order("forget"), said, component, alone=alone).way_back


@pytest.mark.parametrize(("verb", "wanted"), [("prepare", False), ("roll-back", True)])
def test_given_a_node_that_is_done_when_ordered_then_only_going_back_needs_a_way_back(
    verb, wanted
):
    assert wishes(order(verb), report("done")).way_back is wanted


@pytest.mark.parametrize(
    ("given", "said", "busy"),
    [
        (None, report("disrupted"), True),
        (order("forget"), report("uncommitted"), True),
        (order("grant", expires=START + 1), report("waiting", seen=(1, 1)), True),
        (order("grant", expires=START), report("waiting", seen=(1, 1)), False),
        (order("grant", expires=START + 1), report("waiting", seen=(1, 2)), False),
        (order("prepare"), report("waiting", seen=(1, 1)), False),
    ],
)
def test_given_a_grant_when_it_may_still_be_taken_up_then_the_principal_keeps_its_hands_off(
    given, said, busy
):
    assert wishes(given, said).busy is busy


@pytest.mark.parametrize(
    ("until", "told"), [(START + 3600, True), (START + 3599, False), (None, False)]
)
def test_given_an_offer_when_it_ends_before_the_node_would_then_the_agent_is_not_told(until, told):
    component = dataclasses.replace(PLANE, way_back_until=until)

    found = relay.missing(
        Verb.PREPARE, component, START, rejoins=True, alone=False, duration_s=3600
    )

    assert (found == "") is told


@pytest.mark.parametrize("status", ["waiting", "disrupted", "uncommitted"])
def test_given_hosted_nodes_when_they_are_replaced_then_the_principals_go_on(status):
    part = "hosted/1.36"

    found = wishes(order("grant", part=part), report(status, part=part), rejoins=False)

    assert not found.busy


def test_given_an_agent_that_waits_for_hosted_nodes_when_told_then_its_wish_is_passed_on(host):
    renewal.want(host, renewal.Wish("d/hosted/1.36/0", "1.36", "8512"))

    def passed(state, part):
        return relay.hosted_wish(host, relay.Outbox(report("disrupted", part=part), state))

    assert passed("applying", "hosted/1.36") == edge_component.HostedWish(
        "d/hosted/1.36/0", "1.36", "8512"
    )
    assert passed("applying", PART) is None
    assert passed("rolling-back", "hosted/1.36") is None
