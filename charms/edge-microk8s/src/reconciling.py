"""The order of a hook: what is done to this machine, what for the others, and what comes after."""

from __future__ import annotations

import hashlib

import calm
import for_others
import heartbeats
import join_tokens
import node_config
import node_status
import own_node
import patience
import upkeep
import waking
from attempts import Attempts
from edgecloud.interfaces import cluster_join
from knowledge import Knowledge


class Reconciliation:
    """One hook's worth of bringing the machine, and what it says, to where they should be."""

    def __init__(self, known: Knowledge):
        self.known = known
        self.site = for_others.ForOthers(known)
        self._attempts = Attempts()
        self._node = own_node.OwnNode(known, self._attempts)
        self._attempt = self._attempts.make
        self._found: tuple[node_status.Line, int] | None = None
        """The line at the end of :meth:`run`, and how many troubles there were by then."""

    def run(self) -> None:
        """Do all that is to be done now, and see to it that the rest is not forgotten."""
        known = self.known
        if known.component.related or known.joiner.report().wants_way_back:
            self._attempt(self.site.pass_wishes_on)
        if known.is_disturbed:
            self._attempt(self._node.stand_by)
        else:
            self._node.bring_about()
        self.site.keep_books()
        if not known.is_disturbed:
            self._act_for_others()
        if known.is_joined and (known.component.related or known.cos_agent.related):
            self._attempt(self.site.tell_neighbours)
        self._come_to_rest()

    def line(self) -> node_status.Line:
        """Return how the node is, in a line; looks again only if more went wrong since."""
        if self._found is not None and self._found[1] == len(self._attempts.troubles):
            return self._found[0]
        return node_status.judge(self._facts())

    def _act_for_others(self) -> None:
        """Do this member's part for the cluster, then look after what stands around the node."""
        known = self.known
        if known.is_steward and known.is_installed:
            self._attempt(self.site.act_for_all)
        elif known.is_control_plane:
            self._attempt(self.site.retire)
        if known.is_control_plane and known.is_joined and known.is_installed:
            self._attempt(self.site.offer_ways_back)
        fit = not known.blockers and not known.moved
        if known.config is not None and known.is_joined and fit:
            self._attempt(self._node.look_after, known.config)

    # --- what comes after --------------------------------------------------------------------

    def _come_to_rest(self) -> None:
        """Come back soon if something is unfinished; be brief next time if all is well."""
        host, facts = self.known.host, self._facts()
        line = node_status.judge(facts)
        self._found = line, len(self._attempts.troubles)
        looks = self._look(facts, line) if self._is_unfinished(line) else None
        not_before = upkeep.waits_until(host) if self.known.is_steward else None
        if looks is not None or not_before is not None:
            calm.forget(host)
            self._attempt(self._wake_up_later, looks, not_before)
            return
        patience.forget(host)
        if line.status == node_status.ACTIVE:
            self._attempt(self._keep_calm, line)
        else:
            calm.forget(host)

    def _wake_up_later(self, looks: str | None, not_before: float | None) -> None:
        known = self.known
        waking.wake_up_later(known.host, known.unit, looks=looks, not_before=not_before)

    def _keep_calm(self, line: node_status.Line) -> None:
        known = self.known
        if known.view is not None:
            leader = known.juju.is_leader
            seen = heartbeats.Seen(known.view.nodes, known.view.remarks)
            waking.keep_calm(known.host, seen, line, leader=leader)

    def _is_unfinished(self, line: node_status.Line) -> bool:
        """Return whether there is work that no event of Juju's will call this charm for."""
        known, steward = self.known, self.site.steward
        record, now = known.record, known.host.now()
        busy = steward is not None and (steward.busy or for_others.is_waiting(record, now))
        late = line.status in (node_status.WAITING, node_status.MAINTENANCE)
        # Who disturbs this machine tells it when that ends.
        late = late and not known.is_disturbed
        turn = record.turn is not None and (known.is_steward or known.has_turn)
        # Nobody tells the leader of what it published itself.
        return busy or late or turn or self.site.moved_on or join_tokens.has_minted(known.host)

    def _look(self, facts: node_status.Facts, line: node_status.Line) -> str:
        """Return what there is to see of all that this unit waits for."""
        seen = (facts.record, facts.view, line, self.known.is_joined)
        # Who changed something for the cluster looks at once what came of it.
        steward = self.site.steward
        acted = self.known.host.now() if steward is not None and steward.busy else 0
        return hashlib.sha256(repr((seen, acted)).encode()).hexdigest()

    # --- what there is to say ------------------------------------------------------------------

    def _facts(self) -> node_status.Facts:
        known, steward = self.known, self.site.steward
        config, installed = known.config, known.is_installed
        workers_alone = known.role == cluster_join.WORKER and known.joiner.relation is None
        missing = ("missing relation: control-plane",) if workers_alone else ()
        unfit = (self._attempts.unfit,) if self._attempts.unfit else ()
        if config is not None and installed:
            unfit += upkeep.missing_addons(known.host, config, steward=known.is_steward)
        return node_status.Facts(
            unit=known.unit,
            role=known.role,
            blockers=(*known.blockers, *filter(None, [known.moved]), *unfit, *missing),
            installed=installed,
            troubles=tuple(self._attempts.troubles),
            node=known.node,
            record=known.record,
            view=known.view if installed else None,
            holding=steward.holding if steward else "",
            speaks_for_all=known.is_control_plane and known.juju.is_leader,
            notes=self._notes(config) if config is not None and installed else (),
            disturbed=known.is_disturbed,
            launching=upkeep.launch_problem(known.host) if installed else "",
        )

    def _notes(self, config: node_config.NodeConfig) -> tuple[str, ...]:
        """Return what is worth knowing but stops nothing."""
        found = upkeep.notes(self.known.host, config, steward=self.known.is_steward)
        ahead = node_config.track_note(config, self.known.version)
        return (*found, *([ahead] if ahead else []))
