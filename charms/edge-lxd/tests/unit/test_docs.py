"""What the documentation claims has a test of the name that it gives."""

import pathlib
import re

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
