"""The records of decisions: each has a number of its own, and the index leads to it."""

import pathlib

DOCS = pathlib.Path(__file__).parents[2] / "docs"
RECORDS = sorted((DOCS / "adr").glob("*.md"))


def test_given_the_records_when_counted_then_no_number_is_taken_twice():
    numbers = [record.name[:4] for record in RECORDS]

    assert sorted(set(numbers)) == numbers


def test_given_a_record_when_read_then_its_heading_has_its_number():
    for record in RECORDS:
        assert record.read_text(encoding="utf-8").startswith(f"# {int(record.name[:4])}. ")


def test_given_the_index_when_read_then_it_lists_every_record_under_its_number():
    index = (DOCS / "index.md").read_text(encoding="utf-8")

    missing = [
        record.name
        for record in RECORDS
        if not any(
            line.startswith(f"| {int(record.name[:4])} |") and f"(adr/{record.name})" in line
            for line in index.splitlines()
        )
    ]
    assert missing == []
