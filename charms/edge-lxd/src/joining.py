"""What this machine does to begin the cluster or to join it, and what it says about itself.

Facts beat memory: whether the machine is in a cluster is asked of its daemon. Only the number of
the attempt that was made is remembered, in a file, because a hook that fails after joining loses
everything it would have told Juju, and a token works once.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence

import membership
import view as views
from edgecloud import host as machines
from edgecloud.host import files
from edgecloud.interfaces import lxd_cluster
from edgecloud.lxd import client, cluster, daemon, errors, server

logger = logging.getLogger(__name__)

STATE = "/var/lib/edge-lxd"
MEMORY = f"{STATE}/join.json"

PORT = 8443

JOIN_S = 180.0


@dataclasses.dataclass(frozen=True)
class Attempt:
    """The last attempt to join that was made here."""

    number: int = 0
    error: str = ""


def last_attempt(host: machines.Host) -> Attempt:
    """Return the last attempt to join that was made on this machine."""
    known = files.read_state(host, MEMORY)
    return Attempt(int(known.get("attempt", 0)), str(known.get("error", "")))


def found(lxd: client.Client, name: str, address: str) -> None:
    """Begin the cluster, with this machine as its first member. Raises errors.LxdError."""
    logger.info("beginning the cluster as %s at %s", name, address)
    server.ensure_config(lxd, {"core.https_address": address})
    cluster.bootstrap(lxd, name)


def try_to_join(
    host: machines.Host,
    peers: lxd_cluster.ClusterPeers,
    address: str,
    member_config: Sequence[Mapping[str, str]],
) -> bool:
    """Use the offer made to this unit, if there is a new one. Return whether an attempt was made.

    Why one failed is remembered, and said to the leader by :func:`report`.
    """
    offer, at = peers.offer(), daemon.find(host)
    if offer is None or at is None or offer.attempt <= last_attempt(host).number:
        return False
    text = peers.token(offer)
    if text is None:
        return False
    # Before the attempt, as power may go in the middle of it.
    _remember(host, Attempt(offer.attempt, "the attempt broke off"))
    logger.info("joining the cluster, attempt %s", offer.attempt)
    try:
        token = cluster.JoinToken.decode(text)
        joining = daemon.Joining(token, address, member_config)
        daemon.join(host, at, joining, timeout_s=JOIN_S)
    except errors.LxdError as e:
        _remember(host, Attempt(offer.attempt, _reason(e)))
    else:
        _remember(host, Attempt(offer.attempt))
    return True


def report(
    host: machines.Host,
    view: views.View | None,
    former: lxd_cluster.MemberReport,
    *,
    unit: str,
    address: str,
    fit: bool,
) -> lxd_cluster.MemberReport:
    """Return what this unit says about its machine.

    Args:
        host: the machine.
        view: how the cluster looks from it.
        former: what it said before; what it did for others stays.
        unit: the name of this unit.
        address: where the others reach it.
        fit: whether the machine has all that a member needs.
    """
    attempt = last_attempt(host)
    return dataclasses.replace(
        former,
        name=membership.member_name(unit),
        address=address,
        ready=fit and view is not None and not view.clustered,
        cluster=_cluster(view, former),
        attempt=attempt.number or None,
        error=attempt.error or None,
    )


def _cluster(view: views.View | None, former: lxd_cluster.MemberReport) -> str | None:
    """Return the cluster that this machine is in; while its daemon is silent, what was known."""
    if view is None:
        return former.cluster
    return view.fingerprint if view.clustered else None


def _remember(host: machines.Host, attempt: Attempt) -> None:
    files.write_state(host, MEMORY, {"attempt": attempt.number, "error": attempt.error})


def _reason(error: errors.LxdError) -> str:
    """Return why joining failed, in one line, without what may hold a token."""
    if isinstance(error, errors.TokenExpiredError):
        return "the token has expired"
    if isinstance(error, errors.TokenUsedError):
        return "the token was used or withdrawn"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
