"""The questions of a site, as the store must read them."""

import re

import pytest

import questions


def test_given_any_question_when_offered_then_it_answers_only_while_the_heartbeat_fires():
    for question in questions.offered({"edge-microk8s": 3}):
        assert question.query.endswith(f" and on() {questions.ALIVE}")


def test_given_units_that_juju_knows_when_asked_for_then_their_number_is_not_the_stores():
    query = questions.units_up({"b": 2, "a-1": 1})

    assert query == (
        'sum(min by (juju_unit) (up{juju_application=~"a-1|b",written_by=""})) >= bool 3'
    )


def test_given_names_of_applications_when_asked_for_then_nothing_is_escaped_that_need_not_be():
    """A backslash in a text is an error to the store, and no name has anything to escape."""
    assert not re.search(r"\\\\", "".join(q.query for q in questions.offered({"a-b": 1})))


@pytest.mark.parametrize(
    ("document", "known"),
    [
        ({"status": "success", "data": {"result": [1]}}, True),
        ({"status": "success", "data": {"result": []}}, False),
        ({"status": "error"}, False),
        (None, False),
    ],
)
def test_given_an_answer_when_looked_at_then_an_empty_one_is_none(document, known):
    assert questions.has_answer(document) is known
