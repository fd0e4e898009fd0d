"""How many nodes fetch at once, and how much on one day, is for the plan to say."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecloud.rollout import intent, ledger, messages, outlook, plan, staging, wake
from edgecloud.twin import rehearsal, simulation
from tests.rollout import cases, sites
from tests.rollout.scene import Scene

Status, Verb = messages.Status, messages.Verb
DAY = staging.DAY_S
NAMES = ("a", "b", "c", "d")
WORKERS = sites.frozen(sites.workers(*NAMES))
ALL_AT_ONCE = {"name": "canary", "size": 3, "soak": "1h"}


def scene(**limits) -> Scene:
    """A site whose nodes fetch 100 MiB each; three of them go in the first wave."""
    found = Scene(members=WORKERS, targets=cases.SIZED, canary=ALL_AT_ONCE, limits=limits)
    for name in NAMES:
        found.say(name, Status.IDLE)
    found.decide()
    return found


def told(found: Scene) -> list[str]:
    """Return the nodes that were told to stage."""
    return [name for name, each in found.rollout.entries.items() if each.verb is Verb.PREPARE]


def test_given_no_limit_when_decided_then_the_wave_at_hand_and_the_next_are_told():
    assert told(scene()) == list(NAMES)


def test_given_one_at_once_when_it_has_staged_then_the_next_is_told():
    found = scene(staging=1)
    first = told(found)
    found.say("a", Status.WAITING)

    found.decide()

    assert first == ["a"]
    assert found.rollout.entries["b"].verb is Verb.PREPARE
    assert found.rollout.entries["c"].verb is None


def test_given_one_at_once_when_decided_then_the_others_say_what_they_wait_for():
    found = scene(staging=1)

    assert found.decide().waiting["b"][0] == "stages later: 1 of 1 do it now"


def test_given_a_day_that_is_used_up_when_decided_then_the_reason_has_the_figures():
    found = scene(**{"daily-mib": 250})

    why = "stages later: 100 MiB are more than 50 of 250 left for today"
    assert told(found) == ["a", "b"]
    assert found.decide().waiting["c"][0] == why


def test_given_a_day_that_is_used_up_when_the_next_begins_then_it_is_woken_and_goes_on():
    found = scene(**{"daily-mib": 250})
    morning = wake.next_wake(ledger.Site(found.rollout, found.sight), found.accepted, DAY - 60)

    found.decide(now=DAY - 1)
    evening = told(found)
    found.decide(now=DAY)

    assert morning == DAY
    assert (evening, told(found)) == (["a", "b"], list(NAMES))


def test_given_a_clock_that_is_not_trusted_when_decided_then_no_day_begins():
    found = scene(**{"daily-mib": 250})
    found.sight = replace(found.sight, clock_trusted=False)

    held = found.decide(now=5 * DAY).waiting["c"]

    assert held == ("the clock is not trusted",)
    assert told(found) == ["a", "b"]


def test_given_a_clock_that_was_ahead_when_it_is_right_again_then_no_day_counts_twice():
    found = scene(**{"daily-mib": 250})
    found.rollout = replace(found.rollout, day=3)

    found.decide(now=2 * DAY)

    assert told(found) == ["a", "b"]


def test_given_a_node_that_is_not_heard_when_decided_then_it_holds_nobody_up():
    found = Scene(members=WORKERS, targets=cases.SIZED, canary=ALL_AT_ONCE, limits={"staging": 1})
    for name in "bcd":
        found.say(name, Status.IDLE)

    waiting = found.decide().waiting

    assert told(found) == ["b"]
    assert waiting["a"] == ("it is not heard",)


def test_given_a_node_that_goes_away_while_it_fetches_when_its_grace_is_over_then_others_go_on():
    found = scene(staging=1)
    found.sight = replace(found.sight, silent={"a": 0})
    within = found.decide(now=60).waiting["b"]

    found.decide(now=found.accepted.offline.grace_s)

    assert within[0].startswith("stages later")
    assert found.rollout.entries["b"].verb is Verb.PREPARE


def test_given_a_node_that_fails_while_it_fetches_when_decided_then_it_holds_nobody_up():
    found = scene(staging=1)
    found.accepted = replace(found.accepted, abort=replace(found.accepted.abort, node_failures=2))
    found.rollout = replace(found.rollout, digest=found.accepted.digest)
    found.say("a", Status.FAILED)

    found.decide()

    assert found.rollout.entries["b"].verb is Verb.PREPARE


@pytest.mark.parametrize("status", [Status.QUARANTINED, Status.IDLE])
def test_given_a_node_that_read_its_order_and_does_not_fetch_when_decided_then_it_holds_nobody_up(
    status,
):
    found = scene(staging=1)
    told_a = found.rollout.entries["a"].stamp
    former = messages.Report(status, "f" * 64, "kubernetes/1.34", seen=told_a, reason="refused")
    found.sight = replace(found.sight, reports={**found.sight.reports, "a": former})

    found.decide()

    assert found.rollout.entries["b"].verb is Verb.PREPARE


def test_given_a_plan_after_another_when_it_begins_on_the_same_day_then_that_day_goes_on():
    found = scene(**{"daily-mib": 250})
    ended = replace(found.rollout, phase=ledger.Phase.HELD)
    again = sites.make(
        generation=2, targets=cases.SIZED, canary=ALL_AT_ONCE, limits={"daily-mib": 250}
    )

    found.rollout, found.accepted = intent.accept(again, WORKERS, 0, current=ended), again
    found.decide()

    assert told(found) == []
    assert found.rollout.day_mib == 200


def test_given_a_retry_when_told_again_then_its_bytes_count_again():
    found = scene(**{"daily-mib": 1000})
    before = found.rollout.day_mib
    failed = replace(found.rollout.entries["a"], failed=True)
    entries = {**found.rollout.entries, "a": failed}

    found.rollout = intent.retry(replace(found.rollout, entries=entries), "a")
    found.decide()

    assert (before, found.rollout.day_mib) == (400, 500)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3), st.integers(1, 5), st.randoms(use_true_random=False))
def test_given_any_paces_when_nodes_are_told_then_neither_limit_is_passed(most, hundreds, draw):
    found = Scene(
        members=sites.frozen(sites.workers(*"abcdefgh")),
        targets=cases.SIZED,
        canary={"name": "canary", "size": 5},
        limits={"staging": most, "daily-mib": 100 * hundreds},
    )
    now, by_day, busy, seen = 0, dict[int, int](), set[str](), dict[str, messages.Stamp]()
    for name in found.rollout.entries:
        found.say(name, Status.IDLE)
    for _ in range(30):
        for name in [each for each in busy if draw.random() < 0.4]:
            found.say(name, Status.WAITING)
            busy.remove(name)
        now += draw.choice([0, 600, DAY // 3])
        found.decide(now)
        for name, entry in found.rollout.entries.items():
            if entry.verb is Verb.PREPARE and seen.get(name) != entry.stamp:
                seen[name] = entry.stamp
                by_day[now // DAY] = by_day.get(now // DAY, 0) + 100
                busy.add(name)
                found.say(name, Status.STAGING)

        assert len(busy) <= (most or 8)
        assert max(by_day.values(), default=0) <= 100 * hundreds


@pytest.mark.parametrize(
    ("targets", "mib", "named"),
    [
        (sites.kubernetes("1.35"), 500, "kubernetes/1.35 on arm64 has no mib in targets"),
        (cases.SIZED, 99, "kubernetes/1.35 on arm64 is 100 MiB, more than 99"),
        (
            {
                "snaps": [
                    {"name": "one", "revision": {"arm64": 1}, "mib": {"arm64": 5}},
                    {"name": "two", "revision": {"arm64": 1}},
                ]
            },
            500,
            "snaps on arm64 has no mib in targets",
        ),
        (
            {"kubernetes": {"to": "1.35", "unpinned": "allow"}},
            500,
            "kubernetes/1.35 on arm64 has no mib",
        ),
    ],
)
def test_given_a_budget_that_cannot_be_kept_when_accepted_then_it_is_refused(targets, mib, named):
    accepted = sites.make(targets=targets, limits={"daily-mib": mib})

    with pytest.raises(intent.IntentError, match=named):
        intent.accept(accepted, WORKERS, 0)


def test_given_a_loader_when_accepted_then_it_needs_no_size():
    accepted = sites.make(targets={"firmware": {"eeprom": "2030-01-01"}}, limits={"daily-mib": 10})

    assert intent.accept(accepted, WORKERS, 0).steps


def test_given_a_budget_when_told_beforehand_then_the_end_is_days_later():
    fast, slow = (
        outlook.outlook(sites.make(targets=cases.SIZED, limits=limits), WORKERS, 0)
        for limits in ({}, {"daily-mib": 100})
    )

    assert fast["seconds-to-end"] < 2 * DAY  # The canary's day, and then the rest.
    assert slow["seconds-to-end"] == 3 * DAY + 1800 + 3600  # The fourth node, and its soak.


def test_given_a_budget_when_rehearsed_then_every_run_keeps_it_and_takes_its_days():
    limits = {"daily-mib": 100, "staging": 1}
    accepted = sites.make(targets=cases.SIZED, limits=limits, canary={"soak": "1h"})

    report = rehearsal.rehearse(accepted, WORKERS, 0, bounds=rehearsal.Bounds(3, 40, 10))

    assert (report.verdict, report.problems) == ("", ())
    assert report.seconds.median > 3 * DAY


def test_given_a_core_that_counts_no_day_when_rehearsed_then_the_rules_say_so(monkeypatch):
    monkeypatch.setattr(staging, "day_blocker", lambda *a: "")
    accepted = sites.make(targets=cases.SIZED, limits={"daily-mib": 100})

    run = simulation.Run(simulation.Premise(WORKERS, accepted, 0), (), random.Random(1))

    assert run.outcome().problem.startswith("I26 ")


def test_given_books_of_a_charm_before_when_read_then_no_day_is_known():
    found = scene(**{"daily-mib": 250})
    document = ledger.write(found.rollout)
    again = ledger.read(document)
    del document["day"], document["day_mib"]

    assert again == found.rollout
    assert (ledger.read(document).day, ledger.read(document).day_mib) == (0, 0)


def test_given_a_plan_that_does_not_say_it_when_digested_then_the_digest_is_as_before():
    said = sites.make(limits={"staging": 0, "daily-mib": 0})

    assert said.digest == sites.make().digest
    assert "staging" not in plan.canonical(said)
