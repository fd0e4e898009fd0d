import pytest

from edgelab import names


@pytest.mark.parametrize("name", ["a", "kiosk-a", "edge-microk8s", "x2", "a-1b"])
def test_given_a_name_that_juju_takes_when_matched_then_it_fits(name):
    assert names.APPLICATION.fullmatch(name)


@pytest.mark.parametrize("name", ["", "A", "kiosk-1", "1a", "a_b", "a-", "-a", "a--b"])
def test_given_a_name_that_juju_refuses_when_matched_then_it_does_not_fit(name):
    assert not names.APPLICATION.fullmatch(name)


def test_given_a_misspelt_name_when_hinted_then_the_closest_is_named():
    assert names.hint("node-labelz", ["node-labels", "role"]) == "; did you mean 'node-labels'?"


def test_given_nothing_close_when_hinted_then_what_there_is_is_listed():
    assert names.hint("zzz", ["b", "a", "c"]) == "; there is a, b and c"


def test_given_nothing_at_all_or_too_much_when_hinted_then_there_is_no_hint():
    assert names.hint("zzz", []) == ""
    assert names.hint("zzz", [f"long-name-{n}" for n in range(20)]) == ""


def test_given_one_word_when_listed_then_it_stands_alone():
    assert names.listed(["one"]) == "one"
