"""The books survive being written and read, and changes to them are found."""

import dataclasses

import sites

import books
import coordination
from edgecloud.rollout import audit, gating, ledger

NOW = sites.START


def begun(members, **changes):
    return coordination.accept(books.Books(), sites.accepted(**changes), members(), NOW)


def test_given_a_rollout_when_written_and_read_then_nothing_is_lost(members):
    kept = dataclasses.replace(begun(members), finished=("old",), leader="app/0", source="s")
    kept = dataclasses.replace(kept, tally=(("done", 2), ("grant", 3)))
    held = gating.Held(NOW, ("calm",), (("well", 5), ("calm", 7)))
    kept = dataclasses.replace(kept, held=held)
    kept = dataclasses.replace(kept, rehearsed=books.Rehearsed("p", "m", 3, "c", "d", "", NOW))

    assert books.read(books.write(kept)) == kept


def test_given_nothing_when_read_then_the_books_are_empty():
    assert books.read({}) == books.Books()


def test_given_an_empty_site_when_written_and_read_then_it_is_the_same():
    assert books.read(books.write(books.Books())) == books.Books()


def test_given_a_plan_of_another_digest_when_read_then_it_is_a_problem(members):
    bag = books.write(begun(members))
    other = books.write(begun(members, reason="other"))

    found = books.read({**bag, "plan": other["plan"]})

    assert found.rollout is None
    assert "another digest" in found.problem


def test_given_many_records_when_noted_then_the_chain_is_short_and_holds():
    kept = books.Books()
    for number in range(books.KEPT_RECORDS + 50):
        kept = books.note(kept, [{"n": number}], NOW)

    assert len(kept.chain) == books.KEPT_RECORDS
    assert kept.tally == ()
    assert audit.first_bad(kept.chain) is None


def test_given_orders_when_noted_then_their_number_outlives_their_records():
    kept = books.Books()
    for _ in range(books.KEPT_RECORDS + 50):
        kept = books.note(kept, [{"order": "grant", "node": "pi-0"}], NOW)

    assert books.read(books.write(kept)).tally == (("grant", books.KEPT_RECORDS + 50),)


def test_given_twice_the_nodes_when_written_then_the_books_grow_no_faster(members):
    def size(planes):
        accepted = sites.accepted()
        kept = coordination.accept(books.Books(), accepted, members(planes), NOW)
        return len(books.write(kept)["rollout"])

    assert size(100) - size(50) <= 1.2 * (size(50) - size(1))


def test_given_a_completed_plan_when_decided_then_others_may_depend_on_it(site):
    site.start()
    site.rounds()
    later = {"id": "next", "depends-on": ["k8s-135"], "targets": {"snaps": [SNAP]}}

    site.start(**later)

    assert site.rollout.plan_id == "next"


def test_given_a_plan_that_was_never_done_when_another_depends_on_it_then_it_is_refused(site):
    digest = site.offer(**{"depends-on": ["k8s-134"]})

    site.event("config_changed")

    assert site.status.name == "blocked"
    assert site.status.message == (
        f"k8s-135 ({digest[:12]}) cannot start: depends on k8s-134, which is not done"
    )


def test_given_a_newer_generation_of_a_plan_that_waits_when_accepted_then_the_old_one_is_noted(
    members,
):
    waiting = begun(members, **{"not-before": "2029-01-01T00:00:00Z"})

    newer = coordination.accept(waiting, sites.accepted(generation=2), members(), NOW)

    assert newer.rollout.generation == 2
    assert any(link.entry.get("cause") == "superseded" for link in newer.chain)
    assert coordination.is_under_way(newer)
    assert newer.rollout.phase is ledger.Phase.SCHEDULED


SNAP = {"name": "jq", "revision": {"arm64": 7}}
