"""What a site consists of when a plan is accepted: its nodes, their roles, places and versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgecloud.rollout import schema, skew


@dataclass(frozen=True)
class Member:
    """A machine of the site, as far as a rollout needs to know it."""

    name: str
    role: str = skew.WORKER
    voter: bool = False
    domain: str = ""
    """What fails together with it; nothing else if empty."""
    arch: str = "arm64"
    version: str = ""
    """The version of Kubernetes that it runs; empty if it runs none."""
    lxd: bool = False
    coordinator: bool = False
    """Whether the upgrade controller itself lives here."""
    duration_s: int = 0
    """How long an upgrade takes here (95th percentile); 0 if nobody measured."""
    labels: tuple[tuple[str, str], ...] = ()
    hosted: tuple[str, ...] = ()
    """The version of Kubernetes of each node that it hosts in LXD and that has no agent."""

    @property
    def minor(self) -> skew.Minor | None:
        """The minor of Kubernetes that it runs."""
        return skew.parse(self.version)

    @property
    def hosted_minors(self) -> tuple[skew.Minor, ...]:
        """The minors of the nodes that it hosts, the oldest first."""
        return tuple(sorted(filter(None, map(skew.parse, self.hosted))))


Inventory = Mapping[str, Member]


def freeze(members: Iterable[Member]) -> Inventory:
    """Return the members by name, in the order of their names."""
    return {member.name: member for member in sorted(members, key=lambda each: each.name)}


def write(members: Inventory) -> list[dict[str, Any]]:
    """Return an inventory as JSON knows it; what is at its default is left out."""
    blank = asdict(Member(""))
    return [
        {key: value for key, value in asdict(member).items() if value != blank[key]}
        for member in members.values()
    ]


def read(document: Iterable[Mapping[str, Any]]) -> Inventory:
    """Return the inventory that :func:`write` wrote."""
    entries: list[dict[str, Any]] = [dict(entry) for entry in document]
    for entry in entries:
        entry["labels"] = tuple((key, value) for key, value in entry.get("labels", ()))
        entry["hosted"] = tuple(entry.get("hosted", ()))
    return freeze(Member(**entry) for entry in entries)


def digest(members: Inventory) -> str:
    """Return a digest that changes with anything a rehearsal depends on."""
    text = json.dumps(write(members), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def matches(member: Member, wanted: schema.Pairs) -> bool:
    """Return whether a member has every one of these labels."""
    return set(wanted) <= set(member.labels)
