"""A plan on a twin of its site: what it finds, and that it finds it every time."""

from dataclasses import replace

import pytest

from edgecloud.rollout import audit, grant, inventory, ledger, moves, site, state
from edgecloud.twin import faults, rehearsal, simulation
from tests.rollout import sites

NOON = sites.at("2030-01-10T12:00:00")
NIGHTS = [{"start": "02:00", "length": "4h", "tz": "Europe/Madrid"}]
SITE = sites.frozen(sites.planes("a", "b", "c"), sites.workers("d"))
FEW = rehearsal.Bounds(clean=3, single=20, double=5)


def rehearse(members=SITE, bounds=FEW, seed=0, budgets=None, **changes):
    accepted = sites.make(**{"windows": NIGHTS, "canary": {"soak": "1h"}, **changes})
    return rehearsal.rehearse(accepted, members, NOON, seed=seed, bounds=bounds, budgets=budgets)


def run(*struck, members=SITE, **changes):
    accepted = sites.make(**{"windows": NIGHTS, **changes})
    premise = simulation.Premise(members, accepted, NOON)
    return simulation.Run(premise, struck, rehearsal.random.Random(1)).outcome()


def test_given_a_sound_plan_when_rehearsed_then_nothing_speaks_against_it():
    found = rehearse()

    assert (found.verdict, found.problems) == ("", ())
    assert (found.disturbed, found.in_time) == (1, 3)
    assert found.runs == {"clean": 3, "single": 20, "double": 5}
    assert found.kinds_tried == 20 < found.kinds < found.faults


def test_given_every_single_fault_when_each_strikes_alone_then_no_rule_is_broken():
    members = sites.frozen(sites.planes("a", "b", "c"))

    found = rehearse(members, rehearsal.Bounds(clean=1, double=0))

    assert found.verdict == ""
    assert found.runs["single"] == found.faults > 300
    print(f"\n{found.faults} single faults: {found.ends}")


def test_given_the_same_subject_when_rehearsed_again_then_the_digest_is_the_same():
    assert rehearse().digest == rehearse().digest


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"members": sites.frozen(sites.planes("a", "b", "c"), sites.workers("e"))},
        {"generation": 2},
    ],
    ids=["seed", "members", "plan"],
)
def test_given_another_subject_when_rehearsed_then_the_digest_is_another(changes):
    assert rehearse(**changes).digest != rehearse().digest


def test_given_another_core_when_rehearsed_then_the_digest_is_another(monkeypatch):
    before = rehearse().digest

    monkeypatch.setattr(rehearsal, "core", lambda: "another")

    assert rehearse().digest != before


@pytest.mark.parametrize(
    ("module", "name", "rule", "members"),
    [
        (grant, "budget_blocker", "I1", sites.frozen(sites.workers("a", "b", "c"))),
        (grant, "quorum_blocker", "I3", SITE),
        (moves, "must_uncordon", "I7", SITE),
    ],
)
def test_given_a_seeded_bug_in_the_core_when_rehearsed_then_it_is_found(
    monkeypatch, module, name, rule, members
):
    monkeypatch.setattr(module, name, lambda *_: "")

    found = rehearse(members, limits={"max-unavailable": 1 if rule == "I1" else 3})

    assert f": {rule} " in found.verdict


def test_given_two_control_planes_when_rehearsed_then_it_says_that_the_plan_never_ends_well():
    found = rehearse(sites.frozen(sites.planes("a", "b")))

    assert found.verdict == "without any fault it ends expired, with a, b not upgraded"
    assert found.in_time == 0


def test_given_windows_when_rehearsed_then_the_nights_that_it_takes_are_counted():
    members = sites.frozen(
        sites.planes("a", "b", "c", duration_s=3 * 3600), sites.workers("d", duration_s=3 * 3600)
    )

    assert rehearse(members).days.median == 4


def test_given_a_plan_that_expires_early_when_rehearsed_then_it_is_not_done_in_time():
    found = rehearse(expires="2030-01-11T03:00:00Z")

    assert found.in_time == 0
    assert "ends expired" in found.verdict


def test_given_sizes_when_rehearsed_then_what_comes_over_the_uplink_is_added_up():
    targets = sites.kubernetes("1.35")
    targets["kubernetes"]["releases"]["1.35"]["mib"] = {"arm64": 180}

    assert rehearse(targets=targets).mib == 4 * 180
    assert rehearse().mib is None


def test_given_no_size_when_written_then_the_plan_has_the_digest_that_it_always_had():
    assert '"mib"' not in sites.plan.canonical(sites.make())


def test_given_kubernetes_and_a_system_in_one_plan_when_rehearsed_then_one_follows_the_other():
    system = {"kind": "ab-image", "version": "26.04.1", "ref": "site/os@sha256:" + "1" * 64}

    found = run(targets={**sites.kubernetes("1.35"), "os": system}, windows="always")

    parts = [part for _, part in found.staged]
    assert parts == ["kubernetes/1.35"] * 4 + ["os/26.04.1"] * 4
    assert found.phase is ledger.Phase.COMPLETED


def test_given_budgets_and_a_step_without_a_way_back_when_rehearsed_then_both_are_named():
    members = sites.frozen(sites.workers("a", "b", lxd=True))
    targets = {"lxd": {"revision": {"arm64": 5}}}

    found = rehearse(members, targets=targets, budgets={"a": ("default/web",), "z": ("x/y",)})

    assert found.budgets == {"a": ("default/web",)}
    assert found.no_way_back == ("lxd: no way back for a, b",)


def test_given_a_node_that_never_returns_when_an_operator_gives_it_up_then_the_others_go_on():
    members = sites.frozen(sites.planes("a", "b", "c"), sites.workers("d", "e"))

    found = run(faults.Fault("d", "draining", faults.GONE), members=members)

    assert found.released == ("d",)
    assert (found.phase, found.unfinished) == (ledger.Phase.COMPLETED, ("d",))


def test_given_a_coordinator_that_is_away_when_it_is_back_then_the_plan_is_completed():
    found = run(faults.Fault("a", "applying", faults.AWAY))

    assert found.phase is ledger.Phase.COMPLETED
    assert found.seconds > faults.COORDINATOR_AWAY_S


def test_given_an_unhealthy_soak_when_it_strikes_then_the_plan_holds():
    found = run(faults.Fault("a", "soaking", faults.UNHEALTHY))

    assert found.phase is ledger.Phase.HELD


def test_given_a_wave_that_asks_when_rehearsed_then_the_approvals_are_counted():
    found = run(waves=[{"name": "rest", "require": "approval"}], windows="always")

    assert found.approvals == 1
    assert found.phase is ledger.Phase.COMPLETED


def test_given_a_plan_that_must_be_rehearsed_when_rehearsed_then_it_runs():
    assert rehearse(rehearsal={"required": True}).verdict == ""


def test_given_faults_when_spread_then_every_kind_comes_before_any_comes_twice():
    known = faults.catalogue(run().met)
    kinds = {(fault.state, fault.what) for fault in known}

    first = faults.spread(known, len(kinds), rehearsal.random.Random(3))

    assert {(fault.state, fault.what) for fault in first} == kinds


@pytest.mark.parametrize(("nodes", "single"), [(1, 160), (5, 160), (20, 25), (50, 5), (200, 5)])
def test_given_more_nodes_when_bounded_then_there_are_fewer_runs(nodes, single):
    assert rehearsal.Bounds.short(nodes).single == single


OS = {"os": {"kind": "ab-image", "version": "26.04.1", "ref": "site/os@sha256:" + "1" * 64}}


@pytest.mark.parametrize("changes", [{}, {"targets": OS}], ids=["kubernetes", "system"])
def test_given_a_handful_of_nodes_when_bounded_then_every_kind_of_fault_strikes_in_every_state(
    changes,
):
    members = sites.frozen(sites.planes("a", "b", "c"), sites.workers("d", "e"))
    known = faults.catalogue(run(members=members, **changes).met)

    most = rehearsal.Bounds.short(len(members)).single
    tried = faults.spread(known, most, rehearsal.random.Random(3))

    assert faults.kinds(tried) == faults.kinds(known) > 100
    assert len(tried) < len(known)


@pytest.mark.parametrize("nodes", [3, 10, 25])
def test_given_any_number_of_nodes_when_bounded_then_the_work_is_what_was_meant(
    nodes, monkeypatch
):
    """Count looks at a node in a decision: what the time is spent on, the same everywhere."""
    looks, real = [], site.decide
    monkeypatch.setattr(site, "decide", lambda *words: looks.append(nodes) or real(*words))
    rest = [f"w{number}" for number in range(nodes - 3)]
    members = sites.frozen(sites.planes("a", "b", "c"), sites.workers(*rest))

    rehearse(members, rehearsal.Bounds(clean=1, single=1, double=0))
    bounds = rehearsal.Bounds.short(nodes)
    runs = bounds.clean + bounds.single + bounds.double

    assert sum(looks) / 2 * runs <= 6 * rehearsal.WORK


def test_given_a_measured_duration_that_changed_when_compared_then_it_is_another_site():
    slower = {**SITE, "a": replace(SITE["a"], duration_s=99)}

    assert inventory.digest(slower) != inventory.digest(SITE)


def test_given_decisions_without_a_record_when_rehearsed_then_it_is_found(monkeypatch):
    real = audit.site_transitions
    monkeypatch.setattr(audit, "site_transitions", lambda *both: real(*both)[:-1])

    assert run().problem.startswith("I25 ")


def test_given_a_node_that_hides_a_transition_when_rehearsed_then_it_is_found(monkeypatch):
    real = audit.node_transition

    def hiding(before, after):
        return None if after.state is state.State.APPLYING else real(before, after)

    monkeypatch.setattr(audit, "node_transition", hiding)

    assert run().problem == "I25 a transition without one record"


def test_given_a_site_that_changes_on_the_way_when_rehearsed_then_it_is_found(monkeypatch):
    real = site.decide

    def drifting(*words):
        found = real(*words)
        newer = {n: replace(m, version="1.34.9") for n, m in found.rollout.members.items()}
        return replace(found, rollout=replace(found.rollout, members=newer))

    monkeypatch.setattr(site, "decide", drifting)

    assert run().problem == "I30 goes on with another site than it began with"
