"""What is told of a plan before it begins."""

import sites

from edgecloud.rollout import outlook


def told(members, **changes):
    return outlook.outlook(sites.accepted(**changes), members)


def two_minors():
    releases = {m: {"revision": {"arm64": int(m[2:])}} for m in ("1.35", "1.36")}
    return {"kubernetes": {"to": "1.36", "releases": releases}}


def test_given_a_site_two_minors_behind_when_told_then_each_node_passes_both(members):
    found = told(members(3), targets=two_minors())

    assert found["nodes"]["pi-0"]["way"] == ["kubernetes/1.35", "kubernetes/1.36"]


def test_given_voters_and_workers_when_told_then_their_ways_back_differ(members):
    found = told(members(3, workers=1))

    assert found["nodes"]["pi-0"]["back"] == ["rejoin"]
    assert found["nodes"]["pi-3"]["back"] == ["revert"]


def test_given_turns_and_soaks_when_told_then_the_time_at_work_is_their_sum(members):
    found = told(members(3), deadlines={"node": "10m"})

    assert found["seconds-at-work"] == (600 + 60) + (2 * 600 + 60)


def test_given_a_minor_when_told_then_it_says_from_when_on_there_is_no_return(members):
    assert told(members(3))["points-of-no-return"] == [
        "kubernetes/1.35: once 2 of 3 control planes have passed it"
    ]


def test_given_no_windows_when_told_then_it_is_a_risk(members):
    assert "windows: nodes may be disturbed at any hour" in told(members(3))["risks"]


def test_given_two_voters_when_told_then_it_says_that_none_can_be_missed(members):
    assert any(risk.startswith("2 voters") for risk in told(members(2))["risks"])


def test_given_one_control_plane_when_told_then_it_says_what_becomes_of_it(members):
    refused = told(members(1))["risks"]
    allowed = told(members(1), drain={"single-node": "accept-downtime"})["risks"]

    assert any("waits for ever" in risk for risk in refused)
    assert any("Kubernetes is away" in risk for risk in allowed)


def test_given_force_when_told_then_the_workers_are_named_whose_budgets_hold(members):
    risks = told(members(1, workers=5), drain={"on-block": "evict-force"})["risks"]

    assert (
        "drain: budgets are not overruled on workers, which may not delete pods: "
        "pi-1, pi-2, pi-3 and 2 more"
    ) in risks
    only_planes = told(members(3), drain={"on-block": "evict-force"})["risks"]
    assert not [risk for risk in only_planes if "not overruled" in risk]


def test_given_force_and_no_way_back_when_told_then_both_are_risks(members):
    found = told(
        members(3),
        drain={"on-block": "evict-force"},
        targets={"kubernetes": {"to": "1.35", "unpinned": "allow"}},
        rollback={"kind": "none"},
    )["risks"]

    assert any(risk.startswith("drain") for risk in found)
    assert any("the channel decides" in risk for risk in found)
    assert any("no way back for pi-0, pi-1, pi-2" in risk for risk in found)
