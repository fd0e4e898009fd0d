import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecloud.lxd import documents, errors

KEYS = st.dictionaries(st.sampled_from("abcd"), st.text(max_size=3))
PATH = "/1.0/profiles/p"


def _stale(fake):
    fake.refuses("PUT", PATH, 412, "ETag doesn't match")


def test_given_nothing_to_change_when_edited_then_nothing_is_written(fake, lxd):
    fake.serves(PATH, {"config": {"a": "1"}})

    assert documents.edit_config(lxd, PATH, {"a": "1", "b": None}) is False
    assert fake.written() == []


def test_given_change_when_edited_then_written_with_the_version_read(fake, lxd):
    fake.serves(PATH, {"config": {"a": "1", "b": "2"}}, etag="v1")
    fake.serves(PATH, method="PUT")

    assert documents.edit_config(lxd, PATH, {"a": "3", "b": None})

    assert fake.last("PUT").json == {"config": {"a": "3"}}
    assert fake.last("PUT").headers["if-match"] == "v1"


def test_given_somebody_faster_when_edited_then_done_again_on_theirs(fake, lxd):
    fake.serves(PATH, {"config": {}}, etag="v1")
    fake.serves(PATH, {"config": {"theirs": "1"}}, etag="v2")
    _stale(fake)
    fake.serves(PATH, method="PUT")

    assert documents.edit_config(lxd, PATH, {"mine": "1"})

    assert fake.last("PUT").json == {"config": {"theirs": "1", "mine": "1"}}
    assert fake.last("PUT").headers["if-match"] == "v2"


def test_given_always_somebody_faster_when_edited_then_given_up(fake, lxd):
    fake.serves(PATH, {"config": {}})
    _stale(fake)

    with pytest.raises(errors.StaleError):
        documents.edit_config(lxd, PATH, {"mine": "1"})

    assert len(fake.written()) == 5


@given(KEYS, st.dictionaries(st.sampled_from("abcd"), st.none() | st.text(max_size=3)))
def test_given_any_keys_when_set_then_just_they_change_and_twice_is_once(before, wanted):
    document = {"config": dict(before)}

    documents.set_keys(document, "config", wanted)

    after = dict(document["config"])
    assert {key: after.get(key) for key in wanted} == wanted
    assert all(after[key] == value for key, value in before.items() if key not in wanted)
    documents.set_keys(document, "config", wanted)
    assert document["config"] == after
