"""What is told of a plan before it begins."""

import dataclasses

import sites

from edgecloud.rollout import outlook

SATURDAY = 1_799_456_400
"""2027-01-09, a Saturday, 02:00 in Madrid."""
NIGHTS = [{"days": ["sat", "sun"], "start": "02:00", "length": "4h", "tz": "Europe/Madrid"}]


def told(members, now=sites.START, **changes):
    return outlook.outlook(sites.accepted(**changes), members, now)


def sized(mib):
    release = {"revision": {"arm64": 135}, "mib": {"arm64": mib}}
    return {"kubernetes": {"to": "1.35", "releases": {"1.35": release}}}


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


def test_given_leave_for_several_when_told_then_voters_take_turns_all_the_same(members):
    found = told(members(3, workers=2), deadlines={"node": "10m"}, limits={"max-unavailable": "2"})

    assert found["seconds-at-work"] == (600 + 60) + (4 * 600 + 60)
    workers = told(
        members(1, workers=4), deadlines={"node": "10m"}, limits={"max-unavailable": "2"}
    )
    assert workers["seconds-at-work"] == (600 + 60) + (2 * 600 + 60)


def test_given_lxd_when_told_then_all_members_take_one_turn(members):
    site = {n: dataclasses.replace(m, lxd=True) for n, m in members(3).items()}

    found = told(site, targets={"lxd": {"revision": {"arm64": 5}}}, deadlines={"node": "10m"})

    assert found["seconds-at-work"] == 600 + 60


def test_given_windows_when_told_then_each_turn_waits_for_one_that_it_fits_in(members):
    found = told(
        members(3),
        now=SATURDAY - 3600,
        windows=NIGHTS,
        deadlines={"node": "3h"},
        canary={"size": 1, "soak": "1h"},
        waves=[{"name": "rest", "soak": "1h"}],
    )

    # Saturday night, Sunday night, and after a week the next Saturday: 02:00 and 3 h and 1 h.
    assert found["ends"] == "2027-01-16T05:00Z"
    assert "expires: before the plan can be done" not in found["risks"]
    assert "done at the earliest: 2027-01-16T05:00Z, if it is started now" in outlook.lines(found)


def test_given_a_plan_that_expires_too_soon_when_told_then_that_is_a_risk(members):
    found = told(
        members(3),
        now=SATURDAY,
        windows=NIGHTS,
        deadlines={"node": "3h"},
        expires="2027-01-11T00:00:00Z",
    )

    assert found["risks"][0] == "expires: before the plan can be done"


def test_given_nodes_that_take_longer_than_any_window_when_told_then_it_never_ends(members):
    slow = {n: dataclasses.replace(m, duration_s=5 * 3600) for n, m in members(3).items()}

    found = told(slow, windows=NIGHTS)

    assert found["ends"] is None
    assert found["risks"][0].startswith("windows: none within a year")
    assert "done at the earliest: never" in list(outlook.lines(found))


def test_given_sizes_when_told_then_the_bytes_of_each_node_and_of_all_are(members):
    found = told(members(3), targets=sized(180))

    assert (found["mib"], found["nodes"]["pi-0"]["mib"]) == (540, 180)
    assert "over the uplink: 540 MiB" in list(outlook.lines(found))
    assert told(members(3))["mib"] is None


def test_given_a_wave_that_asks_when_told_then_it_says_so(members):
    found = told(members(3), waves=[{"name": "rest", "require": "approval"}])

    assert found["needs-approval"] == [1]
    assert "  wave 1: pi-1, pi-2; watched for 1 h; needs an approval" in list(outlook.lines(found))


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
