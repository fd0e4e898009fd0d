"""Which versions of Kubernetes may stand beside each other, and the way from one to another.

The rules are upstream's version skew policy: control planes within one minor, no kubelet newer
than the oldest control plane it may reach or more than three minors behind the newest, and no
minor ever skipped.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

CONTROL_PLANE = "control-plane"
WORKER = "worker"
KUBELET_LAG = 3
OLD_KUBELET_LAG = 2  # Kubelets before 1.25 were tested against two minors only.
PATTERN = re.compile(r"v?(\d{1,3})\.(\d{1,4})(?:\.\d+)?(?:[-+~].*)?")


class Minor(NamedTuple):
    """A minor release, such as 1.34."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


Fleet = Mapping[tuple[str, Minor], int]
"""How many nodes of each role run each minor. A node on its way counts at both ends."""


@functools.lru_cache(maxsize=1024)
def parse(version: str) -> Minor | None:
    """Return the minor of a version such as ``v1.34.2``; None if it is not one."""
    found = PATTERN.fullmatch(version)
    return Minor(int(found[1]), int(found[2])) if found else None


def route(current: Minor, target: Minor) -> tuple[Minor, ...]:
    """Return every minor to pass on the way up, the target last; nothing when already there."""
    if current.major != target.major:
        return ()
    return tuple(Minor(target.major, n) for n in range(current.minor + 1, target.minor + 1))


def problems(fleet: Iterable[tuple[str, Minor]]) -> list[str]:
    """Return how a set of roles and minors breaks the rules; empty if it does not."""
    pairs = set(fleet)
    planes = sorted(minor for role, minor in pairs if role == CONTROL_PLANE)
    kubelets = sorted(minor for _, minor in pairs)
    if not planes:
        return []
    oldest, newest, found = planes[0], planes[-1], list[str]()
    if newest.major != oldest.major or newest.minor - oldest.minor > 1:
        found.append(f"control planes at {oldest} and {newest} are more than one minor apart")
    if any(role == WORKER and minor > oldest for role, minor in pairs):
        found.append(f"a worker at {kubelets[-1]} is newer than a control plane at {oldest}")
    if newest.minor - kubelets[0].minor > _lag(kubelets[0]):
        found.append(f"a node at {kubelets[0]} is too old for a control plane at {newest}")
    return found


def blocker(fleet: Fleet, role: str, current: Minor, target: Minor) -> str:
    """Return why a node may not move to a minor now; empty if it may.

    What is already wrong elsewhere does not stop a move that makes nothing worse, so that a node
    that fell behind can be brought back.
    """
    if abs(target.minor - current.minor) > 1 or target.major != current.major:
        return f"{current} to {target} skips a minor"
    before = [pair for pair, count in fleet.items() if count]
    rest = [pair for pair in before if pair != (role, current) or fleet[pair] > 1]
    known = set(problems(before))
    during = [*rest, (role, current), (role, target)]
    news = [problem for problem in problems(during) if problem not in known]
    return news[0] if news else ""


def _lag(kubelet: Minor) -> int:
    return OLD_KUBELET_LAG if kubelet < Minor(1, 25) else KUBELET_LAG
