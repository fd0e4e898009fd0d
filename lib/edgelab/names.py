"""How Juju lets things be called, and which known name a misspelt one is closest to."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_WORDS = r"[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*"
_NUMBER = r"(?:0|[1-9][0-9]*)"
_ENDPOINT = r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*"

APPLICATION = re.compile(_WORDS)
STORAGE = re.compile(_WORDS)
MACHINE = re.compile(_NUMBER)
STORE_CHARM = re.compile(rf"(?:ch:)?(?P<name>{_WORDS})(?:-(?P<revision>[0-9]+))?")
RELATION_END = re.compile(rf"(?P<application>{_WORDS})(?::(?P<endpoint>{_ENDPOINT}))?")
PLACEMENT = re.compile(
    rf"(?:(?P<container>[a-z]+):)?"
    rf"(?:(?P<application>{_WORDS})(?:/(?P<unit>{_NUMBER}))?|(?P<machine>{_NUMBER}))"
)
OFFER_URL = re.compile(
    rf"(?:[a-zA-Z0-9-]+:)?(?:[a-zA-Z0-9][a-zA-Z0-9.+@-]*/)?[a-z0-9][a-z0-9-]*\.{_WORDS}"
)


def hint(name: str, known: Iterable[str]) -> str:
    """Return what to add to a message about an unknown name: what was meant, or what there is."""
    there = sorted(word for word in known if word)
    if meant(name, there):
        return meant(name, there)
    return f"; there is {listed(there)}" if 0 < len(there) <= 8 else ""


def meant(name: str, known: Iterable[str]) -> str:
    """Return what to add to a message if a name looks like a known one misspelt."""
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 unit``, ``2 units``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(words: Iterable[str]) -> str:
    """Return words as a sentence lists them: ``a, b and c``."""
    *most, last = list(words)
    return f"{', '.join(most)} and {last}" if most else last
