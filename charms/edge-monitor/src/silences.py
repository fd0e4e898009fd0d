"""Decide which alerts nobody is told of while nodes are upgraded. Pure.

A silence is for one node, and for what its disturbance is bound to cause. It ends soon by
itself, unless the controller says anew that the node is still disturbed. What others silenced
stays theirs. Gates do not go by it: they ask the store which alerts fire.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgecloud.interfaces.health_gate import Disturbance

CREATOR = "edge-upgrade-controller"
"""By this name we know our own among the silences."""

EXCUSED = (
    "HoldMissing",
    "KubeletDown",
    "NodeFlapping",
    "NodeLeftCordoned",
    "NodeNotReady",
    "NodeSilent",
    "TargetDown",
)
"""What an upgrade of a node causes by itself: it goes away, comes back, and lets a hold go.

Not among them: whatever tells that the upgrade went wrong, and all that endangers a node anyway.
"""

LONGEST_S = 1800
"""No silence ends later than so long after now, whatever a controller says."""

_ALERTS = "|".join(EXCUSED)
_PERIOD = re.compile(r"\.\d+")


@dataclass(frozen=True)
class Silence:
    """A silence of ours, wanted or there already."""

    node: str
    ends: int
    comment: str
    id: str = ""
    """Alertmanager's; empty for one that is not there yet."""
    starts: str = ""
    """As Alertmanager wrote it: with another beginning, one that is renewed would be another."""


@dataclass(frozen=True)
class Changes:
    """What to do in Alertmanager."""

    post: tuple[Silence, ...] = ()
    expire: tuple[str, ...] = ()


def wanted(disturbed: Iterable[Disturbance], now: int) -> dict[str, Silence]:
    """Return the silence of each node that is disturbed; none for what is over or has no name."""
    found = dict[str, Silence]()
    for each in sorted(disturbed, key=lambda one: one.until):
        ends = min(each.until, now + LONGEST_S)
        if each.node and ends > now:
            found[each.node] = Silence(each.node, ends, _comment(each))
    return found


def decide(wishes: Mapping[str, Silence], known: Iterable[Silence]) -> Changes:
    """Return how the silences that are there become those that are wanted."""
    post, expire, kept = list[Silence](), list[str](), dict[str, Silence]()
    for each in sorted(known, key=lambda one: (one.ends, one.id), reverse=True):
        if each.node in wishes and each.node not in kept:
            kept[each.node] = each
        else:
            expire.append(each.id)
    for node, wish in sorted(wishes.items()):
        there = kept.get(node)
        if there is None:
            post.append(wish)
        elif (there.ends, there.comment) != (wish.ends, wish.comment):
            post.append(Silence(node, wish.ends, wish.comment, there.id, there.starts))
    return Changes(tuple(post), tuple(sorted(expire)))


def body(silence: Silence, now: int) -> dict[str, Any]:
    """Return a silence as Alertmanager takes it: of these alerts, on this very node."""
    return {
        **({"id": silence.id} if silence.id else {}),
        "matchers": _matchers(silence.node),
        "startsAt": silence.starts or _written(now),
        "endsAt": _written(silence.ends),
        "createdBy": CREATOR,
        "comment": silence.comment,
    }


def read(document: Any) -> list[Silence]:
    """Return our own silences that are not over, of those that Alertmanager lists.

    One of ours that somebody changed has no node here, so it is not wanted, and ends.

    Raises:
        KeyError: the list is not one, and so are ``TypeError`` and ``ValueError``.
    """
    return [
        Silence(_node(each), _read(each["endsAt"]), each["comment"], each["id"], each["startsAt"])
        for each in document
        if each["createdBy"] == CREATOR and each["status"]["state"] != "expired"
    ]


def _comment(disturbance: Disturbance) -> str:
    step = f", step {disturbance.part}" if disturbance.part else ""
    plan = f"plan {disturbance.plan}{step}" if disturbance.plan else "a plan"
    return f"{plan} disturbs {disturbance.node}"


def _matchers(node: str) -> list[dict[str, Any]]:
    return [
        {"name": "alertname", "value": _ALERTS, "isRegex": True, "isEqual": True},
        {"name": "node", "value": node, "isRegex": False, "isEqual": True},
    ]


def _node(document: Mapping[str, Any]) -> str:
    """Return the node of a silence if it is just as we make them; else an empty text."""
    said = {each["name"]: each for each in document["matchers"]}
    node = str(said.get("node", {}).get("value", ""))
    # Versions before 0.22 know no other than equal, and say nothing of it.
    plain = [{"isEqual": True, **each} for each in document["matchers"]]
    expected = _matchers(node)
    same = sorted(plain, key=_by_name) == expected
    return node if same else ""


def _by_name(matcher: Mapping[str, Any]) -> str:
    return str(matcher["name"])


def _written(at: int) -> str:
    return f"{datetime.datetime.fromtimestamp(at, datetime.timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def _read(text: str) -> int:
    plain = _PERIOD.sub("", text).replace("Z", "+00:00")
    return int(datetime.datetime.fromisoformat(plain).timestamp())
