"""Decide which hosted node a plan's wish replaces next, and what new nodes are made of. Pure.

A plan never leaves a site with fewer nodes: one is replaced at a time, each beside the old one, by
the same steps as when an operator asks for it. The first that does not come good ends it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from edgecloud.lxd_member.renewal import Answer, Wish

PATIENCE_S = 1800
"""How long the pool may be seen not to be whole before the next node is replaced."""


@dataclasses.dataclass(frozen=True)
class Release:
    """Which MicroK8s a new node gets."""

    channel: str
    revision: str = ""
    """The exact build; what the channel holds if empty."""


@dataclasses.dataclass(frozen=True)
class Build:
    """Which MicroK8s runs in a node."""

    version: str
    revision: str


@dataclasses.dataclass(frozen=True)
class View:
    """How the pool is now."""

    builds: Mapping[str, Build] = dataclasses.field(default_factory=dict[str, Build])
    """Of each node; only looked at while nothing is under way."""
    replacing: bool = False
    waits_for: str = ""
    """What keeps the pool from being whole, or from being touched."""


def release(channel: str, said: Answer, *, live: bool) -> Release:
    """Return what new nodes get: what the operator says, unless a plan has come further.

    Args:
        channel: as the option says.
        said: how far the last wish of a plan is.
        live: whether that wish holds now.
    """
    wanted = said.wish
    if wanted.version and (live or minor(channel) < minor(wanted.version)):
        return Release(wanted.channel, wanted.revision)
    return Release(channel)


def take_up(said: Answer, wish: Wish) -> Answer:
    """Return the answer to a wish, which is another one than before or not."""
    if said.wish == wish:
        return said
    return dataclasses.replace(said, wish=wish, since=0.0, failed="", replaced=())


def step(said: Answer, view: View, now: float) -> tuple[Answer, str]:
    """Return the answer as it is now, and the node to replace next; empty if none."""
    if said.failed:
        return said, ""
    if view.waits_for and not view.replacing:
        # From when that is first seen: who was without power or Juju meanwhile is not late by it.
        said = dataclasses.replace(said, since=said.since or now)
        late = now >= said.since + PATIENCE_S
        return (failed(said, view.waits_for) if late else said), ""
    said = dataclasses.replace(said, since=0.0)
    if view.replacing:
        return said, ""
    left = [name for name, build in sorted(view.builds.items()) if not runs(build, said.wish)]
    if left:
        return said, left[0]
    return dataclasses.replace(said, reached=said.wish.target), ""


def failed(said: Answer, reason: str) -> Answer:
    """Return the answer once a node did not come good: nothing more is tried for this wish.

    Those that were replaced before it stay what they are, so they are named.
    """
    new = f"{', '.join(said.replaced)} new by now; " if said.replaced else ""
    return dataclasses.replace(said, failed=f"{new}{reason}")


def replaced(said: Answer, name: str) -> Answer:
    """Return the answer once a new node took an old one's place; told twice, it is one."""
    return dataclasses.replace(said, replaced=tuple(dict.fromkeys((*said.replaced, name))))


def runs(build: Build, wish: Wish) -> bool:
    """Return whether a node is what was wished for."""
    is_minor = minor(build.version) == minor(wish.version)
    return is_minor and wish.revision in ("", build.revision)


def note(channel: str, said: Answer) -> str:
    """Return what the status says once a plan has come further than the option."""
    wanted = said.wish
    if said.reached != wanted.target or minor(channel) >= minor(wanted.version):
        return ""
    return f"a plan brought its nodes to {wanted.version}: set node-channel={wanted.channel}"


def minor(text: str) -> tuple[int, ...]:
    """Return what a version or a channel begins with, such as (1, 36)."""
    return tuple(int(number) for number in re.findall("[0-9]+", text)[:2])
