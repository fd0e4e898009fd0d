"""The exhaustive search of small sites, and the seeded bugs that it must catch."""

import pathlib

import pytest

from edgecloud.rollout import ledger, state
from tests.rollout import cases, mutants, search

ROOT = pathlib.Path(__file__).parents[3]
COUNTS = {}


@pytest.fixture(scope="module", autouse=True)
def counts(request):
    yield
    total = sum(found.states for found in COUNTS.values())
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print()
        for name, found in COUNTS.items():
            print(f"{name}: {found.states} states, {found.edges} transitions")
        print(f"exhaustive search: {total} states, {len(mutants.MUTANTS)} mutants")


@pytest.mark.parametrize("name", cases.CASES)
def test_given_a_small_site_when_every_interleaving_is_walked_then_invariants_hold(name):
    found = search.Search(cases.CASES[name]).run()
    COUNTS[name] = found

    assert found.violation == "", "\n".join(found.trace)


def test_given_all_cases_when_walked_then_every_state_of_both_machines_was_met():
    seen = set().union(*(found.seen for found in COUNTS.values()))

    if len(COUNTS) == len(cases.CASES):
        assert {f"node {each.value}" for each in state.State} - seen == set()
        assert {f"site {each.value}" for each in ledger.Phase} - seen <= {
            "site cancelled",
            "site superseded",
        }


def test_given_the_list_of_mutants_when_read_then_no_invariant_is_missing():
    named = {each.invariant for each in mutants.MUTANTS} | set(mutants.ELSEWHERE)

    assert named == {f"I{number}" for number in range(1, 31)}
    for place in mutants.ELSEWHERE.values():
        file, _, test = place.partition("::")
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "mutant", mutants.MUTANTS, ids=lambda each: f"{each.invariant} {each.what}"
)
def test_given_a_seeded_bug_when_judged_then_it_is_caught_and_the_core_is_not(mutant, monkeypatch):
    assert mutant.catch() == ""

    mutant.seed(monkeypatch)

    assert mutant.catch().startswith(f"{mutant.invariant} ")
