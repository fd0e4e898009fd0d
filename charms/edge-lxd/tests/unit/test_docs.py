"""What the documentation claims has a test of the name that it gives."""

import pathlib
import re

import second_storey

REPOSITORY = pathlib.Path(__file__).parents[4]
PAGE = REPOSITORY / "docs" / "explanation" / "lxd-cloud.md"


def defined():
    found = set()
    for folder in ("tests", "charms/edge-lxd/tests"):
        for path in (REPOSITORY / folder).rglob("test_*.py"):
            found |= set(re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE))
    return found


def test_given_the_comparison_when_read_then_every_test_that_it_names_is_there():
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))

    assert len(named) > 20
    assert named <= defined(), named - defined()


def test_given_the_comparison_when_read_then_each_of_its_claims_names_a_test():
    part = PAGE.read_text().partition("## Compared")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in part.splitlines() if line.startswith("| ")]
    claims = [row for row in rows if row[2].strip() not in ("edge-lxd", "---")]

    assert len(claims) > 30
    assert not [row[1] for row in claims if "`test_" not in row[2]]


def test_given_the_way_to_a_second_storey_when_read_then_it_is_the_one_that_the_action_tells():
    told = second_storey.commands("edge-lxd", "microk8s")
    pages = (REPOSITORY / "docs/how-to/build-an-lxd-cloud.md", REPOSITORY / "bundles/README.md")

    for page in pages:
        lines = [line.strip() for line in page.read_text().splitlines()]
        assert {command.partition("  #")[0].strip() for command in told} <= set(lines), page
