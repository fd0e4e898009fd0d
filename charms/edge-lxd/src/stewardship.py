"""What the steward does for the cluster: make way for new members, see off those that left.

Nothing here removes a member that does not answer: whether a machine is gone for good only an
operator can know, and says so with the action ``remove-member``.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging

import membership
from edgecloud import host as machines
from edgecloud.interfaces import lxd_cluster
from edgecloud.lxd import client, cluster
from view import View

logger = logging.getLogger(__name__)

RENEW_S = 600
"""An offer whose token lasts no longer than this gets another one."""

GRACE_S = 600
"""How long a unit that was removed may take to leave by itself."""


@dataclasses.dataclass
class Steward:
    """One hook's worth of acting for the cluster."""

    host: machines.Host
    peers: lxd_cluster.ClusterPeers
    lxd: client.Client
    view: View
    holding: str = ""
    """Why something on the record has to wait."""
    busy: bool = False
    """Whether there is something to look at again soon."""

    def act(self, *, settled: bool) -> None:
        """Keep the offers, see off who left, and publish both. Raises errors.LxdError.

        Args:
            settled: whether the cluster has all that who joins takes over.
        """
        record, mine = self.peers.record(), self.peers.report()
        self.busy = record.admission is not None
        absent = tuple(sorted(m.unit for m in self._see_off(record)))
        offers = self._keep_offers(record, mine, settled=settled)
        self.peers.publish(
            dataclasses.replace(mine, absent=absent, offers=offers, holding=self.holding or None)
        )

    def _see_off(self, record: lxd_cluster.ClusterRecord) -> list[lxd_cluster.Member]:
        """Return the leaving members that the cluster has no more; help the others out."""
        absent: list[lxd_cluster.Member] = []
        for member in membership.leaving(record):
            if self.view.member(member.name) is None:
                absent.append(member)
            elif not self.view.is_online(member.name):
                self.holding = (
                    f"{member.name} does not answer: if its machine is gone for good, run"
                    f" remove-member member={member.name}"
                )
            elif self.host.now() < member.since + GRACE_S:
                self.holding, self.busy = f"{member.name} is leaving by itself", True
            else:
                # Its unit went without it, as remove-unit --force has it.
                cluster.ensure_evacuated(self.lxd, member.name)
                cluster.remove(self.lxd, member.name)
        return absent

    def _keep_offers(
        self,
        record: lxd_cluster.ClusterRecord,
        mine: lxd_cluster.MemberReport,
        *,
        settled: bool,
    ) -> tuple[lxd_cluster.JoinOffer, ...]:
        """Withdraw offers that are answered or late, renew or make the one that is due."""
        admission = record.admission
        kept: list[lxd_cluster.JoinOffer] = []
        for offer in mine.offers:
            if admission and (offer.unit, offer.attempt) == (admission.unit, admission.attempt):
                self._renew(offer)
                kept.append(offer)
            else:
                withdraw(self.peers, self.lxd, offer)
        if admission is not None and not kept and settled:
            kept = self._make(admission)
        return tuple(sorted(kept))

    def _make(self, admission: lxd_cluster.Admission) -> list[lxd_cluster.JoinOffer]:
        name = membership.member_name(admission.unit)
        if self.view.member(name) is not None:
            return []  # It has joined, and will say so.
        cluster.revoke(self.lxd, name)
        token = cluster.mint(self.lxd, name)
        offer = self.peers.make_offer(
            admission.unit, admission.attempt, token.encode(), _expiry(token, admission.until)
        )
        if offer is None:
            cluster.revoke(self.lxd, name)
        return [offer] if offer else []

    def _renew(self, offer: lxd_cluster.JoinOffer) -> None:
        """Put a new token in the place of one that expires soon, and is not used yet."""
        text = self.peers.offered(offer)
        if text is None or self.view.member(membership.member_name(offer.unit)) is not None:
            return
        token = cluster.JoinToken.decode(text)
        if _moment(token.expires_at) - self.host.now() > RENEW_S:
            return
        logger.info("renewing the offer to %s, whose token expires soon", offer.unit)
        cluster.revoke(self.lxd, token.server_name)
        fresh = cluster.mint(self.lxd, token.server_name)
        self.peers.renew(offer, fresh.encode(), _expiry(fresh, self.host.now() + RENEW_S))


def retire(peers: lxd_cluster.ClusterPeers, lxd: client.Client | None) -> None:
    """Take back what this unit offered when it was the steward."""
    mine = peers.report()
    for offer in mine.offers:
        withdraw(peers, lxd, offer)
    if mine.offers or mine.absent or mine.holding:
        peers.publish(dataclasses.replace(mine, offers=(), absent=(), holding=None))


def withdraw(
    peers: lxd_cluster.ClusterPeers, lxd: client.Client | None, offer: lxd_cluster.JoinOffer
) -> None:
    """Take an offer back: its secret, and its token if it was not used."""
    peers.withdraw(offer)
    if lxd is not None:
        cluster.revoke(lxd, membership.member_name(offer.unit))


def _expiry(token: cluster.JoinToken, until: float) -> datetime.datetime:
    """Return when the secret of a token has no use any more."""
    moment = max(_moment(token.expires_at), until)
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)


def _moment(text: str) -> float:
    """Return a time as LXD writes it in seconds since 1970; for ever if there is none."""
    if not text or text.startswith("0001"):
        return 4_102_444_800.0
    whole = text.partition(".")[0].removesuffix("Z") + "+00:00"
    return datetime.datetime.fromisoformat(whole).timestamp()
