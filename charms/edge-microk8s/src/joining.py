"""What this machine knows of its own way into the cluster, and what it says about it.

Facts beat memory: whether the node is in is read off the machine and the cluster. Only the number
of the attempt that was made is remembered, in a file, because a hook that fails after joining
loses everything it would have told Juju, and a token works once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json

from edgecloud import host as machines
from edgecloud.interfaces import cluster_join

SNAP_DATA = "/var/snap/microk8s/current"
MEMORY = "/var/lib/edge-microk8s/join.json"

VERIFY_S = 300
"""How long a node may take to show up in the cluster after it joined."""


@dataclasses.dataclass(frozen=True)
class Identity:
    """Who this node is, read off the machine."""

    node: str
    """Its name in Kubernetes: the host name in lower case."""
    address: str
    role: str
    ca: str
    """SHA-256 of the certificate of the authority it trusts, which tells clusters apart."""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """The last attempt to join that was made here."""

    number: int = 0
    at: float = 0.0
    error: str = ""


def identify(host: machines.Host, *, address: str, role: str) -> Identity:
    """Return who this node is. Raises OSError if MicroK8s made no certificates yet."""
    remote = f"{SNAP_DATA}/certs/ca.remote.crt"
    worker = role == cluster_join.WORKER and host.exists(remote)
    certificate = host.read(remote if worker else f"{SNAP_DATA}/certs/ca.crt")
    return Identity(
        node=host.read("/etc/hostname").strip().lower(),
        address=address,
        role=role,
        ca=hashlib.sha256(certificate.encode()).hexdigest(),
    )


def last_attempt(host: machines.Host) -> Attempt:
    """Return the last attempt that was made here."""
    try:
        return Attempt(**json.loads(host.read(MEMORY)))
    except (OSError, ValueError, TypeError):
        return Attempt()


def remember(host: machines.Host, attempt: Attempt) -> None:
    """Note an attempt before it is made, and why it failed after it did."""
    host.write(MEMORY, json.dumps(dataclasses.asdict(attempt)), mode=0o600)


def should_join(
    offer: cluster_join.JoinOffer | None,
    last: Attempt,
    record: cluster_join.ClusterRecord,
    now: float,
) -> bool:
    """Return whether the offer is a new one and there is time left to use it."""
    if offer is None or record.admission is None:
        return False
    return offer.attempt > last.number and now < record.admission.until - VERIFY_S


def report(
    identity: Identity,
    *,
    unit: str,
    record: cluster_join.ClusterRecord,
    last: Attempt,
    seen: bool,
    now: float,
) -> cluster_join.NodeReport:
    """Return what this node says about itself.

    Args:
        identity: who it is.
        unit: the unit it belongs to.
        record: what the leader says.
        last: the last attempt made here.
        seen: whether the node is in the datastore (a control plane) and Ready in Kubernetes.
        now: seconds since 1970 UTC.
    """
    inside = record.cluster is not None and identity.ca == record.cluster
    belongs = any(member.unit == unit and member.state == "joined" for member in record.members)
    said = cluster_join.NodeReport(
        node=identity.node,
        address=identity.address,
        role=identity.role,
        ca=identity.ca,
        attempt=last.number or None,
    )
    if inside and (seen or belongs):
        return dataclasses.replace(said, joined=True)
    return dataclasses.replace(said, error=_error(last, now))


def _error(last: Attempt, now: float) -> str | None:
    """Return why the last attempt counts as failed, None while it may still come good."""
    if last.error:
        return last.error
    if last.number and now > last.at + VERIFY_S:
        return "the join ended well, but the node is not in the cluster"
    return None
