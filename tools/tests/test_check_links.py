"""Tests of the links between documents."""

import pytest

import check_links


@pytest.mark.parametrize(
    ("link", "count"),
    [
        ("other.md", 0),
        ("other.md#a-heading-with-code", 0),
        ("#here", 0),
        ("https://example.com/none", 0),
        ("none.md", 1),
        ("other.md#none", 1),
    ],
)
def test_given_a_link_when_checked_then_only_what_leads_nowhere_is_named(tmp_path, link, count):
    (tmp_path / "other.md").write_text("## A heading, with `code`\n", encoding="utf-8")
    document = tmp_path / "it.md"
    document.write_text(f"# Here\n\nSee [there]({link}).\n", encoding="utf-8")

    assert len(list(check_links.problems(document))) == count


def test_given_a_link_in_an_example_when_checked_then_it_is_left_alone(tmp_path):
    document = tmp_path / "it.md"
    document.write_text("```\n[x](none.md)\n```\n", encoding="utf-8")

    assert list(check_links.problems(document)) == []
