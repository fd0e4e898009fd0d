"""The page that compares upgrades claims only what tests of this repository show."""

import pathlib
import re
from collections import Counter

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TEXT = (ROOT / "docs/reference/upgrades-compared.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?P<feature>[^|]+) \| \*\*(?P<ours>yes|part|no)\*\* \|", re.MULTILINE)
SHOWN = re.compile(r"^- (?P<feature>.+?): (?P<ours>yes|part|no)(?P<rest>.*)$", re.MULTILINE)
NAMED = re.compile(r"`(?P<file>[\w/.-]+)::(?P<test>test_\w+)`")
CLAIMS = {found["feature"]: found["ours"] for found in ROW.finditer(TEXT)}
PROOFS = {found["feature"]: found for found in SHOWN.finditer(TEXT)}


def test_given_the_page_when_read_then_each_of_seventy_rows_has_its_line_of_proof():
    assert len(CLAIMS) == 70
    assert {feature: found["ours"] for feature, found in PROOFS.items()} == CLAIMS


def test_given_the_page_when_counted_then_its_totals_are_right():
    count = Counter(CLAIMS.values())

    said = f"Of 70, {count['yes']} are `yes`, {count['part']} `part`, {count['no']} `no`."

    assert said in " ".join(TEXT.split())


@pytest.mark.parametrize("feature", CLAIMS)
def test_given_a_row_when_it_claims_something_then_tests_that_are_there_show_it(feature):
    named = list(NAMED.finditer(PROOFS[feature]["rest"]))

    gone = [
        found["test"]
        for found in named
        if f"def {found['test']}(" not in (ROOT / found["file"]).read_text(encoding="utf-8")
    ]

    assert gone == []
    assert bool(named) == (CLAIMS[feature] != "no")


def test_given_a_row_when_it_claims_part_then_it_says_what_is_missing():
    parts = [feature for feature, ours in CLAIMS.items() if ours == "part"]

    assert [f for f in parts if not PROOFS[f]["rest"].startswith(" (")] == []
