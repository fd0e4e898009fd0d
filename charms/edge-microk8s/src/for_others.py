"""What a unit does for the others: the leader's books, the steward's work, ways back, neighbours.

Only a control plane does any of it but the last.
"""

from __future__ import annotations

import dataclasses

import joining
import membership
import stewardship
import ways_back
from edgecloud.interfaces import cluster_join
from knowledge import Knowledge

EVIDENCE = 50
"""How many departures a unit remembers; the leader needs each for a few hooks only."""


class ForOthers:
    """This unit's part for the site, in one hook."""

    def __init__(self, known: Knowledge):
        self._known = known
        self._host = known.host
        self._members = known.members
        self.steward: stewardship.Steward | None = None
        """Set once this unit acted as the steward."""
        self.moved_on = False
        """Whether the leader's books changed, of which nobody tells the leader."""

    def pass_wishes_on(self) -> None:
        """Tell the other units what the agent on this machine needs; keep its way back."""
        known = self._known
        wanted = known.wants_way_back
        joining.say_wishes(known.joiner, way_back=wanted, busy=known.is_disturbed)
        ways_back.ensure_file(self._host, known.joiner, wanted=wanted)

    def keep_books(self, *, rotate: bool = False) -> None:
        """As the leader, decide who belongs to the cluster and who may join next."""
        known = self._known
        if not (known.is_control_plane and known.juju.is_leader and known.joiner.relation):
            return  # Without the relation, as in install, there is no book to write in yet.
        record = membership.plan(
            known.record,
            reports=self._members.reports(),
            acts=self._members.member_reports(),
            leader=known.unit,
            now=self._host.now(),
        )
        wanted = known.config.encrypt_secrets if known.config is not None else None
        if wanted or record.encryption is not None:
            import key_keeping  # Only sites that encrypt pay for it.

            record = key_keeping.plan(self._members, record, wanted=wanted, rotate=rotate)
        self.moved_on = self._members.publish(record)
        known.forget_record()

    def act_for_all(self) -> None:
        """As the steward, act for the cluster."""
        known = self._known
        self.steward = stewardship.Steward(self._host, self._members, known.address)
        if self.steward.act(known.config, known.view):
            known.forget_cluster()

    def retire(self) -> None:
        """Take back what this unit offered when it was the steward."""
        stewardship.retire(self._host, self._members)

    def offer_ways_back(self) -> None:
        """Lend those a token that may need one to come back."""
        ways_back.keep(self._host, self._members, self._known.address)

    def note_departure(self, unit: str) -> None:
        """Remember that a unit left: only what was seen counts as evidence."""
        if not self._known.is_control_plane:
            return
        mine = self._members.my_acts()
        earlier = [name for name in mine.departed if name != unit]
        departed = (*earlier, unit)[-EVIDENCE:]
        self._members.publish_acts(dataclasses.replace(mine, departed=departed))

    def tell_neighbours(self) -> None:
        """Tell the charms beside this one what runs here, and where its metrics are."""
        import neighbours  # Not every machine has any.

        known, config = self._known, self._known.config
        component = neighbours.component(
            self._host,
            known.component.published(),
            config=config,
            view=known.view,
            role=known.role,
            domain=known.domain(config).name if config else "",
            address=known.address,
        )
        known.component.publish(component)
        if config is not None and known.view is not None and known.cos_agent.related:
            token = known.joiner.metrics_token() if config.is_worker else None
            jobs = neighbours.scrape_jobs(self._host, config, token=token)
            known.cos_agent.publish(jobs=jobs, alert_rules={}, dashboards=())


def is_waiting(record: cluster_join.ClusterRecord, now: float) -> bool:
    """Return whether somebody is on the way in or out, which a steward keeps an eye on."""
    # A refusal without a date waits for the operator, whose change is an event of its own.
    timed = any(refusal.not_before > now for refusal in record.refusals)
    return record.admission is not None or timed or bool(membership.leaving(record))
