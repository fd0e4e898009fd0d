"""What units say to each other over ``cluster_join``: every databag as a data class.

Every field is optional on the wire; fields are added, never re-typed or reused (ADR 0004).
"""

from __future__ import annotations

import dataclasses

from edgecloud.books import Admission, JoinOffer, Refusal
from edgecloud.interfaces import handouts

CONTROL_PLANE = "control-plane"
WORKER = "worker"


@dataclasses.dataclass(frozen=True)
class NodeReport:
    """Unit databag: what a node says about itself."""

    node: str | None = None
    """Its name in Kubernetes. Absent until the machine is ready to join."""
    address: str | None = None
    """The address at which the other nodes reach it."""
    role: str | None = None
    ca: str | None = None
    """SHA-256 of the cluster authority's certificate, which tells clusters apart."""
    joined: bool | None = None
    """True once this node saw itself in the datastore and Ready in Kubernetes."""
    attempt: int | None = None
    """The number of the last offer it answered."""
    error: str | None = None
    """Why that attempt failed."""
    wants_turn: bool | None = None
    """Whether it has to restart something, which only one node of the cluster does at a time."""
    wants_way_back: bool | None = None
    """Whether others shall make an offer to join again, for an upgrade that is at hand."""
    busy: bool | None = None
    """Whether its agent is disturbing it: nobody else restarts or joins meanwhile."""
    leaving: bool | None = None
    """Whether it asks to be drained and taken out. Its machine stays until that is done."""
    hosted: tuple[HostedNode, ...] = ()
    """The nodes that this unit brings in on their behalf."""
    version: str | None = None
    """Which Kubernetes is installed on it, such as ``1.35.2``."""


@dataclasses.dataclass(frozen=True)
class HostedNode:
    """A node for which a unit speaks."""

    name: str = ""
    """Its name within the unit, without a colon."""
    report: NodeReport = dataclasses.field(default_factory=NodeReport)
    """What it says about itself; a node of this kind hosts no others."""


@dataclasses.dataclass(frozen=True)
class MemberReport:
    """Unit databag of a member: what it did for the cluster."""

    departed: tuple[str, ...] = ()
    """Units that it saw depart: the only evidence on which a member is taken out. A unit that
    merely is not in sight may just not have been met yet by a new leader."""
    offers: tuple[JoinOffer, ...] = ()
    gone: tuple[str, ...] = ()
    """Units whose nodes are out of Kubernetes and out of the datastore."""
    holding: str | None = None
    """Why it does not act on the record now."""
    encryption: str | None = None
    """The state of encryption at rest that its API server runs with."""
    rewritten: str | None = None
    """The state with which it, as steward, wrote every Kubernetes secret anew."""
    metrics: str | None = None
    """Id of the Juju secret with the token for reading metrics, for workers."""
    addons: str | None = None
    """What the steward knows of add-ons, for the next steward to go on with."""
    ways_back: tuple[handouts.Handout, ...] = ()
    """Offers to join again that it made for control planes that are about to be upgraded."""
    accesses: tuple[handouts.Handout, ...] = ()
    """Tokens that it made, as steward, for workers to drain their own node with."""


@dataclasses.dataclass(frozen=True, order=True)
class Turn:
    """Leave for one unit to restart what it has to, while nobody joins."""

    unit: str = ""
    until: float = 0.0


@dataclasses.dataclass(frozen=True, order=True)
class Member:
    """A node that belongs to the cluster, is joining it, or is on its way out."""

    unit: str = ""
    node: str = ""
    address: str = ""
    role: str = ""
    state: str = ""
    since: float = 0.0


@dataclasses.dataclass(frozen=True)
class ClusterRecord:
    """Application databag: the one truth about who belongs to the cluster."""

    cluster: str | None = None
    """SHA-256 of the certificate of the cluster's authority."""
    steward: str | None = None
    admission: Admission | None = None
    turn: Turn | None = None
    late: tuple[Turn, ...] = ()
    """Units that were not ready again in their turn, and until when others go first."""
    members: tuple[Member, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    endpoints: tuple[str, ...] = ()
    """``address:port`` of the Kubernetes API on every control-plane member."""
    encryption: str | None = None
    """Id of the Juju secret with the keys of encryption at rest, for control planes."""
    generation: int = 0
    """How often those keys changed."""
    rotation_due: bool | None = None
    """Whether a new key is to follow once the change of keys that is under way is done."""
    addons: str | None = None
    """What the last steward knew of add-ons."""


def hosted_name(unit: str, name: str) -> str:
    """Return what the record calls a node that a unit hosts: ``edge-lxd/0:1a``."""
    return f"{unit}:{name}"


def owner(unit: str) -> str:
    """Return the unit of Juju's that speaks for what the record calls a unit."""
    return unit.partition(":")[0]
