"""The words that plans do not have: each is refused, and what the page says instead is shown."""

import pathlib
import re

import pytest

from edgecloud.rollout import inventory, messages, plan, route, state
from edgecloud.twin import box as world
from tests.rollout import sites

ROOT = pathlib.Path(__file__).parents[3]
PAGE = (ROOT / "docs/reference/upgrade-plan.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## Words that are not there, and why\n")[2]
ROWS = [line for line in SECTION.splitlines() if line.startswith("| `")]
WORDS = [word for row in ROWS for word in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
NAMED = sorted(set(re.findall(r"`([\w/.-]+)::(test_\w+)`", SECTION)))
WHOLE = {
    "windows[]": {"start": "02:00", "length": "4h", "tz": "UTC"},
    "gates[]": {"name": "calm", "type": "alerts"},
    "waves[]": {"name": "rest"},
}


def saying(word: str) -> dict:
    """Return a plan that is sound but for one word, which may have a value."""
    path, _, value = word.partition(": ")
    *sections, name = path.split(".")
    document = sites.document()
    at = document
    for section in sections:
        inner = dict(WHOLE.get(section, at.get(section.removesuffix("[]"), {})) or {})
        at[section.removesuffix("[]")] = [inner] if section.endswith("[]") else inner
        at = inner
    at[name] = value or 1
    return document


@pytest.mark.parametrize("word", WORDS)
def test_given_a_word_that_plans_do_not_have_when_read_then_it_and_nothing_else_is_refused(word):
    path = word.partition(":")[0].replace("[]", "[0]")

    with pytest.raises(plan.PlanError) as refused:
        plan.read(saying(word))

    # What a section needs besides may be missing. Of a section that is not there, that is said.
    said = [each for each in refused.value.problems if "is required" not in each]
    assert len(said) == 1
    assert f"{path}.".startswith(f"{said[0].partition(':')[0]}.")


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_given_the_page_when_it_names_a_test_then_that_is_there(file, test):
    assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")


def test_given_the_page_when_read_then_every_row_but_those_left_out_names_a_test():
    kept, _, left = SECTION.partition("### Left out")

    rows = [line for line in kept.splitlines() if line.startswith("| `")]

    assert [row for row in rows if "::test_" not in row] == []
    assert (len(rows), left.count("\n| `")) == (36, 5)


def test_given_a_label_of_consent_when_selected_then_only_nodes_that_have_it_are():
    agrees = inventory.Member("b", version="1.34.2", labels=(("plans", "welcome"),))
    members = sites.frozen([agrees], sites.workers("c"))

    chosen = route.selected(sites.make(select={"nodes": {"plans": "welcome"}}), members)

    assert list(chosen) == ["b"]


def test_given_a_system_that_the_old_one_cannot_follow_when_it_fails_then_the_node_is_set_apart():
    image = {"kind": "ab-image", "version": "2", "ref": "os@sha256:" + "0" * 64}
    accepted = sites.make(targets={"os": {**image, "irreversible": True}})
    work = route.work(accepted, "os/2", 0, sites.workers("b")[0])
    box = world.fresh("b", "1.34.2", "old")
    for serial, verb in ((1, messages.Verb.PREPARE), (2, messages.Verb.GRANT)):
        box = world.order(
            box, messages.Order((1, serial), verb, work.digest, "os/2", 0, 900), work, 0
        )
        while box.pending and box.node.state is not state.State.VALIDATING:
            box = next(world.outcomes(box, 0))[2]

    while box.pending:
        fails = box.node.state is state.State.VALIDATING
        wanted = "fails (failed)" if fails else "done"
        box = next(after for label, _, after in world.outcomes(box, 0) if label == wanted)

    assert box.node.state is state.State.QUARANTINED
    assert box.node.reason.endswith("there is no way back")
