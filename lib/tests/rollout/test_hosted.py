"""Steps of nodes that LXD members host: when they come, on whom, and how they end."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecloud.lxd_member import renewal
from edgecloud.rollout import (
    forecast,
    intent,
    inventory,
    ledger,
    messages,
    node,
    outlook,
    route,
    site,
    skew,
    state,
)
from edgecloud.twin import rehearsal
from tests.rollout import sites

State = state.State
NOW = sites.at("2030-01-10T00:00:00")
ALONE = {"single-node": "accept-downtime"}
WORD = st.sampled_from(["", "7", "8512"])


def host(name, *versions, **changes):
    return inventory.Member(name, lxd=True, hosted=versions, **changes)


def site_of(*members, plane="1.34.2"):
    return sites.frozen(sites.planes("a", version=plane), members)


def parts(members, *minors):
    accepted = sites.make(targets=sites.kubernetes(*(minors or ("1.35",))), drain=ALONE)
    return [step.part for step in route.steps(accepted, members)]


def test_given_a_host_when_a_minor_is_reached_then_its_nodes_follow_the_control_plane():
    assert parts(site_of(host("h", "1.34.2"))) == ["kubernetes/1.35", "hosted/1.35"]


def test_given_nobody_hosted_when_planned_then_no_step_is_for_that():
    assert parts(site_of(host("h"))) == ["kubernetes/1.35"]


def test_given_two_minors_when_planned_then_a_node_that_is_made_anew_passes_none_on_its_way():
    members = site_of(host("h", "1.34.2"))

    assert parts(members, "1.35", "1.36") == ["kubernetes/1.35", "kubernetes/1.36", "hosted/1.36"]


def test_given_nodes_far_behind_when_planned_then_they_follow_before_they_would_be_too_old():
    members = site_of(host("h", "1.32.1", "1.34.2"))

    assert parts(members, "1.35", "1.36", "1.37") == [
        "kubernetes/1.35",
        "hosted/1.35",
        "kubernetes/1.36",
        "kubernetes/1.37",
        "hosted/1.37",
    ]


def test_given_a_control_plane_that_is_there_when_nodes_are_behind_then_they_alone_have_a_way():
    members = site_of(host("h", "1.34.2"), plane="1.35.0")
    accepted = sites.make(drain=ALONE)
    steps = route.steps(accepted, members)

    assert outlook.way(steps, members["h"]) == ["hosted/1.35"]


def test_given_hosts_alone_selected_when_planned_then_the_plan_has_one_step():
    members = site_of(host("h", "1.34.2", labels=(("pick", "yes"),)), plane="1.35.0")
    accepted = sites.make(select={"nodes": {"pick": "yes"}})

    assert [step.part for step in route.steps(accepted, members)] == ["hosted/1.35"]
    assert intent.acceptance_problems(accepted, members, NOW) == []


@given(
    plane=st.integers(30, 35),
    ahead=st.lists(st.integers(0, 1), max_size=2),
    behind=st.lists(st.integers(0, 3), max_size=4),
)
def test_given_any_site_when_all_steps_are_done_then_no_node_was_ever_too_old_or_too_new(
    plane, ahead, behind
):
    planes, hosted = [plane, *(plane + more for more in ahead)], [plane - less for less in behind]
    members = sites.frozen(
        *(sites.planes(f"p{i}", version=f"1.{minor}.1") for i, minor in enumerate(planes)),
        [host("h", *(f"1.{minor}.1" for minor in hosted))],
    )
    minors = [f"1.{minor}" for minor in range(30, 37)]
    accepted = sites.make(targets=sites.kubernetes(*minors))
    running = {name: member.minor for name, member in members.items() if member.minor}
    nodes = sorted(member for member in members["h"].hosted_minors)

    for step in route.steps(accepted, members):
        target = skew.parse(step.version)
        if step.kind is route.Kind.HOSTED:
            assert set(running.values()) == {target}  # As the control plane admits no others.
            nodes = [target for _ in nodes]
            continue
        running = {name: max(minor, target) for name, minor in running.items()}
        kubelets = [(skew.WORKER, minor) for minor in nodes]
        if not route.problems(accepted, members):
            assert not skew.problems([(skew.CONTROL_PLANE, target), *kubelets])

    assert set(nodes) <= {skew.Minor(1, 36)}


@given(version=st.sampled_from(["1.35", "1.36"]), revision=WORD)
def test_given_any_wish_when_named_then_the_plan_calls_its_target_the_same(version, revision):
    release = {"revision": {"arm64": int(revision)}} if revision else {"revision": {"amd64": 1}}
    accepted = sites.make(targets={"kubernetes": {"to": version, "releases": {version: release}}})
    work = route.work(accepted, f"hosted/{version}", 0, host("h", "1.34.2"))

    assert work.target == renewal.Wish("x", version, revision).target


def test_given_a_host_with_its_own_node_when_hosted_nodes_move_then_that_is_left_alone():
    member = dataclasses.replace(sites.planes("a")[0], lxd=True, hosted=("1.34.2",) * 3)
    accepted = sites.make()

    work = route.work(accepted, "hosted/1.35", 0, member)

    assert (work.cordons, work.hosts, work.voter, work.reboots) == (False,) * 4
    assert work.rollback == route.STAY
    assert work.duration_s == 3 * accepted.deadlines.node_s


def test_given_a_node_that_is_too_new_or_has_no_build_when_accepted_then_the_plan_is_refused():
    newer = route.problems(sites.make(), site_of(host("h", "1.36.1")))
    other = route.problems(sites.make(), site_of(host("h", "1.34.2", arch="amd64")))

    assert newer == ["h: hosts a node at 1.36, newer than 1.35"]
    assert other == ["targets.kubernetes.releases: h must pass 1.35 (amd64)"]


def test_given_a_node_that_is_too_old_to_begin_with_when_accepted_then_the_remedy_is_said():
    members = site_of(host("h", "1.31.1"))
    accepted = sites.make()

    assert route.problems(accepted, members) == [
        "h: hosts a node at 1.31, too old beside a control plane at 1.35: run replace-node first"
    ]


def test_given_an_inventory_when_saved_then_the_nodes_that_it_hosts_are_kept():
    members = site_of(host("h", "1.34.2", "1.35.0"))

    assert inventory.read(inventory.write(members)) == members


def test_given_a_plan_when_looked_at_then_time_and_ways_of_hosted_nodes_are_told():
    members = site_of(host("h", "1.34.2", "1.34.2"))
    accepted = sites.make(drain=ALONE)
    found = list(outlook.lines(outlook.outlook(accepted, members, NOW)))
    step = route.steps(accepted, members)[-1]

    assert "h: hosted/1.35 (each old one stays until its new one is Ready)" in found
    assert "risk: hosted/1.35: no way back for h" in found
    work_s = forecast.work_s(accepted, members, step, 0, ("h",))
    assert work_s == 2 * accepted.deadlines.node_s + accepted.canary.soak_s


def test_given_sizes_when_looked_at_then_every_hosted_node_fetches_its_own():
    release = {"revision": {"arm64": 135}, "mib": {"arm64": 180}}
    accepted = sites.make(targets={"kubernetes": {"to": "1.35", "releases": {"1.35": release}}})
    members = site_of(host("h", "1.34.2", "1.34.2"))

    found = outlook.outlook(accepted, members, NOW)

    assert (found["nodes"]["a"]["mib"], found["nodes"]["h"]["mib"]) == (180, 360)
    assert found["mib"] == 540


def test_given_hosted_nodes_when_rehearsed_then_nothing_speaks_against_the_plan():
    accepted = sites.make(drain=ALONE, canary={"soak": "1m"}, waves=[{"name": "r", "soak": "1m"}])
    members = site_of(host("h", "1.34.2"), host("i", "1.34.2"))

    found = rehearsal.rehearse(accepted, members, NOW)

    assert found.verdict == "", found


def granted(part, **changes):
    """A host that has been granted a step."""
    work = route.work(sites.make(), part, 0, host("h", "1.34.2"))
    return state.Node(
        "h", work=work, target=work.target, expires=NOW + 900, **{"stamp": (1, 1), **changes}
    )


def order(verb, work, number):
    return messages.Order((1, number), messages.Verb(verb), work.digest, work.part)


def test_given_nodes_that_were_all_replaced_when_told_to_go_back_then_there_is_no_way():
    at = granted("hosted/1.35", state=State.SOAKING, prior="hosted")
    facts = state.Facts(running=at.target)

    told, _ = node.step(at, state.Ordered(order("roll-back", at.work, 2), at.work, facts, NOW))
    ill, _ = node.step(at, state.Ticked(facts, NOW, 5, healthy=False))

    assert (told.state, told.reason) == (State.SKIPPED, "there is no way back")
    assert (ill.state, ill.burnt) == (State.QUARANTINED, (at.target,))


def test_given_a_replacement_that_failed_when_it_is_over_then_the_host_is_as_it_was():
    at = granted("hosted/1.35", state=State.APPLYING, prior="hosted")
    facts = state.Facts(running="hosted")

    for event in (
        state.Failed(state.Effect.APPLY, facts, NOW, "b was given up"),
        state.Done(state.Effect.ROLL_BACK, facts, NOW),
        state.Done(state.Effect.VALIDATE, facts, NOW),
    ):
        at, _ = node.step(at, event)

    assert (at.state, at.reason, at.burnt) == (State.ROLLED_BACK, "b was given up", (at.target,))


@pytest.mark.parametrize(("behind", "blocked"), [("1.35.1", False), ("1.34.2", True)])
def test_given_a_control_plane_outside_the_plan_when_behind_then_no_newer_node_is_granted(
    behind, blocked
):
    pick = (("pick", "yes"),)
    members = site_of(host("h", "1.34.2", labels=pick), plane=behind)
    accepted = sites.make(select={"nodes": {"pick": "yes"}}, canary={"size": 1})
    rollout = dataclasses.replace(
        intent.accept(accepted, members, NOW), phase=ledger.Phase.ACTIVE, waves=(("h",),)
    )
    first = site.decide(ledger.Site(rollout, ledger.Sight()), accepted, NOW)
    entry = first.rollout.entries["h"]
    report = messages.Report(
        messages.Status.WAITING, accepted.digest, "hosted/1.35", seen=entry.stamp
    )
    seen = ledger.Sight(reports={"h": report, "a": messages.Report(version=behind)})

    found = site.decide(ledger.Site(first.rollout, seen), accepted, NOW)

    why = "a worker at 1.35 is newer than a control plane at 1.34"
    assert (found.waiting.get("h") == (why,)) is blocked
    assert (found.rollout.entries["h"].verb is messages.Verb.GRANT) is not blocked
