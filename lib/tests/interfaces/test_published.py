import base64
import json
import lzma

import hypothesis
import pytest
from hypothesis import strategies

from edgecloud.interfaces import published

RULES = {"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "up == 0"}]}]}


@hypothesis.given(strategies.text())
def test_given_any_text_when_packed_then_it_unpacks_to_the_same(text):
    assert published.unpack(published.pack(text)) == text


@hypothesis.given(strategies.text())
def test_given_any_text_when_read_as_rules_then_nothing_is_raised(text):
    assert isinstance(published.rules(text), dict)


@pytest.mark.parametrize("packed", ["", "%%", "AAAA", published.LZMA_START, "/Td6WFoAAATm"])
def test_given_what_was_not_packed_when_unpacked_then_it_is_refused(packed):
    with pytest.raises(ValueError, match=r".+"):
        published.unpack(packed)


def test_given_a_small_text_that_unpacks_to_a_huge_one_when_unpacked_then_it_is_refused():
    bomb = base64.b64encode(lzma.compress(bytes(published.LARGEST + 1))).decode()

    assert len(bomb) < 10_000
    with pytest.raises(ValueError, match="larger than"):
        published.unpack(bomb)


@pytest.mark.parametrize("text", [json.dumps(RULES), published.pack(json.dumps(RULES))])
def test_given_rules_plain_or_packed_when_read_then_they_are_the_same(text):
    assert published.rules(text) == RULES


@pytest.mark.parametrize(
    "text", [None, "", "[]", "7", "nonsense", published.LZMA_START, "[" * 9999]
)
def test_given_anything_else_when_read_then_there_are_none(text):
    assert published.rules(text) == {}
    assert published.mapping(text) == {}


def test_given_a_list_with_all_kinds_when_read_then_only_what_fits_is_taken():
    text = json.dumps([{"a": 1}, "b", 3, None, ["c"]])

    assert published.mappings(text) == [{"a": 1}]
    assert published.texts(text) == ["b"]


def test_given_metadata_when_read_then_absent_parts_make_no_labels():
    metadata = {"model": "m", "application": "a", "charm_name": ""}

    assert published.labels(metadata, "a/0") == {
        "juju_model": "m",
        "juju_application": "a",
        "juju_unit": "a/0",
    }
