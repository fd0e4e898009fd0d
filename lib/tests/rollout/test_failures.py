"""Failures in a row end a plan, whatever it allows in all; a node that came up well ends a row."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from edgecloud.rollout import ledger, messages, plan, site
from tests.rollout import sites
from tests.rollout.scene import Scene

Status, Phase = messages.Status, ledger.Phase
NAMES = tuple(f"w{number}" for number in range(8))
WAVE = {"soak": "1h", "min-success": 1}
TOLERANT = {"node-failures": len(NAMES), "failure-percent": 100, "min-executed": 10_000}


def tolerant(row: int) -> Scene:
    """A site that goes on after every failure but after so many in a row."""
    scene = Scene(
        members=sites.frozen(sites.workers(*NAMES)),
        canary={"name": "canary", "size": len(NAMES), **WAVE},
        waves=[{"name": "rest", **WAVE}],
        abort={**TOLERANT, "consecutive": row},
        limits={"unhealthy-percent": 100},
    )
    scene.all_wait()
    return scene


def granted(scene: Scene) -> str:
    """Return the node that is at work."""
    return next((n for n, e in scene.rollout.entries.items() if e.holds_slot), "")


def longest(outcomes: list[bool]) -> int:
    """Return the longest row of failures, counted plainly."""
    rows = "".join("+" if is_well else "-" for is_well in outcomes).split("+")
    return max(len(row) for row in rows)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=6, max_size=6), st.integers(1, 4))
def test_given_any_outcomes_when_decided_then_the_plan_ends_at_the_first_row_that_is_too_long(
    outcomes, row
):
    scene, told = tolerant(row), []
    for is_well in outcomes:
        name = granted(scene)
        if scene.rollout.phase is not Phase.ACTIVE:
            break
        scene.say(name, Status.SOAKING if is_well else Status.ROLLED_BACK)
        scene.decide()
        told.append(is_well)

        assert (scene.rollout.phase is Phase.ACTIVE) is (longest(told) < row), told
        assert bool(granted(scene)) is (longest(told) < row)


def test_given_a_row_that_is_too_long_when_decided_then_the_reason_names_it():
    scene = tolerant(2)
    for _ in range(2):
        scene.say(granted(scene), Status.ROLLED_BACK)
        scene.decide()

    assert scene.rollout.reason == "w0, w1 failed, and the plan allows 1 in a row"


def test_given_a_long_soak_that_ends_between_when_decided_then_the_row_goes_on():
    scene = tolerant(2)
    scene.say("w0", Status.SOAKING)
    scene.decide()
    scene.say("w1", Status.ROLLED_BACK)
    scene.decide()
    scene.say("w0", Status.DONE)
    scene.decide()

    scene.say("w2", Status.ROLLED_BACK)
    scene.decide()

    assert scene.rollout.phase is Phase.HELD


def test_given_a_grant_that_was_refused_when_decided_then_the_row_goes_on():
    scene = tolerant(2)
    scene.say("w0", Status.ROLLED_BACK)
    scene.decide()
    scene.say("w1", Status.WAITING, reason="refused: it runs on its battery")
    scene.decide()

    assert scene.rollout.row == 1


def test_given_another_leader_when_it_goes_on_then_it_knows_the_row():
    scene = tolerant(3)
    scene.say("w0", Status.ROLLED_BACK)
    scene.decide()

    assert ledger.read(ledger.write(scene.rollout)) == scene.rollout
    assert scene.rollout.row == 1


def test_given_books_of_a_charm_before_when_read_then_no_row_is_known():
    document = ledger.write(tolerant(2).rollout)
    del document["row"]

    assert ledger.read(document).row == 0


def test_given_no_such_limit_when_nodes_fail_then_nothing_is_counted():
    scene = tolerant(1)
    scene.accepted = replace(scene.accepted, abort=replace(scene.accepted.abort, consecutive=0))
    scene.rollout = replace(scene.rollout, digest=scene.accepted.digest)
    scene.say(granted(scene), Status.ROLLED_BACK)

    found = site.decide(ledger.Site(scene.rollout, scene.sight), scene.accepted, 0)

    assert (found.rollout.row, found.rollout.phase) == (0, Phase.ACTIVE)


def test_given_a_plan_that_does_not_say_it_when_digested_then_the_digest_is_as_before():
    assert sites.make(abort={"consecutive": 0}).digest == sites.make().digest
    assert "consecutive" not in plan.canonical(sites.make())
