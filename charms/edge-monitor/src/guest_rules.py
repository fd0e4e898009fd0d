"""Take the alert rules that applications of other charms bring, as far as they do no harm. Pure.

What an application brings may speak of that application only. Its labels are the ones that its
series have here, whatever it calls itself, and its expressions see those series and no others: the
store is told so with each question, which holds for any expression, however it is written.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import alerting
from edgecloud.telemetry import yaml_text

MOST_GROUPS = 20
MOST_RULES = 100
LONGEST = 4096
"""Characters of one expression or one text."""
MOST_TEXTS = 20
"""Labels of one rule, and annotations."""
MOST_ALERTS = 200
"""That one rule may raise at once; a rule that would raise more raises none."""

OURS = frozenset({"alertname", "alertgroup", "alertstate", "gate"})
"""Labels that say something to this monitor, or to the gates of an upgrade."""

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PERIOD = re.compile(r"(\d+(ms|[smhdwy]))+|0")
_TOPOLOGY = re.compile(r"%%juju_topology%%\s*,?")


@dataclass(frozen=True)
class Guest:
    """An application, and the rules that it brings."""

    application: str
    groups: Any
    """Unchecked."""
    labels: Mapping[str, str]
    """Of all its series here."""
    called: Mapping[str, str] = field(default_factory=dict[str, str])
    """Labels by which it speaks of itself in its expressions, where they are not the same."""
    speaks_for_others: bool = False
    """It forwards what others measure: whose a rule is stays as the rule says."""


@dataclass(frozen=True)
class Group:
    """Rules that are taken or left together."""

    name: str
    rules: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Taken:
    """What can be taken of an application's rules, and in a few words what cannot."""

    application: str
    labels: Mapping[str, str]
    groups: tuple[Group, ...] = ()
    left_out: tuple[str, ...] = ()


def writer(application: str, rules: Mapping[str, Any], mark: str) -> Guest:
    """Return an application that writes here, whose series are marked with its name."""
    name = f"written-by-{application}"
    return Guest(name, rules.get("groups"), {mark: application}, speaks_for_others=True)


def take(guest: Guest, *, reserved: Collection[str] = ()) -> Taken:
    """Return what can be taken of what an application brings.

    Args:
        guest: the application.
        reserved: further names of labels that are not for it to set.
    """
    kept, left_out, rules = list[Group](), list[str](), 0
    for number, raw in enumerate(_list(guest.groups)):
        group = _mapping(raw)
        # It is shown in the status, which takes no sign that cannot be printed.
        name = "".join(filter(str.isprintable, _text(group.get("name"))))[:40]
        name = name or f"group {number + 1}"
        found = [_rule(_mapping(each), guest, reserved) for each in _list(group.get("rules"))]
        usable = tuple(each for each in found if each is not None)
        rules += len(usable)
        if len(usable) < len(found) or not found:
            left_out.append(name)
        elif rules > MOST_RULES or len(kept) == MOST_GROUPS:
            left_out.append(f"{name} (too many)")
        else:
            kept.append(Group(name, usable))
    return Taken(guest.application, guest.labels, tuple(kept), tuple(left_out))


def document(taken: Taken, groups: Iterable[Group]) -> str:
    """Return the file with an application's rules; JSON, which is YAML too.

    They are one group, so that the store is asked one thing at a time for each application.
    """
    rules = [dict(rule) for group in groups for rule in group.rules]
    once = [rule for number, rule in enumerate(rules) if rule not in rules[:number]]
    group = {
        "name": taken.application,
        "limit": MOST_ALERTS,
        "params": {"extra_label": [f"{key}={text}" for key, text in sorted(taken.labels.items())]},
        "rules": once,
    }
    return yaml_text.written({"groups": [group]})


def _rule(
    raw: Mapping[str, Any], guest: Guest, reserved: Collection[str]
) -> Mapping[str, Any] | None:
    """Return a rule as it is taken; None if it cannot be."""
    name, expression, period = _text(raw.get("alert")), _text(raw.get("expr")), raw.get("for", "")
    # Whoever asks whether alerts are looked for at all asks for this one.
    if not name or name == alerting.WATCHDOG or not expression:
        return None
    if period and not (isinstance(period, str) and _PERIOD.fullmatch(period)):
        return None
    closed = {*OURS, *reserved}
    labels = {
        key: text
        for key, text in _texts(raw.get("labels"))
        if key not in closed
        and not key.startswith("__")
        and (guest.speaks_for_others or not key.startswith("juju_"))
    }
    rule: dict[str, Any] = {
        "alert": name,
        "expr": _as_here(expression, guest),
        # Without this one, the label of a series would be that of the alert.
        "labels": {**labels, "gate": "", **guest.labels},
        "annotations": dict(_texts(raw.get("annotations"))),
    }
    return {**rule, "for": period} if period else rule


def _as_here(expression: str, guest: Guest) -> str:
    """Return an expression that calls the application what it is called here."""
    text = _TOPOLOGY.sub("", expression)
    for name, called in guest.called.items():
        here = guest.labels.get(name)
        if called and here and called != here:
            pattern = rf'\b({name}\s*=~?\s*)"{re.escape(called)}"'
            text = re.sub(pattern, lambda found, here=here: f'{found[1]}"{here}"', text)
    theirs, ours = guest.called.get("juju_application"), guest.application
    if theirs and theirs != ours:
        pattern = rf'\b(juju_unit\s*=~?\s*"){re.escape(theirs)}/'
        text = re.sub(pattern, lambda found: f"{found[1]}{ours}/", text)
    return text


def _texts(raw: object) -> Iterator[tuple[str, str]]:
    for key, value in itertools.islice(_mapping(raw).items(), MOST_TEXTS):
        text = _text(value)
        if text and _NAME.fullmatch(key):
            yield key, text


def _text(raw: object) -> str:
    return raw if isinstance(raw, str) and len(raw) <= LONGEST else ""


def _mapping(raw: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", raw) if isinstance(raw, dict) else {}


def _list(raw: object) -> list[Any]:
    return cast("list[Any]", raw) if isinstance(raw, list) else []
