"""The way back of a voter whose Kubernetes is about to be upgraded: offers to join again.

Two other control planes, if there are two, each lend it a token for a day and leave the join
address in a Juju secret that only its unit may read; the unit writes them into the agent's file.
Neither Juju's controller nor an uplink is needed when it comes to using one.
"""

from __future__ import annotations

import dataclasses
import logging

import join_tokens
import membership
from edgecloud import host as machines
from edgecloud.host import rejoin_offer
from edgecloud.interfaces import cluster_join, handouts

logger = logging.getLogger(__name__)

LIFETIME_S = 86400
"""How long an offer is good: a night's window, with what was fetched before and the soak after."""

RENEW_S = LIFETIME_S // 2
"""What is left of an offer when another takes its place. So whoever sets out has this long."""

WHAT = "way-back"

_MOST = 2
"""So many others make an offer: one may be away when it comes to it."""


def guarantors(record: cluster_join.ClusterRecord, unit: str) -> tuple[str, ...]:
    """Return who makes offers to a unit: the next control planes after it, in turn."""
    planes = sorted(
        (m.unit for m in membership.joined(record) if m.role == cluster_join.CONTROL_PLANE),
        key=lambda name: int(name.partition("/")[2]),
    )
    if unit not in planes:
        return ()
    at = planes.index(unit)
    return tuple((planes[at + 1 :] + planes[:at])[:_MOST])


def keep(host: machines.Host, members: cluster_join.MemberEnd, address: str) -> None:
    """As one of the others, make the offers that are due, and take back what is not wished for.

    Raises microk8s.MicroK8sError.
    """
    mine = members.my_acts()
    if not mine.ways_back and not members.wishing():
        join_tokens.take_back(host, but=())
        return
    record = members.record()
    wishing = [u for u in members.wishing() if members.unit in guarantors(record, u)]
    kept = {each.unit: each for each in mine.ways_back if each.unit in wishing}
    for handout in mine.ways_back:
        if handout.unit not in kept:
            members.take_back(handout, what=WHAT)
    join_tokens.take_back(host, but=wishing)
    _publish(members, kept)
    for unit in wishing:
        if not _is_fresh(host, kept.get(unit)):
            url, until = join_tokens.lend(host, address, unit=unit, lifetime_s=LIFETIME_S)
            handout = members.hand_out(unit, {"url": url}, what=WHAT, until=until)
            if handout is None:
                join_tokens.revoke(host, url)
                continue
            kept[unit] = handout
            # An offer that was made must be known before anything else can fail.
            _publish(members, kept)


def ensure_file(host: machines.Host, end: cluster_join.JoinerEnd, *, wanted: bool) -> None:
    """As the unit that wishes, keep the agent's file.

    What cannot be read just now stays as it is on the disk; what was withdrawn goes.
    """
    now = host.now()
    present = [each for each in end.ways_back() if each.until > now] if wanted else []
    found = [(each, (end.read(each.secret) or {}).get("url")) for each in present]
    read = [(each.until, url) for each, url in found if url]
    if read:
        urls = tuple(url for _, url in read)
        rejoin_offer.write(host, rejoin_offer.Offer(urls, min(until for until, _ in read)))
    elif not present:
        rejoin_offer.write(host, rejoin_offer.Offer())


def _publish(members: cluster_join.MemberEnd, kept: dict[str, handouts.Handout]) -> None:
    acts, ways_back = members.my_acts(), tuple(sorted(kept.values()))
    if acts.ways_back != ways_back:
        members.publish_acts(dataclasses.replace(acts, ways_back=ways_back))


def _is_fresh(host: machines.Host, handout: handouts.Handout | None) -> bool:
    if handout is None or handout.until - host.now() <= RENEW_S:
        return False
    return join_tokens.is_good(host, handout.unit, handout.until)
