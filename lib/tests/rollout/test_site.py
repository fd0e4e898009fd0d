"""What a coordinator decides, and what may be asked of it."""

from dataclasses import replace

import pytest

from edgecloud.rollout import intent, ledger, messages, site
from tests.rollout import sites
from tests.rollout.scene import THREE, Scene

Verb, Status, Phase = messages.Verb, messages.Status, ledger.Phase
STAMP = "20250201T000000Z"


def granted(scene):
    return [name for name, entry in scene.rollout.entries.items() if entry.verb is Verb.GRANT]


def test_given_all_wait_when_decided_then_only_the_canary_is_granted():
    scene = Scene()

    found = scene.all_wait()

    assert found.granted == ("a",)
    assert site.headline(scene.rollout) == "kubernetes/1.35 canary: 0 of 1 done, a disturbed"


def test_given_a_canary_that_soaks_when_decided_then_the_wave_waits():
    scene = Scene()
    scene.all_wait()
    scene.say("a", Status.SOAKING)

    assert scene.decide().granted == ()


def test_given_a_canary_that_failed_when_decided_then_the_plan_ends_in_the_same_decision():
    scene = Scene()
    scene.all_wait()
    scene.say("a", Status.ROLLED_BACK)

    scene.decide()

    assert scene.rollout.phase is Phase.HELD
    assert {order.verb for order in site.orders(scene.rollout).values()} == {Verb.FORGET}


def test_given_every_node_done_when_decided_then_the_plan_is_completed():
    scene = Scene()

    for _ in range(4 * len(THREE)):
        for name, order in site.orders(scene.rollout).items():
            is_done = order.verb is Verb.GRANT
            scene.say(name, Status.DONE if is_done else Status.WAITING)
        scene.decide()

    assert scene.rollout.phase is Phase.COMPLETED
    assert site.headline(scene.rollout) == "completed"


def test_given_nothing_new_when_decided_again_then_nothing_changes():
    scene = Scene()
    scene.all_wait()

    before = scene.rollout

    assert scene.decide().rollout == before


def test_given_two_voters_when_asked_then_neither_is_granted_and_the_reason_is_said():
    scene = Scene()
    scene.sight = replace(scene.sight, answering=frozenset("ab"))

    found = scene.all_wait()

    assert found.granted == ()
    assert found.waiting["a"] == ("only 1 of 3 voters would be left",)


def test_given_a_gate_without_an_answer_when_decided_then_it_holds():
    scene = Scene(gates=[{"name": "alerts", "type": "alerts"}])

    assert scene.all_wait().waiting["a"] == ("gate alerts: no answer",)


def test_given_a_watched_gate_that_fails_when_decided_then_the_plan_ends():
    scene = Scene(gates=[{"name": "slo", "type": "promql", "when": ["continuous"]}])
    scene.sight = replace(scene.sight, gates={"slo": ledger.Verdict.FAIL})

    scene.decide()

    assert scene.rollout.reason == "gate slo failed"


def test_given_a_wave_that_asks_when_approved_then_it_goes():
    scene = Scene(canary={"name": "canary", "require": "approval"})
    held = scene.all_wait().waiting["a"]

    scene.rollout = intent.approve(scene.rollout, scene.digest, 0, 0)

    assert held == ("wave 0 of step 0 needs an approval",)
    assert scene.decide().granted == ("a",)


def test_given_a_grant_that_a_node_refused_when_decided_then_it_waits_and_its_words_say_why():
    scene = Scene()
    (name,) = scene.all_wait().granted
    scene.say(name, Status.WAITING, reason="refused: busy: apt")

    held = scene.decide(60)
    again = scene.decide(scene.accepted.limits.grant_s)

    why = "its last grant is not over, as it said: refused: busy: apt"
    assert held.waiting[name] == (why,)
    assert again.granted == (name,)


def test_given_a_pause_when_a_grant_is_unread_then_it_is_taken_back():
    scene = Scene()
    scene.all_wait()

    scene.rollout = intent.pause(scene.rollout, "storm")
    scene.decide()

    assert scene.rollout.entries["a"].verb is Verb.HOLD
    assert scene.rollout.entries["a"].holds_slot


def test_given_a_grant_taken_back_when_acknowledged_then_its_slot_is_free():
    scene = Scene()
    scene.all_wait()
    scene.rollout = intent.pause(scene.rollout, "storm")
    scene.decide()
    scene.say("a", Status.WAITING)

    scene.decide()

    assert not scene.rollout.entries["a"].holds_slot


def test_given_two_aborts_when_asked_then_the_second_changes_nothing():
    scene = Scene()
    scene.all_wait()

    once = intent.abort(scene.rollout, scene.digest, "hold")

    assert intent.abort(once, scene.digest, "hold") == once


def test_given_an_abort_that_rolls_back_when_done_nodes_exist_then_they_are_ordered_back():
    scene = Scene()
    scene.all_wait()
    scene.say("a", Status.SOAKING, version="1.35.0")
    scene.decide()

    scene.rollout = intent.abort(scene.rollout, scene.digest, "rollback-all")
    scene.decide()

    assert scene.rollout.phase is Phase.ROLLING_BACK
    assert scene.rollout.entries["a"].verb is Verb.ROLL_BACK


def test_given_a_released_node_when_decided_then_it_is_counted_no_more():
    scene = Scene()
    scene.all_wait()

    scene.rollout = intent.release(scene.rollout, "a")
    scene.decide()

    assert not scene.rollout.entries["a"].holds_slot


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda r: intent.resume(r, "other"), "digest"),
        (lambda r: intent.abort(r, r.digest, "burn"), "mode must be"),
        (lambda r: intent.retry(r, "a"), "has not failed"),
        (lambda r: intent.release(r, "zz"), "not part"),
        (lambda r: intent.pause(replace(r, phase=Phase.HELD), ""), "is held"),
    ],
)
def test_given_something_impossible_when_asked_then_the_reason_is_said(ask, reason):
    with pytest.raises(intent.IntentError, match=reason):
        ask(Scene().rollout)


def test_given_a_node_that_failed_when_retried_then_its_old_report_fails_it_no_more():
    scene = Scene(abort={"node-failures": 2}, canary={"name": "canary", "size": 2})
    scene.all_wait()
    scene.say("a", Status.ROLLED_BACK)
    scene.decide()

    scene.rollout = intent.retry(scene.rollout, "a")
    scene.decide()

    entry = scene.rollout.entries["a"]
    assert (entry.failed, entry.verb, entry.token) == (False, Verb.PREPARE, 1)
    assert not scene.decide().rollout.entries["a"].failed


def test_given_a_node_that_an_earlier_plan_lost_when_retried_then_it_gets_its_order_again():
    scene = Scene(limits={"max-unavailable": 3, "unhealthy-percent": 100})
    scene.all_wait()
    lost = messages.Report(Status.QUARANTINED, "another", seen=(1, 9), reason="runs x, not y")
    scene.sight = replace(scene.sight, reports={**scene.sight.reports, "b": lost})
    scene.rollout = replace(scene.rollout, wave=1)
    held = scene.decide().waiting["b"]

    with pytest.raises(intent.IntentError, match="b has not failed"):
        intent.retry(scene.rollout, "b")
    scene.rollout = intent.retry(scene.rollout, "b", is_quarantined=True)
    scene.decide()

    entry = scene.rollout.entries["b"]
    assert "it is quarantined; mend it, then retry it: runs x, not y" in held
    assert (entry.verb, entry.token) == (Verb.PREPARE, 1)


def test_given_a_late_worker_when_the_control_planes_are_done_then_it_does_not_wait_for_them():
    scene = Scene(members=sites.frozen(sites.planes("a", "b", "c"), sites.workers("w")))
    done = {n: replace(e, step=1) for n, e in scene.rollout.entries.items() if n != "w"}
    scene.rollout = replace(
        scene.rollout,
        phase=Phase.COMPLETED_WITH_DEBT,
        step=1,
        waves=(),
        entries={**scene.rollout.entries, **done},
    )
    for name in done:
        scene.say(name, Status.DONE, version="1.35.1")
    scene.say("w", Status.IDLE, version="1.34.2")
    scene.decide()

    scene.say("w", Status.WAITING, version="1.34.2")

    assert scene.decide().granted == ("w",)


def test_given_another_plan_when_decided_then_it_is_refused():
    scene = Scene()

    with pytest.raises(ValueError, match="not the plan"):
        site.decide(ledger.Site(scene.rollout), sites.make(id="p2"), 0)


def test_given_a_minor_without_a_release_when_accepted_then_the_nodes_that_need_it_are_named():
    members = sites.frozen(sites.workers("late", version="1.33.0"))

    with pytest.raises(intent.IntentError, match=r"late must pass 1.34"):
        intent.accept(sites.make(), members, 0)


def test_given_a_plan_that_wants_a_restore_when_accepted_then_it_says_what_to_use_instead():
    with pytest.raises(intent.IntentError, match=r"rollback.kind: .* say auto. .* is replaced"):
        intent.accept(sites.make(rollback={"kind": "restore"}), THREE, 0)


@pytest.mark.parametrize(("method", "is_fit"), [("ssh", True), ("minisign", False)])
def test_given_a_signature_that_no_node_verifies_when_accepted_then_it_is_refused(method, is_fit):
    signed = sites.make(signature={"method": method, "key-id": "site", "value": "x"})

    problems = intent.acceptance_problems(signed, THREE, 0)

    assert [each for each in problems if "ssh-keygen -Y sign" in each] == problems
    assert bool(problems) is not is_fit


def test_given_an_expired_or_unmet_plan_when_accepted_then_every_reason_is_said():
    with pytest.raises(intent.IntentError, match=r"expired; depends on p0"):
        intent.accept(sites.make(**{"depends-on": ["p0"]}), THREE, 2**40)


def test_given_a_successor_when_the_first_has_begun_then_it_must_be_paused():
    scene, newer = Scene(), sites.make(id="p2", supersedes="p1")

    with pytest.raises(intent.IntentError, match="has begun"):
        intent.accept(newer, THREE, 0, current=scene.rollout)
    paused = intent.pause(scene.rollout, "replaced")

    assert intent.accept(newer, THREE, 0, current=paused).serial == paused.serial


def test_given_a_thousand_entries_when_written_then_the_size_grows_with_the_nodes():
    sizes = [
        len(str(ledger.write(Scene(sites.frozen(sites.workers(*map(str, range(n))))).rollout)))
        for n in (100, 200)
    ]

    assert sizes[1] < 2.1 * sizes[0] < 2.1 * 100 * 220


def test_given_a_step_of_one_node_that_is_away_when_its_grace_is_over_then_the_others_go_on():
    members = sites.frozen(sites.planes("a"), sites.workers("late", version="1.33.1"))
    accepted = sites.make(targets=sites.kubernetes("1.34", "1.35"))
    rollout = intent.accept(accepted, members, 0)
    sight = ledger.Sight(silent={"late": 0})

    for now in (0, 10_000, 10_001):
        rollout = site.decide(ledger.Site(rollout, sight), accepted, now).rollout

    assert (rollout.phase, rollout.step) == (ledger.Phase.ACTIVE, 1)


def test_given_nothing_known_of_the_cluster_when_decided_then_it_holds_and_says_so():
    scene = Scene()
    scene.sight = replace(scene.sight, blind=True)

    found = scene.all_wait()

    assert found.granted == ()
    told = "nodes unknown: no control plane has told of the cluster lately"
    assert found.waiting == {"a": (told,)}


def test_given_nodes_that_were_not_heard_yet_when_decided_then_they_do_not_count_as_away():
    scene = Scene()
    scene.say("a", Status.WAITING)

    assert scene.decide(60).waiting == {"a": ("nothing was heard yet of b, c",)}


def test_given_nodes_that_are_away_when_decided_then_the_site_is_called_unwell():
    scene = Scene()
    scene.sight = replace(scene.sight, silent={"b": 0, "c": 0})
    scene.say("a", Status.WAITING)

    assert scene.decide(60).waiting == {"a": ("more than 40 % of the nodes are unavailable",)}


TOLERANT = {
    "abort": {"node-failures": 3},
    "canary": {"name": "canary", "size": "2", "min-success": 1},
}


def blocked(scene, name):
    scene.all_wait()
    scene.say(name, Status.FAILED, aborts=True, reason="a disruption budget does not yield")
    return scene.decide()


def test_given_a_drain_that_ends_the_plan_when_told_then_it_ends_though_it_may_fail_more_often():
    scene = Scene(**TOLERANT, drain={"on-block": "abort"})

    found = blocked(scene, "a")

    assert found.granted == ()
    assert scene.rollout.phase is Phase.HELD
    assert scene.rollout.reason == ("a could not be drained: a disruption budget does not yield")


def test_given_a_failure_of_another_kind_when_told_then_the_plan_goes_on():
    scene = Scene(**TOLERANT, drain={"on-block": "abort"})
    scene.all_wait()
    scene.say("a", Status.FAILED, reason="less than 2048 MiB are free")

    scene.decide()

    assert scene.rollout.phase is Phase.ACTIVE


def test_given_a_way_back_wanted_when_a_drain_ends_the_plan_then_the_wave_goes_back():
    scene = Scene(
        abort={"node-failures": 3, "on-abort": "rollback-wave"},
        canary={"name": "canary", "size": "2", "min-success": 1},
        drain={"on-block": "abort"},
        limits={"max-unavailable": 1},
    )
    scene.all_wait()
    scene.say("a", Status.DONE)
    scene.decide()
    scene.say("b", Status.FAILED, aborts=True)

    found = scene.decide()

    assert scene.rollout.phase is Phase.ROLLING_BACK
    assert (found.granted, scene.rollout.entries["a"].verb) == (("a",), Verb.ROLL_BACK)


def test_given_nothing_known_of_the_cluster_when_a_wave_goes_back_then_only_within_the_budget():
    members = sites.frozen(sites.planes("a"), sites.workers("b", "c"))
    scene = Scene(members, abort={"on-abort": "rollback-all"}, drain={"single-node": "refuse"})
    done = {n: replace(e, step=1, status=Status.DONE) for n, e in scene.rollout.entries.items()}
    scene.rollout = replace(
        scene.rollout, phase=Phase.ROLLING_BACK, mode="rollback-all", entries=done, wave=1
    )
    for name in members:
        scene.say(name, Status.DONE)
    scene.sight = replace(scene.sight, blind=True, voters=frozenset(), answering=frozenset())

    assert scene.decide().granted == ("b",)


SYSTEM = {"os": {"kind": "apt-snapshot", "version": "24.04.4", "snapshot-stamp": STAMP}}


def machines(*, lxd):
    """Machines without Kubernetes, three of which may be out of service at a time."""
    found = sites.frozen(sites.workers("m", "n", "o", version="", lxd=lxd))
    canary = {"name": "canary", "size": "3"}
    scene = Scene(found, targets=SYSTEM, canary=canary, limits={"max-unavailable": "3"})
    scene.all_wait()
    return scene


def test_given_leave_for_three_when_members_of_lxd_reboot_then_one_goes_at_a_time():
    assert len(granted(machines(lxd=False))) > 1
    scene = machines(lxd=True)

    assert granted(scene) == ["m"]
    assert scene.decide().waiting["n"] == ("LXD: m out of service",)


def test_given_a_member_of_lxd_that_is_away_when_others_would_reboot_then_none_does():
    scene = machines(lxd=True)
    scene.sight = replace(scene.sight, unready=frozenset({"m"}))

    assert scene.decide().granted == ()
