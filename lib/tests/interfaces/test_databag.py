import dataclasses
import json

import hypothesis
import pytest
from hypothesis import strategies

from edgecloud import testing
from edgecloud.interfaces import (
    cluster_join,
    databag,
    edge_component,
    health_gate,
    node_upgrade,
)


@dataclasses.dataclass(frozen=True, order=True)
class Leaf:
    name: str = ""
    size: float = 0.0


@dataclasses.dataclass(frozen=True)
class Tree:
    title: str | None = None
    height: int | None = None
    alive: bool | None = None
    age: float | None = None
    crown: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    tags: tuple[str, ...] = ()


CLASSES = [
    Tree,
    cluster_join.NodeReport,
    cluster_join.MemberReport,
    cluster_join.ClusterRecord,
    edge_component.Component,
    node_upgrade.NodeReport,
    node_upgrade.Orders,
    health_gate.GateSource,
]

TEXT = strategies.text(min_size=1)
NUMBER = strategies.integers(-(2**53), 2**53)
FINITE = strategies.floats(allow_nan=False, allow_infinity=False)
LEAF = strategies.builds(Leaf, name=strategies.text(), size=FINITE)
TREE = strategies.builds(
    Tree,
    title=strategies.none() | TEXT,
    height=strategies.none() | NUMBER,
    alive=strategies.none() | strategies.booleans(),
    age=strategies.none() | FINITE,
    crown=strategies.none() | LEAF,
    leaves=strategies.lists(LEAF).map(tuple),
    tags=strategies.lists(TEXT).map(tuple),
)
JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | NUMBER | strategies.floats() | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
    max_leaves=8,
)
FIELDS = sorted({field.name for cls in CLASSES for field in dataclasses.fields(cls)})


@hypothesis.given(TREE)
def test_given_any_value_when_saved_and_loaded_then_it_is_the_same(tree):
    assert databag.load(Tree, testing.encoded(tree)) == tree


@pytest.mark.parametrize("cls", CLASSES)
@hypothesis.given(
    strategies.dictionaries(
        strategies.sampled_from(FIELDS), JSON.map(json.dumps) | strategies.text()
    )
)
def test_given_any_content_when_loaded_then_the_result_can_be_saved_again(cls, content):
    value = databag.load(cls, content)

    assert databag.load(cls, testing.encoded(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("{", id="not JSON"),
        pytest.param("[" * 100_000, id="nested too deeply"),
        pytest.param("9" * 400, id="too large for a float"),
        pytest.param("9" * 5000, id="too long a number"),
        pytest.param("1e999", id="infinite"),
        pytest.param("NaN", id="not a number"),
        pytest.param('"12"', id="a text"),
        pytest.param("true", id="a truth"),
    ],
)
def test_given_what_is_no_number_when_loaded_then_the_field_is_absent(text):
    assert databag.load(Tree, {"age": text, "title": '"oak"'}) == Tree(title="oak")


def test_given_a_whole_number_when_a_float_is_wanted_then_it_is_one():
    age = databag.load(Tree, {"age": "3"}).age

    assert (age, type(age)) == (3.0, float)


def test_given_a_truth_when_a_number_is_wanted_then_it_is_not_taken_for_one():
    assert databag.load(Tree, {"height": "true"}).height is None


def test_given_a_field_of_a_later_version_when_loaded_then_it_is_ignored():
    bag = {"title": '"oak"', "rings": "99", "leaves": '[{"name": "a", "colour": "red"}]'}

    assert databag.load(Tree, bag) == Tree(title="oak", leaves=(Leaf("a"),))


def test_given_one_unfit_entry_when_loaded_then_the_others_are_kept():
    assert databag.load(Tree, {"tags": '["a", 1, "b"]'}).tags == ("a", "b")


def test_given_what_is_empty_when_saved_then_no_key_is_on_the_wire():
    assert testing.encoded(Tree(title="", leaves=())) == {}


@pytest.mark.parametrize("value", [Tree(alive=False), Tree(height=0), Tree(age=0.0)])
def test_given_false_or_zero_when_saved_then_it_is_on_the_wire(value):
    assert databag.load(Tree, testing.encoded(value)) == value


def test_given_the_same_value_when_saved_again_then_nothing_is_written():
    bag = testing.encoded(Tree(title="oak"))

    assert not databag.save(Tree(title="oak"), bag)


def test_given_a_field_that_is_gone_when_saved_then_its_key_is_emptied():
    bag = testing.encoded(Tree(title="oak", height=3))

    assert databag.save(Tree(title="oak"), bag)
    assert bag == {"title": '"oak"', "height": ""}


def test_given_keys_of_another_writer_when_saved_then_they_stay():
    bag = {"ingress-address": "10.20.0.11"}

    databag.save(Tree(title="oak"), bag)

    assert bag == {"ingress-address": "10.20.0.11", "title": '"oak"'}
