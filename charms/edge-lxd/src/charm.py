#!/usr/bin/env python3
"""Make this machine a member of the site's LXD cluster, and keep it one."""

from __future__ import annotations

import dataclasses
import functools
import logging
import pathlib
from collections.abc import Callable

import ops

import cluster_setup
import departure
import host_tuning
import installing
import joining
import lxd_config
import lxd_status
import membership
import metrics
import node_profile
import pool_care
import preflight
import site_network
import stewardship
import upkeep
import view as views
from edgecloud import host as machines
from edgecloud.host import failures, snap, systemd
from edgecloud.interfaces import cluster_join, cos_agent, edge_component, lxd_cluster
from edgecloud.lxd import errors

logger = logging.getLogger(__name__)

CLUSTER = "cluster"
COMPONENT = "component"
COS_AGENT = "cos-agent"
CONTROL_PLANE = "control-plane"

OWN_ACTIONS = (
    "backup",
    "cluster-status",
    "evacuate",
    "get-cloud",
    "import-image",
    "preflight",
    "recover-quorum",
    "remove-member",
    "restore",
    "restore-node",
    "snapshot-node",
)

EVIDENCE = 50
"""How many departures a unit remembers; the leader needs each for a few hooks only."""

WAKE_UP_S = 20
EXPECTED = (failures.WorkloadError, errors.LxdError, OSError)
"""What fails now and then on a small machine; it is said in the status and tried again."""


class EdgeLxdCharm(ops.CharmBase):
    """A member of the cluster; the leader keeps the books, the steward acts for all."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._host = machines.this()
        self._peers = lxd_cluster.ClusterPeers(self, CLUSTER)
        self._component = edge_component.ComponentProvider(self, COMPONENT)
        self._cos_agent = cos_agent.CosAgentProvider(self, COS_AGENT)
        self._control_plane = cluster_join.JoinerEnd(self, CONTROL_PLANE)
        self._unfit: list[str] = []
        self._troubles: list[str] = []
        self._notes: list[str] = []
        self._holding = ""
        self._busy = False
        self._moved_on = False

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
        config = self._config
        if config is not None and not self._blockers:
            self._attempt(self._install, config)
            if self._snap is not None and not self._unfit and not self._component.wishes().busy:
                self._attempt(self._tune, config)
                self._attempt(self._take_part, config)
        self._attempt(self._say, config)
        self._keep_books()
        self._attempt(self._act_for_all, config)
        self._attempt(self._look_after, config)
        self._attempt(self._host_nodes, config)
        self._attempt(self._tell_neighbours, config)
        if self._is_unfinished:
            self._attempt(self._wake_up_later)

    def _attempt(self, step: Callable[..., None], *arguments: lxd_config.LxdConfig | None) -> bool:
        """Take a step; note what is expected to fail now and then instead of failing the hook."""
        try:
            step(*arguments)
        except upkeep.UNFIT as e:
            self._unfit.append(str(e))
            return False
        except EXPECTED as e:
            logger.warning("%s: %s", step.__name__.strip("_").replace("_", " "), e)
            self._troubles.append(_one_line(str(e)))
            return False
        return True

    def _install(self, config: lxd_config.LxdConfig) -> None:
        """Ensure that LXD is there, at the build that all members have, and held."""
        revision = ""
        if self._snap is None:
            findings = preflight.judge(preflight.gather(self._host))
            self._unfit += map(str, findings)
            build = membership.build_for(self._peers.record(), self.unit.name, self._arch)
            if findings or build is None:
                return
            revision = build.revision
            self.unit.status = ops.MaintenanceStatus(f"installing LXD {config.full_channel}")
        channel = config.full_channel
        self._snap = installing.ensure(self._host, self._snap, channel, revision=revision)

    def _tune(self, config: lxd_config.LxdConfig) -> None:
        """Set what containers share with their host."""
        host_tuning.ensure_sysctls(self._host)
        if config.node_profile != node_profile.NONE or config.nodes:
            lacking = host_tuning.ensure_modules(self._host, node_profile.MODULES)
            self._notes += [f"no kernel module {', '.join(lacking)}"] if lacking else []

    def _take_part(self, config: lxd_config.LxdConfig) -> None:
        """Begin the cluster or join it, when it is this unit's turn."""
        lxd, view, record = views.connect(self._host), self._view, self._peers.record()
        if lxd is None or view is None or view.clustered:
            return
        wish = self._wish(config)
        if membership.may_found(record, self.unit.name):
            joining.found(lxd, membership.member_name(self.unit.name), self._address)
            self._look_again()
        elif record.cluster is not None:
            upkeep.check_empty(lxd)
            own = cluster_setup.member_config(wish)
            if joining.try_to_join(self._host, self._peers, self._address, own):
                self._look_again()

    def _say(self, config: lxd_config.LxdConfig | None) -> None:
        """Publish who this unit is, and whether it is in the cluster."""
        former = self._peers.report()
        fit = config is not None and not self._blockers and not self._unfit
        said = joining.report(
            self._host, self._view, former, unit=self.unit.name, address=self._address, fit=fit
        )
        revision = self._snap.revision if self._snap else None
        network = self._decided(config) if config is not None and fit and self._snap else None
        said = dataclasses.replace(said, arch=self._arch, revision=revision, network=network)
        self._moved_on |= self._peers.publish(said)

    def _keep_books(self) -> None:
        """As the leader, decide who belongs to the cluster and who may join next."""
        if not self.unit.is_leader() or self._peers.relation is None:
            return
        record = membership.plan(
            self._peers.record(),
            reports=self._peers.reports(),
            leader=self.unit.name,
            now=self._host.now(),
        )
        self._moved_on |= self._peers.publish_record(record)

    def _act_for_all(self, config: lxd_config.LxdConfig | None) -> None:
        """As the steward, give the cluster what it shares, and act on the books."""
        lxd, view = views.connect(self._host), self._view
        if not self._is_steward:
            stewardship.retire(self._peers, lxd)
            return
        if lxd is None or view is None or not view.quorate or not view.clustered:
            return
        settled = False
        if config is not None and not self._blockers:
            settled = self._attempt(self._ensure_shared, config)
        steward = stewardship.Steward(self._host, self._peers, lxd, view)
        try:
            steward.act(settled=settled)
        finally:
            self._holding, self._busy = steward.holding, steward.busy

    def _ensure_shared(self, config: lxd_config.LxdConfig) -> None:
        lxd, view = views.connect(self._host), self._view
        assert lxd is not None and view is not None
        left = upkeep.ensure_shared(lxd, view, self._wish(config))
        self._notes += [f"profile differs: {', '.join(left)}"] if left else []

    def _look_after(self, config: lxd_config.LxdConfig | None) -> None:
        """Ensure what this member has for itself."""
        lxd, view = views.connect(self._host), self._view
        if config is None or lxd is None or view is None or not view.clustered:
            return
        if self._blockers or not view.quorate or not self._is_joined:
            return
        upkeep.ensure_own(self._host, lxd, view.name, self._wish(config), self._address)
        self._notes += upkeep.notes(self._host, lxd, view)

    def _host_nodes(self, config: lxd_config.LxdConfig | None) -> None:
        """Have the nodes that this unit hosts, and have them in MicroK8s."""
        lxd, view = views.connect(self._host), self._view
        if config is None or lxd is None or view is None or not view.clustered:
            return
        if self._blockers or not view.quorate or not self._is_joined:
            return
        outcome = pool_care.care(
            self._host, lxd, view, config, self._pool_site, self._control_plane
        )
        if outcome is not None:
            self._notes += pool_care.notes(outcome)
            self._busy |= not outcome.settled

    def _tell_neighbours(self, config: lxd_config.LxdConfig | None) -> None:
        """Tell the charms on this machine what runs here."""
        view = self._view
        if self._snap is None or config is None:
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
            )
        )
        if self._cos_agent.related and member is not None:
            jobs = metrics.jobs(name, self._address, metrics.server_name(self._host))
            self._cos_agent.publish(jobs=jobs, alert_rules={}, dashboards=())

    def _wake_up_later(self) -> None:
        """Run this charm again soon, without keeping a hook waiting."""
        name = f"edge-lxd-{self.unit.name.replace('/', '-')}"
        systemd.arm(self._host, name, WAKE_UP_S, systemd.dispatch_command(self.unit.name))

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
        lxd, view = views.connect(self._host), self._view
        if lxd is None or view is None:
            return
        try:
            pool_care.remove(self._host, lxd, self.unit.name)
            metrics.revoke(self._host, lxd)
            departure.leave(lxd, view)
        except (departure.DepartureRefusedError, *EXPECTED) as e:
            logger.error("not leaving yet, trying again: %s", e)
            self.unit.status = ops.BlockedStatus(f"not leaving yet: {e}")
            # Juju runs a hook that failed again, and the departure goes through once it can.
            raise SystemExit(1) from None

    def _on_remove(self, _: ops.RemoveEvent) -> None:
        """Leave nothing of the cluster on this machine, unless somebody's instances are here."""
        import switch_node

        switch_node.remove(self._host)
        upkeep.remove(self._host)

    # --- actions -----------------------------------------------------------------------------

    def _on_action(self, event: ops.ActionEvent) -> None:
        """Run an action; say why, without a traceback, if it is refused."""
        config = self._config
        if config is None:
            event.fail("; ".join(self._blockers))
            return
        import actions  # What they need is much, and no hook needs it.

        name = event.handle.kind.removesuffix("_action").replace("_", "-")
        context = actions.Context(
            host=self._host,
            view=self._view,
            params=event.params,
            record=self._peers.record(),
            wish=lambda: self._wish(config),
            resource=self._resource,
        )
        try:
            event.set_results(actions.ACTIONS[name](context))
        except (*actions.EXPECTED, *upkeep.UNFIT) as e:
            event.fail(str(e))

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
        lxd, view, config = views.connect(self._host), self._view, self._config
        if lxd is None or view is None or config is None or not view.clustered:
            event.fail("this machine is in no cluster yet, or an option is wrong")
            return
        name, site, end = event.params["node"], self._pool_site, self._control_plane
        try:
            event.set_results(pool_care.replace(self._host, lxd, view, config, site, end, name))
            self._wake_up_later()
        except EXPECTED as e:
            event.fail(str(e))

    # --- status ------------------------------------------------------------------------------

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        line = lxd_status.judge(self._facts)
        event.add_status(ops.StatusBase.from_name(line.status, line.message))
        if self._snap is not None:
            self.unit.set_workload_version(self._snap.version)

    def _on_collect_app_status(self, event: ops.CollectStatusEvent) -> None:
        line = lxd_status.judge(self._facts)
        event.add_status(ops.StatusBase.from_name(line.status, line.message))

    # --- what is known in this hook ------------------------------------------------------------

    @functools.cached_property
    def _config(self) -> lxd_config.LxdConfig | None:
        """The options; None if they are wrong, and then the previous state is kept."""
        try:
            return self.load_config(lxd_config.LxdConfig)
        except lxd_config.ConfigError:
            return None

    @functools.cached_property
    def _blockers(self) -> tuple[str, ...]:
        """What the operator has to set differently."""
        try:
            config = self.load_config(lxd_config.LxdConfig)
        except lxd_config.ConfigError as e:
            return e.problems
        problem = lxd_config.track_problem(config, self._snap.version if self._snap else "")
        return (problem,) if problem else ()

    @functools.cached_property
    def _snap(self) -> snap.Snap | None:
        try:
            return installing.installed(self._host)
        except snap.SnapError as e:
            self._troubles.append(_one_line(str(e)))
            return None

    @functools.cached_property
    def _view(self) -> views.View | None:
        return views.look(self._host)

    def _look_again(self) -> None:
        """Forget how the cluster looked before something was done to it."""
        self.__dict__.pop("_view", None)

    @functools.cached_property
    def _arch(self) -> str:
        return upkeep.architecture(self._host)

    @functools.cached_property
    def _address(self) -> str:
        """Where the others reach this member."""
        binding = self.model.get_binding(CLUSTER)
        assert binding is not None
        return f"{binding.network.bind_address}:{joining.PORT}"

    @property
    def _pool_site(self) -> pool_care.Site:
        units, planned = self._peers.reports(), self.app.planned_units()
        return pool_care.Site(self.unit.name, units, planned, self._arch)

    @property
    def _is_steward(self) -> bool:
        return self._peers.record().steward == self.unit.name

    @property
    def _is_joined(self) -> bool:
        member = lxd_cluster.by_unit(self._peers.record().members).get(self.unit.name)
        return member is not None and member.state == membership.JOINED

    def _resource(self, name: str) -> pathlib.Path | None:
        """Return a file that the operator attached; None if there is none, or an empty one."""
        try:
            path = self.model.resources.fetch(name)
        except (ops.ModelError, NameError):
            return None
        return path if path.stat().st_size else None

    def _decided(self, config: lxd_config.LxdConfig) -> str:
        """Return how instances reach the network: as the cluster has it, or as it would here."""
        facts, decided = site_network.gather(self._host), self._peers.record().network
        if decided is not None:
            site_network.check(decided, facts)
            return decided
        units = self.app.planned_units()
        return site_network.decide(config.network, facts, units=units)

    def _wish(self, config: lxd_config.LxdConfig) -> cluster_setup.Wish:
        """Return what the options and this machine make of the cluster."""
        return cluster_setup.Wish(
            driver=config.storage_driver,
            place=upkeep.place(self._host, self._view, config.disk),
            size=config.storage_size,
            network=self._decided(config),
            uplink=site_network.gather(self._host).uplink,
            node_profile=config.node_profile,
            privileged=config.privileged_nodes,
            repair=config.profile_drift == lxd_config.REPAIR,
        )

    @property
    def _is_unfinished(self) -> bool:
        """Whether there is work that no event of Juju's will call this charm for."""
        record = self._peers.record()
        timed = any(refusal.not_before > self._host.now() for refusal in record.refusals)
        late = lxd_status.judge(self._facts).status in (
            lxd_status.WAITING,
            lxd_status.MAINTENANCE,
        )
        # Nobody tells the leader of what it published itself.
        return late or self._moved_on or self._busy or (self._is_steward and timed)

    @property
    def _facts(self) -> lxd_status.Facts:
        config = self._config
        notes = [*self._notes]
        if config is not None and self._snap is not None and self.unit.is_leader():
            units = self.app.planned_units()
            notes += [site_network.note(self._peers.record().network or "", units=units)]
            notes += ["nodes are privileged: root in one is root here"] * config.privileged_nodes
        return lxd_status.Facts(
            unit=self.unit.name,
            blockers=(*self._blockers, *dict.fromkeys(self._unfit)),
            troubles=tuple(self._troubles),
            installed=self._snap is not None,
            record=self._peers.record(),
            view=self._view if self._snap is not None else None,
            laggards=upkeep.laggards(self._peers.reports(), self.unit.name),
            holding=self._holding,
            speaks_for_all=self.unit.is_leader(),
            notes=tuple(note for note in notes if note),
        )


def _one_line(text: str) -> str:
    """Return what a command said in a line: the first, and the last of a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " … ".join(dict.fromkeys((*lines[:1], *lines[-1:])))


if __name__ == "__main__":  # pragma: nocover
    ops.main(EdgeLxdCharm)
