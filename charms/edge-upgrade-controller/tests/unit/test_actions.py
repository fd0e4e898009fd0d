"""What an operator can ask, and what is refused."""

import dataclasses
import json

import pytest
from ops import testing

from edgecloud.interfaces.node_upgrade import Blocked, BudgetView
from edgecloud.rollout import ledger, plan
from edgecloud.rollout.state import State
from edgecloud.twin import rehearsal, saved

Phase = ledger.Phase


def refused(site, action, **params):
    with pytest.raises(testing.ActionFailed) as caught:
        site.act(action, **params)
    return caught.value.message


def test_given_no_plan_when_planned_then_it_says_how_to_set_one(site):
    assert "juju config" in refused(site, "plan")


def test_given_a_plan_when_planned_then_it_is_shown_and_nothing_changes(site):
    digest = site.offer()

    found = site.act("plan", format="json")

    shown = json.loads(found["outlook"])
    assert (found["digest"], found["verdict"]) == (digest, "can start")
    assert shown["steps"] == [{"part": "kubernetes/1.35", "waves": [["pi-0"], ["pi-1", "pi-2"]]}]
    assert site.peers.local_app_data.get("rollout", "") == ""


def test_given_a_plan_when_planned_in_words_then_waves_ways_and_risks_are_lines(site):
    site.offer()

    lines = site.act("plan")["outlook"].splitlines()

    assert lines[:4] == [
        "step kubernetes/1.35",
        "  canary: pi-0; watched for 1 min",
        "  wave 1: pi-1, pi-2; watched for 1 min",
        "pi-0 (1.34.2): kubernetes/1.35 (back by rejoin)",
    ]
    assert "done at the earliest: 1 h 32 min after its start" in lines
    assert "risk: windows: nodes may be disturbed at any hour" in lines
    assert lines[-1] == "no return: kubernetes/1.35: once 2 of 3 control planes have passed it"


def test_given_a_plan_that_skips_a_minor_when_planned_then_the_verdict_says_why(site):
    releases = {"1.36": {"revision": {"arm64": 136}}}
    site.offer(targets={"kubernetes": {"to": "1.36", "releases": releases}})

    found = site.act("plan")

    assert "pi-0" in found["verdict"]
    assert "must pass 1.35" in found["verdict"]


def test_given_a_plan_that_start_would_refuse_when_planned_then_the_verdict_is_the_same(site):
    site.offer(rehearsal={"required": True}, **{"depends-on": ["before"]})

    verdict = site.act("plan")["verdict"]

    assert verdict == "the plan must be rehearsed first; depends on before, which is not done"
    assert verdict in refused(site, "start", **{"plan_digest": site.act("plan")["digest"]})


def test_given_a_plan_under_way_or_done_when_planned_then_the_verdict_says_that(site):
    site.start()
    under_way = site.act("plan")["verdict"]

    site.rounds()

    assert under_way == "it is under way already"
    assert site.act("plan")["verdict"] == "it is completed already"


def test_given_another_digest_when_started_then_nothing_begins(site):
    site.offer()

    assert "another digest" in refused(site, "start", plan_digest="0" * 64)
    assert site.orders().orders == ()


def test_given_a_plan_under_way_when_started_again_then_it_is_no_news(site):
    digest = site.start()

    assert site.act("start", plan_digest=digest)["result"] == "it is under way already"


def test_given_a_completed_plan_when_started_again_then_it_stays_completed(site):
    digest = site.start()
    site.rounds()

    assert site.act("start", plan_digest=digest)["result"] == "it is completed already"
    assert site.rollout.phase is Phase.COMPLETED


def test_given_a_held_plan_when_started_again_then_it_begins_anew(site):
    digest = site.start()
    site.act("abort", plan_digest=digest)
    site.round()

    site.act("start", plan_digest=digest)

    assert site.rounds().versions() == {"1.35.1"}


def test_given_a_gate_and_no_monitor_when_started_then_it_is_refused(site):
    gates = [{"name": "well", "type": "alerts"}]
    digest = site.offer(gates=gates)

    assert "relate health-gate" in refused(site, "start", plan_digest=digest)


REHEARSED = {"rehearsal": {"required": True, "seed": 3}}


@pytest.fixture
def few_runs(monkeypatch):
    """Rehearse in as few runs as there can be, where it is not about what comes of them."""
    few = rehearsal.Bounds(clean=1, single=2, double=1)
    monkeypatch.setattr(rehearsal.Bounds, "short", lambda nodes: few)


def test_given_a_plan_that_must_be_rehearsed_when_it_was_not_then_it_is_refused(site):
    digest = site.offer(**REHEARSED)

    assert "must be rehearsed first" in refused(site, "start", plan_digest=digest)
    assert site.event().status.message == (
        f"k8s-135 ({digest[:12]}) cannot start: the plan must be rehearsed first"
    )


def test_given_a_plan_that_was_rehearsed_when_started_then_it_begins(site):
    digest = site.offer(**REHEARSED)

    found = dict(site.act("rehearse"))
    site.act("start", plan_digest=digest)

    assert found["verdict"] == "nothing speaks against it"
    assert found["plan-digest"] == digest
    assert "runs with one fault: 160 of " in found["report"]
    assert site.rounds().versions() == {"1.35.1"}


@pytest.mark.usefixtures("few_runs")
def test_given_a_site_that_changed_since_the_rehearsal_when_started_then_it_is_refused(site):
    digest = site.offer(**REHEARSED)
    site.act("rehearse")
    actor = site.actors["pi-2"]
    actor.machine = dataclasses.replace(actor.machine, domain="rack-b")

    assert "the site changed since" in refused(site, "start", plan_digest=digest)


@pytest.mark.usefixtures("few_runs")
def test_given_a_rehearsal_of_another_seed_when_started_then_it_does_not_count(site):
    digest = site.offer(**REHEARSED)
    site.act("rehearse", seed=4)

    assert "with the seed 4, not its own" in refused(site, "start", plan_digest=digest)


@pytest.mark.usefixtures("few_runs")
def test_given_another_core_since_the_rehearsal_when_started_then_it_does_not_count(
    site, monkeypatch
):
    digest = site.offer(**REHEARSED)
    site.act("rehearse")
    monkeypatch.setattr(rehearsal, "core", lambda: "newer")

    assert "refreshed since the rehearsal" in refused(site, "start", plan_digest=digest)


@pytest.mark.usefixtures("few_runs")
def test_given_a_rehearsal_that_speaks_against_it_when_started_then_it_is_refused(make_site):
    site = make_site(planes=2)
    digest = site.offer(**REHEARSED)

    found = dict(site.act("rehearse"))

    assert found["verdict"].startswith("without any fault it ends expired")
    assert "speaks against it: without any" in refused(site, "start", plan_digest=digest)


@pytest.mark.usefixtures("few_runs")
def test_given_a_saved_rehearsal_when_run_elsewhere_then_it_comes_to_the_same(site, tmp_path):
    site.offer(**REHEARSED)
    found = site.act("rehearse", save=True)

    kept = saved.read(found["inventory"])
    again = rehearsal.rehearse(
        plan.parse(found["plan"]), kept.members, site.now, seed=3, budgets=kept.budgets
    )

    assert again.digest == found["rehearsal-digest"]


@pytest.mark.usefixtures("few_runs")
def test_given_budgets_that_control_planes_tell_of_when_rehearsed_then_who_cannot_drain_is_named(
    site,
):
    site.offer()
    before = site.act("rehearse")["report"]
    site.budgets = BudgetView(site.now - 60, (Blocked("pi-1", ("default/web",)),))

    found = site.act("rehearse", save=True)

    assert "would not drain now: unknown" in before
    assert "would not drain now: pi-1, because of default/web" in found["report"]
    assert saved.read(found["inventory"]).budgets == {"pi-1": ("default/web",)}


@pytest.mark.usefixtures("few_runs")
def test_given_a_rehearsal_when_run_then_nothing_is_ordered_and_it_is_on_record(site):
    site.offer()

    site.act("rehearse")

    assert site.orders().orders == ()
    assert site.act("verify-audit")["records"] == "1 to 1"


def test_given_a_pause_when_rounds_pass_then_nobody_is_granted_until_resumed(site):
    digest = site.start()
    site.act("pause", reason="market day")
    site.round().round()
    held = site.granted()

    site.act("resume", plan_digest=digest)

    assert held == []
    assert site.rounds().versions() == {"1.35.1"}


def test_given_a_disturbed_node_when_paused_then_it_says_who_ends_first(site):
    site.start()
    site.round()

    assert site.act("pause")["result"] == "paused; pi-0 will end first"
    assert "paused (by an operator)" in site.status.message


def test_given_an_abort_twice_when_rounds_pass_then_it_is_held_once(site):
    digest = site.start()
    site.round()

    site.act("abort", plan_digest=digest)
    site.act("abort", plan_digest=digest)

    assert site.rounds().rollout.phase is Phase.HELD


def test_given_an_upgraded_canary_when_rolled_back_then_it_runs_what_it_ran(site):
    digest = site.start()
    site.round().round(1)
    assert site.actors["pi-0"].version == "1.35.1"

    said = site.act("rollback", plan_digest=digest)["result"]

    assert said == "aborting, mode rollback-all; pi-0 will go back"
    assert site.rounds().versions() == {"1.34.2"}
    assert site.rollout.phase is Phase.ROLLED_BACK


def test_given_nobody_upgraded_when_rolled_back_then_it_says_that_nobody_goes_back(site):
    digest = site.start()

    said = site.act("rollback", plan_digest=digest)["result"]

    assert said == "aborting, mode rollback-all; no upgraded node will go back"


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("hold", "aborting, mode hold; pi-0 will end first"),
        (
            "rollback-wave",
            "aborting, mode rollback-wave; pi-0 will end first; pi-0 will go back",
        ),
    ],
)
def test_given_a_disturbed_node_when_aborted_then_it_is_said_who_ends_and_who_goes_back(
    site, mode, said
):
    digest = site.start()
    site.round()

    assert site.act("abort", plan_digest=digest, mode=mode)["result"] == said


def test_given_an_abort_while_going_back_when_rounds_pass_then_it_holds(site):
    digest = site.start()
    site.round().round(1)
    site.act("rollback", plan_digest=digest)

    site.act("abort", plan_digest=digest)

    assert site.rounds().rollout.phase is Phase.HELD


def test_given_most_control_planes_upgraded_when_rolled_back_then_it_is_refused(site):
    digest = site.start()
    while sum(entry.step for entry in site.rollout.entries.values()) < 2:
        site.round()

    assert "past the point of no return" in refused(site, "rollback", plan_digest=digest)


def test_given_a_rollout_that_ended_when_rolled_back_then_it_says_what_is_left(site):
    digest = site.start()
    site.rounds()

    assert "completed" in refused(site, "rollback", plan_digest=digest)


def test_given_a_wave_that_asks_when_approved_then_it_begins(site):
    waves = [{"name": "rest", "soak": "60s", "require": "approval"}]
    digest = site.start(waves=waves)
    for _ in range(8):
        site.round()
    waited = site.status.message

    site.act("approve", plan_digest=digest, wave=1)

    assert "needs an approval" in waited
    assert site.rounds().versions() == {"1.35.1"}


@pytest.mark.parametrize(
    ("wave", "why"), [(7, "the plan has the waves 0 to 1"), (0, "wave 0 (canary) asks for no")]
)
def test_given_a_wave_that_does_not_ask_when_approved_then_it_says_why(site, wave, why):
    digest = site.start(waves=[{"name": "rest", "require": "approval"}])

    assert why in refused(site, "approve", plan_digest=digest, wave=wave)


def test_given_a_granted_node_when_asked_then_the_status_names_plan_step_and_grant(site):
    digest = site.start()
    site.round()

    lines = site.act("status")["status"].splitlines()

    assert lines[1] == f"plan k8s-135 ({digest[:12]}), step kubernetes/1.35"
    assert lines[2].split() == ["pi-0", "granted,", "1.34.2"]


def test_given_a_disturbed_node_when_asked_then_the_status_says_what_it_does(site):
    site.start()
    site.round()
    assert site.granted() == ["pi-0"]
    site.doing["pi-0"] = "draining"

    line = site.event().status.message

    assert line == "canary: 0 of 1 done, pi-0 draining (1/1 unavailable)"
    assert "pi-0             draining, 1.34.2" in site.act("status")["status"]


def test_given_a_node_that_failed_when_all_is_over_then_the_status_still_says_why(site):
    site.actors["pi-0"].broken = True
    site.start()
    site.rounds()
    site.round()

    said = site.act("status")["status"].splitlines()

    assert said[0] == ("k8s-135 held: pi-0 failed, and the plan allows none (kubelet is not well)")
    assert site.status.message == said[0]
    assert [line.strip() for line in said[2:4]] == [
        "pi-0             idle, 1.34.2, failed",
        "because: kubelet is not well",
    ]
    assert len(said) == 6


def test_given_a_node_that_failed_when_another_plan_begins_then_the_reason_goes(site):
    site.actors["pi-0"].broken = True
    site.start()
    site.rounds()

    site.start(generation=2)

    assert "because" not in site.act("status")["status"]


def test_given_a_failed_node_when_tried_again_then_it_goes_through(site):
    site.actors["pi-1"].broken = True
    site.start(
        abort={"node-failures": 2}, waves=[{"name": "rest", "soak": "60s", "min-success": 1}]
    )
    while not site.rollout.entries["pi-1"].failed:
        site.round()
    site.actors["pi-1"].broken = False

    site.act("retry", node="pi-1")

    assert site.rounds().versions() == {"1.35.1"}


def test_given_a_node_that_a_plan_lost_when_the_next_one_runs_then_it_is_retried_and_comes_along(
    site,
):
    for actor in site.actors.values():
        actor.broken = True
    site.start(rollback={"kind": "none"})
    held = site.rounds().rollout.phase
    (name,) = [n for n, actor in site.actors.items() if actor.node.state is State.QUARANTINED]
    for actor in site.actors.values():
        actor.broken = False

    site.start(generation=2)
    site.rounds()
    waiting = site.act("status", node=name)["status"]
    site.act("retry", node=name)

    assert held is Phase.HELD
    assert "waits: it is quarantined; mend it, then retry it: kubelet is not well" in waiting
    assert site.rounds().versions() == {"1.35.1"}
    assert site.rollout.phase is Phase.COMPLETED


def test_given_a_healthy_node_when_tried_again_then_it_is_refused(site):
    site.start()

    assert "has not failed" in refused(site, "retry", node="pi-1")


def test_given_a_machine_that_never_returns_when_released_then_the_others_go_on(make_site):
    site = make_site(planes=3, workers=2)
    site.start(offline={"counts-unavailable": False})
    del site.actors["pi-4"]

    kept = refused(site, "release-node", node="pi-4")
    site.act("release-node", node="pi-4", confirm=True)

    assert "confirm=true" in kept
    assert site.rounds().rollout.phase is Phase.COMPLETED


def test_given_the_only_canary_when_released_then_the_status_says_what_to_do(site):
    site.start()
    del site.actors["pi-0"]

    site.act("release-node", node="pi-0", confirm=True)

    assert "no canary is left: abort it" in site.status.message


def test_given_a_budget_for_the_day_when_it_is_used_up_then_the_status_says_so_and_days_pass(site):
    releases = {"1.35": {"revision": {"arm64": 135}, "mib": {"arm64": 100}}}
    site.start(
        targets={"kubernetes": {"to": "1.35", "releases": releases}},
        canary={"name": "canary", "size": 2, "soak": "60s"},
        limits={"daily-mib": 100},
    )
    evening = site.rounds(8).act("status")["status"]
    upgraded = [name for name, each in site.actors.items() if each.version == "1.35.1"]

    days = 0
    while site.rollout.phase is not Phase.COMPLETED and days < 9:
        site.round(24 * 3600).rounds(8)
        days += 1

    assert "waits: stages later: 100 MiB are more than 0 of 100 left for today" in evening
    assert len(upgraded) == 1
    assert (site.versions(), days) == ({"1.35.1"}, len(site.actors) - 1)


def test_given_a_node_that_waits_when_asked_then_the_status_says_for_what(site):
    site.actors["pi-0"].vetoed = True
    site.start()
    site.round()

    found = json.loads(site.act("status", format="json")["status"])
    text = site.act("status", node="pi-0")["status"]

    assert found["nodes"]["pi-0"]["waits-for"] == ["vetoed on the node"]
    assert "waits: vetoed on the node" in text
    assert "pi-1" not in text


def test_given_an_unknown_node_when_asked_then_it_is_refused(site):
    site.start()

    assert refused(site, "status", node="pi-9") == "pi-9 is not part of a plan"


def test_given_no_plan_when_asked_then_the_status_says_so(site):
    assert site.act("status")["status"] == "no plan; 3 nodes"


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("abort", {"plan_digest": "0" * 64}),
        ("approve", {"plan_digest": "0" * 64, "wave": 1}),
        ("pause", {}),
        ("release-node", {"node": "pi-0", "confirm": True}),
        ("resume", {"plan_digest": "0" * 64}),
        ("retry", {"node": "pi-0"}),
        ("rollback", {"plan_digest": "0" * 64}),
    ],
)
def test_given_no_plan_when_asked_for_a_change_then_it_is_refused(site, action, params):
    assert refused(site, action, **params) == "there is no plan yet"


def test_given_a_unit_that_does_not_lead_when_asked_for_a_change_then_it_names_the_leader(site):
    site.start()

    assert "APP/leader" in refused(site, "pause", leader=False)
    assert site.act("status", leader=False)["status"]


def test_given_an_unfit_option_when_any_action_runs_then_it_says_so(site):
    site.config = {"start-plans": "maybe"}

    assert "start-plans" in refused(site, "status")


def test_given_a_whole_rollout_when_verified_then_the_chain_holds(site):
    site.start()
    site.rounds()

    found = site.act("verify-audit")

    assert found["result"] == "whole"
    assert len(found["head"]) == 64


def test_given_a_record_that_was_changed_when_verified_then_it_says_which(site):
    site.start()
    chain = json.loads(site.peers.local_app_data["chain"])
    chain[0][1]["cause"] = "nobody"
    bag = {**site.peers.local_app_data, "chain": json.dumps(chain)}
    site.peers = dataclasses.replace(site.peers, local_app_data=bag)

    assert "from record 1 on" in refused(site, "verify-audit")


def test_given_nothing_happened_when_verified_then_the_chain_is_empty(site):
    assert site.act("verify-audit") == {"result": "whole", "records": "none yet"}
