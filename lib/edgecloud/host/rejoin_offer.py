"""The offer to join its cluster again that lies on a voter's disk while it is being upgraded.

The charm that keeps the cluster writes it; the node's agent reads it when nothing else leads back.
It is as secret as the token in it, so only root may read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgecloud import host
from edgecloud.host import files

PATH = "/var/lib/edge-agent/rejoin.json"
RETREAT = "/var/lib/edge-agent/retreat.json"
"""What the agent remembers of its way, from before it leaves until after it joined again."""


@dataclass(frozen=True)
class Offer:
    """Where this node may join again, and until when."""

    urls: tuple[str, ...] = ()
    """Each ``ADDRESS:PORT/TOKEN/FINGERPRINT``, of a control plane other than this node."""
    expires: float = 0.0
    """In seconds since 1970 UTC; the first of them to end counts."""


def read(machine: host.Host) -> Offer:
    """Return the offer that was left on this machine; an empty one if there is none."""
    document: dict[str, Any] = files.read_state(machine, PATH)
    return Offer(tuple(document.get("urls", ())), float(document.get("expires", 0)))


def write(machine: host.Host, given: Offer) -> bool:
    """Leave an offer that only root may read, or none. Return whether anything changed."""
    document = {"urls": list(given.urls), "expires": given.expires}
    return files.write_state(machine, PATH, document if given.urls else {})


def is_under_way(machine: host.Host) -> bool:
    """Return whether this node is somewhere between leaving and having joined again."""
    return bool(files.read_state(machine, RETREAT))
