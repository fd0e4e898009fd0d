import json

from hypothesis import given
from hypothesis import strategies as st

from edgecloud.lxd import (
    certificates,
    cluster,
    events,
    fields,
    images,
    instances,
    networks,
    notices,
    operations,
    profiles,
    projects,
    server,
    snapshots,
    storage,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
NAMES = ("name", "config", "devices", "aliases", "status", "severity", "locations", "roles")
DOCUMENTS = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), JSON, max_size=8)
PARSERS = (
    cluster.parse,
    operations.parse,
    *(
        module._parse
        for module in (
            certificates,
            images,
            instances,
            networks,
            notices,
            profiles,
            projects,
            snapshots,
            storage,
        )
    ),
    server._disk,
)


@given(DOCUMENTS)
def test_given_any_document_when_parsed_then_no_parser_fails(document):
    for parse in PARSERS:
        assert parse(document) is not None


@given(JSON)
def test_given_any_message_when_parsed_then_it_is_an_event(message):
    assert events.parse(json.dumps(message).encode()).action is not None


@given(JSON)
def test_given_any_value_when_read_then_its_type_is_the_one_promised(value):
    source = {"key": value}

    assert isinstance(fields.text(source, "key"), str)
    assert isinstance(fields.number(source, "key"), int)
    assert fields.flag(source, "key") is (value is True)
    assert all(isinstance(one, str) for one in fields.texts(source, "key"))
    assert all(isinstance(one, dict) for one in fields.inners(source, "key"))


def test_given_numbers_in_config_when_read_then_they_are_texts():
    assert fields.mapping({"config": {"limits.cpu": 2}}, "config") == {"limits.cpu": "2"}
