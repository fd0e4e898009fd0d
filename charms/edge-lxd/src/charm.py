#!/usr/bin/env python3
"""Make this machine a member of the site's LXD cluster, and keep it one."""

from __future__ import annotations

import dataclasses
import logging
import pathlib

import ops

import departure
import hosting
import installing
import lxd_config
import lxd_status
import membership
import metrics
import pool_care
import pools
import upkeep
import view as views
from edgecloud import host as machines
from edgecloud.host import systemd
from edgecloud.interfaces import cluster_join, cos_agent, edge_component, lxd_cluster
from sight import Sight
from work import EXPECTED, Work

logger = logging.getLogger(__name__)

CLUSTER = "cluster"
COMPONENT = "component"
COS_AGENT = "cos-agent"
CONTROL_PLANE = "control-plane"

OWN_ACTIONS = (
    "backup",
    "begin-anew",
    "cluster-status",
    "evacuate",
    "get-cloud",
    "import-image",
    "preflight",
    "recover-disk",
    "recover-quorum",
    "remove-member",
    "restore",
    "restore-node",
    "snapshot-node",
)

TOLD = (
    "evacuate",
    "import-image",
    "recover-disk",
    "recover-quorum",
    "remove-member",
    "restore",
)
"""Actions of whose outcome the status has something to say."""

EVIDENCE = 50
"""How many departures a unit remembers; the leader needs each for a few hooks only."""

WAKE_UP_S = 20
SOON_S = 1


class EdgeLxdCharm(ops.CharmBase):
    """A member of the cluster; the leader keeps the books, the steward acts for all."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._host = machines.this()
        self._peers = lxd_cluster.ClusterPeers(self, CLUSTER)
        self._component = edge_component.ComponentProvider(self, COMPONENT)
        self._cos_agent = cos_agent.CosAgentProvider(self, COS_AGENT)
        self._control_plane = cluster_join.JoinerEnd(self, CONTROL_PLANE)
        self._sight = Sight(
            self._host,
            self._peers,
            unit=self.unit.name,
            planned_units=self.app.planned_units,
            load=lambda: self.load_config(lxd_config.LxdConfig),
            bound=self._bound,
        )
        self._work = Work(self._sight, self._control_plane, self._announce)
        self._has_looked = False

        cluster = self.on[CLUSTER]
        for event in (
            self.on.install,
            self.on.start,
            self.on.config_changed,
            self.on.upgrade_charm,
            self.on.update_status,
            self.on.leader_elected,
            self.on.secret_changed,
            cluster.relation_created,
            cluster.relation_joined,
            cluster.relation_changed,
            self.on[COMPONENT].relation_created,
            self.on[COMPONENT].relation_changed,
            self.on[COS_AGENT].relation_created,
            self.on[CONTROL_PLANE].relation_created,
            self.on[CONTROL_PLANE].relation_joined,
            self.on[CONTROL_PLANE].relation_changed,
            self.on[CONTROL_PLANE].relation_departed,
        ):
            framework.observe(event, self._on_reconcile)
        framework.observe(cluster.relation_departed, self._on_departed)
        framework.observe(self.on.secret_expired, self._on_secret_expired)
        framework.observe(self.on.secret_remove, self._on_secret_remove)
        framework.observe(self.on.stop, self._on_stop)
        framework.observe(self.on.remove, self._on_remove)
        framework.observe(self.on.switch_node_action, self._on_switch_node_action)
        framework.observe(self.on.replace_node_action, self._on_replace_node_action)
        for name in OWN_ACTIONS:
            action = getattr(self.on, f"{name.replace('-', '_')}_action")
            framework.observe(action, self._on_action)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)
        framework.observe(self.on.collect_app_status, self._on_collect_app_status)

    # --- reconcile -------------------------------------------------------------------------

    def _on_reconcile(self, _: ops.EventBase) -> None:
        """Bring this machine, and what it says to the others, to where they should be."""
        sight, work = self._sight, self._work
        self._has_looked = True
        config, wishes = sight.config, self._component.wishes()
        is_disturbed, work.wish = wishes.busy, hosting.wish(wishes.hosted)
        if config is not None and not sight.blockers:
            work.attempt(work.install, config)
            if sight.snap is not None and not work.unfit and not is_disturbed:
                work.attempt(work.tune, config)
                work.attempt(work.take_part, config)
        work.attempt(work.say, config)
        if self.unit.is_leader():
            work.keep_books()
        work.attempt(work.act_for_all, config)
        work.attempt(work.look_after, config)
        if is_disturbed:
            work.notes.append("the upgrade agent is at work on this machine")
        else:  # What the agent stopped for a reboot stays so until it starts it.
            work.attempt(work.host_nodes, config)
        work.attempt(self._tell_neighbours, config)
        if work.is_unfinished(leads=self.unit.is_leader()):
            work.attempt(self._wake_up_later)

    def _tell_neighbours(self, config: lxd_config.LxdConfig | None) -> None:
        """Tell the charms on this machine what runs here."""
        view = self._sight.view
        if self._sight.snap is None or config is None:
            return
        name = membership.member_name(self.unit.name)
        member = view.member(name) if view is not None else None
        self._component.publish(
            edge_component.Component(
                kind=edge_component.LXD,
                snap=installing.SNAP,
                channel=config.full_channel,
                node=name,
                voter=member is not None and member.votes,
                failure_domain=member.failure_domain if member is not None else None,
                ready=view is not None and view.is_online(name),
                hosted=hosting.versions(self._control_plane.report()),
            )
        )
        if self._cos_agent.related and member is not None:
            jobs = metrics.jobs(name, self._sight.address, metrics.server_name(self._host))
            import brought  # Only read where an agent is there to take it.

            self._cos_agent.publish(
                jobs=jobs, alert_rules=brought.groups(), dashboards=brought.dashboards()
            )

    def _wake_up_later(self, after_s: float = WAKE_UP_S) -> None:
        """Run this charm again soon, without keeping a hook waiting."""
        name = f"edge-lxd-{self.unit.name.replace('/', '-')}"
        systemd.arm(self._host, name, after_s, systemd.dispatch_command(self.unit.name))

    def _wake_up_soon(self) -> None:
        """Have a hook follow that looks how things are now."""
        self._wake_up_later(SOON_S)

    # --- departures and secrets --------------------------------------------------------------

    def _on_departed(self, event: ops.RelationDepartedEvent) -> None:
        """Note who left: only ``departing_unit`` says so, and who leaves notes nobody."""
        if event.departing_unit is None or event.departing_unit == self.unit:
            return
        mine = self._peers.report()
        earlier = [name for name in mine.departed if name != event.departing_unit.name]
        departed = (*earlier, event.departing_unit.name)[-EVIDENCE:]
        self._peers.publish(dataclasses.replace(mine, departed=departed))
        self._on_reconcile(event)

    def _on_secret_expired(self, event: ops.SecretExpiredEvent) -> None:
        """Remove a join secret that nobody used in time."""
        event.secret.remove_all_revisions()

    def _on_secret_remove(self, event: ops.SecretRemoveEvent) -> None:
        """Drop a revision that nobody reads any more."""
        event.remove_revision()

    def _on_stop(self, _: ops.StopEvent) -> None:
        """Leave the cluster in good order, or refuse to until that is possible."""
        if self._sight.view is None and upkeep.wake(self._host):
            # What is left behind here would serve on, and nobody would look after it any more.
            self._sight.look_again()
        lxd, view = views.connect(self._host), self._sight.view
        if lxd is None or view is None:
            return
        try:
            # Nodes are not given up for a departure that does not come about.
            present = pools.survey(lxd, self.unit.name) if view.quorate else ()
            own = [one.name for one in present]
            departure.check(lxd, view, own=own)
            pool_care.remove(self._host, lxd, self.unit.name)
            metrics.revoke(self._host, lxd)
            self._sight.look_again()  # A member may have been lost in what draining took.
            departure.leave(lxd, self._sight.view or view)
        except (departure.DepartureRefusedError, *EXPECTED) as e:
            raise self._held_up("not leaving yet", e) from None

    def _on_remove(self, _: ops.RemoveEvent) -> None:
        """Leave nothing of the cluster on this machine, unless somebody's instances are here."""
        import switch_node

        try:
            switch_node.remove(self._host)
            upkeep.remove(self._host)
        except EXPECTED as e:
            raise self._held_up("not cleared yet", e) from None

    def _held_up(self, what: str, why: Exception) -> SystemExit:
        """Return what ends a hook that Juju runs again, until the departure goes through."""
        logger.error("%s, trying again: %s", what, why)
        self.unit.status = ops.BlockedStatus(f"{what}: {why}")
        return SystemExit(1)

    # --- actions -----------------------------------------------------------------------------

    def _on_action(self, event: ops.ActionEvent) -> None:
        """Run an action; say why, without a traceback, if it is refused."""
        sight = self._sight
        import actions  # What they need is much, and no hook needs it.

        name = event.handle.kind.removesuffix("_action").replace("_", "-")
        context = actions.Context(
            host=self._host,
            view=sight.view,
            params=event.params,
            record=sight.record,
            # What needs no option, such as `restore`, goes on with wrong ones.
            wish=lambda: sight.wish(self.load_config(lxd_config.LxdConfig)),
            resource=self._resource,
            lost=sight.lost,
            give_up=self._give_up,
        )
        try:
            event.set_results(actions.ACTIONS[name](context))
        except (*actions.EXPECTED, *upkeep.UNFIT, lxd_config.ConfigError) as e:
            event.fail(str(e))
        if name in TOLD:
            self._work.attempt(self._wake_up_soon)

    def _on_switch_node_action(self, event: ops.ActionEvent) -> None:
        """Move a workload to another instance; say why, without a traceback, if it did not."""
        import switch_node  # No hook needs it.

        client = views.connect(self._host)
        if client is None:
            event.fail("LXD does not run on this machine yet")
            return
        try:
            event.set_results(switch_node.run(self._host, client, event.params))
        except EXPECTED as e:
            event.fail(str(e))

    def _on_replace_node_action(self, event: ops.ActionEvent) -> None:
        """Begin to put a new node in the place of one; the next hooks do it."""
        sight, found, config = self._sight, self._sight.inside(), self._sight.config
        if config is None:
            event.fail("; ".join(sight.blockers))
            return
        if found is None:
            event.fail("this machine is in no cluster that answers: see its status")
            return
        name, end = event.params["node"], self._control_plane
        try:
            result = pool_care.replace(self._host, *found, config, sight.pool_site, end, name)
            event.set_results(result)
            self._wake_up_later()
        except EXPECTED as e:
            event.fail(str(e))

    def _give_up(self, cluster: str) -> None:
        """Say which cluster an operator gave up; the leader's next hook acts on it."""
        self._peers.publish(dataclasses.replace(self._peers.report(), given_up=cluster))
        self._wake_up_later()

    def _resource(self, name: str) -> pathlib.Path | None:
        """Return a file that the operator attached; None if there is none, or an empty one."""
        try:
            path = self.model.resources.fetch(name)
        except (ops.ModelError, NameError):
            return None
        return path if path.stat().st_size else None

    # --- status ------------------------------------------------------------------------------

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        """Say how this member is; actions, and hooks that looked at little, leave it as it was."""
        if not self._has_looked:
            return
        event.add_status(self._judged())
        if self._sight.snap is not None:
            self.unit.set_workload_version(self._sight.snap.version)

    def _on_collect_app_status(self, event: ops.CollectStatusEvent) -> None:
        if self._has_looked:
            event.add_status(self._judged())

    def _judged(self) -> ops.StatusBase:
        line = lxd_status.judge(self._work.facts(leads=self.unit.is_leader()))
        return ops.StatusBase.from_name(line.status, line.message)

    def _announce(self, message: str) -> None:
        self.unit.status = ops.MaintenanceStatus(message)

    def _bound(self) -> str:
        """Return the address at which the others reach this machine."""
        binding = self.model.get_binding(CLUSTER)
        assert binding is not None
        return str(binding.network.bind_address)


if __name__ == "__main__":  # pragma: nocover
    ops.main(EdgeLxdCharm)
