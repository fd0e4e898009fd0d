"""What this machine knows of its own way into the cluster, and what it says about it.

Facts beat memory: whether the node is in is read off the machine and the cluster. Only the number
of the attempt that was made is remembered, in a file, because a hook that fails after joining
loses everything it would have told Juju, and a token works once.
"""

from __future__ import annotations

import dataclasses
import logging

import cluster_view
import microk8s
from cluster_view import ClusterView
from edgecloud import host as machines
from edgecloud.host import files, kubectl
from edgecloud.interfaces import cluster_join

logger = logging.getLogger(__name__)

MEMORY = f"{microk8s.STATE}/join.json"

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
    version: str | None = None
    """Which Kubernetes is installed."""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """The last attempt to join that was made here."""

    number: int = 0
    at: float = 0.0
    error: str = ""


def try_to_join(host: machines.Host, end: cluster_join.JoinerEnd, role: str) -> bool:
    """Use the offer made to this unit, if there is a new one. Return whether an attempt was made.

    After one, nothing that was seen of the cluster before holds any more.
    """
    record, offer = end.record(), end.offer()
    if offer is None or not should_join(offer, last_attempt(host), record, host.now()):
        return False
    url = end.url(offer)
    if url is None:
        return False
    _join(host, url, offer.attempt, role)
    return True


def say(
    host: machines.Host,
    end: cluster_join.JoinerEnd,
    view: ClusterView | None,
    *,
    unit: str,
    address: str,
    role: str,
    wants_turn: bool,
) -> None:
    """Publish who this node is, and whether it is in the cluster as seen now."""
    identity = identify(host, address=address, role=role)
    # Whoever joins while its own launch configuration is being applied has it applied on top.
    if identity is None or not microk8s.is_launched(host):
        return
    said = report(
        identity,
        unit=unit,
        record=end.record(),
        last=last_attempt(host),
        seen=is_seen(view, identity),
        wants_turn=wants_turn,
        now=host.now(),
    )
    before = end.report()
    end.publish(dataclasses.replace(said, wants_way_back=before.wants_way_back, busy=before.busy))


def say_wishes(end: cluster_join.JoinerEnd, *, way_back: bool, busy: bool) -> None:
    """Pass on what the agent on this machine needs of the others; the rest stays as it was said.

    Who is being disturbed restarts nothing, and gives its turn back.
    """
    said = end.report()
    wants_turn = None if busy else said.wants_turn
    end.publish(
        dataclasses.replace(
            said, wants_way_back=way_back or None, busy=busy or None, wants_turn=wants_turn
        )
    )


def look(host: machines.Host) -> ClusterView | None:
    """Return the cluster as this node sees it, None if it does not answer."""
    try:
        return cluster_view.look(host)
    except (microk8s.MicroK8sError, kubectl.KubectlError) as e:
        logger.info("the cluster does not answer: %s", e)
        return None


def is_seen(view: ClusterView | None, identity: Identity) -> bool:
    """Return whether a node is Ready and, for a control plane, in the datastore."""
    if view is None or not view.is_ready(identity.node):
        return False
    worker = identity.role == cluster_join.WORKER
    return worker or view.member(identity.address) is not None


def _join(host: machines.Host, url: str, number: int, role: str) -> None:
    """Make an attempt. That it ends well says little: the facts are looked at after."""
    attempt = Attempt(number, host.now())
    remember(host, attempt)
    try:
        microk8s.join(host, url, worker=role == cluster_join.WORKER)
    except microk8s.MicroK8sError as e:
        microk8s.clear_stale_join(host)
        remember(host, dataclasses.replace(attempt, error=str(e)))


def identify(host: machines.Host, *, address: str, role: str) -> Identity | None:
    """Return who this node is; None if MicroK8s made no certificates yet."""
    authority = microk8s.authority(host)
    if authority is None:
        return None
    version = microk8s.installed_version(host)
    return Identity(microk8s.node_name(host), address, role, authority, version)


def last_attempt(host: machines.Host) -> Attempt:
    """Return the last attempt that was made here."""
    known = files.read_state(host, MEMORY)
    return Attempt(
        int(known.get("number", 0)), float(known.get("at", 0)), str(known.get("error", ""))
    )


def remember(host: machines.Host, attempt: Attempt) -> None:
    """Note an attempt before it is made, and why it failed after it did."""
    files.write_state(host, MEMORY, dataclasses.asdict(attempt))


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
    wants_turn: bool = False,
    now: float,
) -> cluster_join.NodeReport:
    """Return what this node says about itself.

    Args:
        identity: who it is.
        unit: the unit it belongs to.
        record: what the leader says.
        last: the last attempt made here.
        seen: whether the node is in the datastore (a control plane) and Ready in Kubernetes.
        wants_turn: whether it has to restart something.
        now: seconds since 1970 UTC.
    """
    inside = record.cluster is not None and identity.ca == record.cluster
    belongs = any(member.unit == unit and member.state == "joined" for member in record.members)
    said = cluster_join.NodeReport(
        node=identity.node,
        address=identity.address,
        role=identity.role,
        ca=identity.ca,
        version=identity.version,
        attempt=last.number or None,
        wants_turn=wants_turn or None,
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
