#!/usr/bin/env python3
"""Make this machine a node of the site's MicroK8s cluster, and keep it one."""

from __future__ import annotations

import functools
import logging
import pathlib
import typing
from collections.abc import Mapping

import ops

import calm
import lazily
from edgecloud import host as machines

if typing.TYPE_CHECKING:
    import attempts
    import cluster_view
    import knowledge
    import microk8s
    import node_config
    import reconciling
    import registries
    import upkeep
    import worker_access
    from edgecloud.interfaces import cluster_join, cos_agent, edge_component
else:
    # A calm update-status needs none of these, and on a Pi an import costs as much as a command.
    attempts = lazily.load("attempts")
    cluster_view = lazily.load("cluster_view")
    knowledge = lazily.load("knowledge")
    microk8s = lazily.load("microk8s")
    node_config = lazily.load("node_config")
    reconciling = lazily.load("reconciling")
    registries = lazily.load("registries")
    upkeep = lazily.load("upkeep")
    worker_access = lazily.load("worker_access")
    cluster_join = lazily.load("edgecloud.interfaces.cluster_join")
    cos_agent = lazily.load("edgecloud.interfaces.cos_agent")
    edge_component = lazily.load("edgecloud.interfaces.edge_component")

logger = logging.getLogger(__name__)

CLUSTER = "cluster"
WORKERS = "workers"
CONTROL_PLANE = "control-plane"
COMPONENT = "component"
COS_AGENT = "cos-agent"
ARCHIVE = "snap-installation"


class EdgeMicroK8sCharm(ops.CharmBase):
    """A node of the cluster; the leader keeps the books, the steward acts for all."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._host = machines.this()
        self._calm: calm.Lines | None = None

        for event in (
            self.on.install,
            self.on.start,
            self.on.config_changed,
            self.on.leader_elected,
            self.on.secret_changed,
            self.on[COMPONENT].relation_created,
            self.on[COMPONENT].relation_changed,
            self.on[COMPONENT].relation_departed,
            self.on[COS_AGENT].relation_created,
        ):
            framework.observe(event, self._on_reconcile)
        framework.observe(self.on.update_status, self._on_update_status)
        framework.observe(self.on.upgrade_charm, self._on_upgrade_charm)
        for endpoint in (CLUSTER, WORKERS, CONTROL_PLANE):
            relation = self.on[endpoint]
            framework.observe(relation.relation_created, self._on_reconcile)
            framework.observe(relation.relation_joined, self._on_reconcile)
            framework.observe(relation.relation_changed, self._on_reconcile)
            framework.observe(relation.relation_departed, self._on_departed)
        framework.observe(self.on.secret_expired, self._on_secret_expired)
        framework.observe(self.on.secret_rotate, self._on_secret_rotate)
        framework.observe(self.on.secret_remove, self._on_secret_remove)
        framework.observe(self.on.stop, self._on_stop)
        framework.observe(self.on.remove, self._on_remove)
        for name in self.meta.actions:
            action = getattr(self.on, f"{name.replace('-', '_')}_action")
            framework.observe(action, self._on_action)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)
        framework.observe(self.on.collect_app_status, self._on_collect_app_status)

    # --- reconcile -------------------------------------------------------------------------

    def _on_update_status(self, event: ops.UpdateStatusEvent) -> None:
        """Look whether anything changed of which Juju does not tell."""
        self._calm = calm.still(self._host, leader=self.unit.is_leader())
        if self._calm is None:
            self._on_reconcile(event)

    def _on_upgrade_charm(self, event: ops.UpgradeCharmEvent) -> None:
        """Look at the resource as well: Juju tells in no other way that it is another one."""
        upkeep.expect_images(self._host)
        self._on_reconcile(event)

    def _on_reconcile(self, _: ops.EventBase) -> None:
        """Bring this machine, and what it says to the others, to where they should be."""
        self._work.run()

    # --- departures and secrets --------------------------------------------------------------

    def _on_departed(self, event: ops.RelationDepartedEvent) -> None:
        """Note who left. Only that counts as evidence; who leaves notes nobody."""
        if event.departing_unit is None or event.departing_unit == self.unit:
            return
        self._work.site.note_departure(event.departing_unit.name)
        self._on_reconcile(event)

    def _on_secret_expired(self, event: ops.SecretExpiredEvent) -> None:
        """Remove a join secret that nobody used in time."""
        event.secret.remove_all_revisions()

    def _on_secret_rotate(self, event: ops.SecretRotateEvent) -> None:
        """Begin with a new key for encryption at rest."""
        self._work.site.keep_books(rotate=event.secret.label == cluster_join.KEYS_LABEL)
        self._on_reconcile(event)

    def _on_secret_remove(self, event: ops.SecretRemoveEvent) -> None:
        """Drop a revision that nobody reads any more."""
        event.remove_revision()

    def _on_stop(self, _: ops.StopEvent) -> None:
        """Leave the cluster in good order, or refuse to until that is safe."""
        if not self._known.is_installed:
            return
        import departure  # Needed once in a node's life.

        try:
            departure.leave(
                self._host,
                worker_access.kubeconfig(self._host) or microk8s.kubeconfig(self._host),
                node=self._known.node,
                address=self._known.address,
                view=self._known.view and cluster_view.look(self._host, live=True),
                last=self.app.planned_units() == 0 and self._known.is_control_plane,
            )
        except (departure.DepartureRefusedError, *attempts.EXPECTED) as e:
            logger.error("not leaving yet, trying again: %s", e)
            self.unit.status = ops.BlockedStatus(f"not leaving yet: {e}")
            # Juju runs a hook that failed again, and the departure goes through once it is safe.
            raise SystemExit(1) from None
        self._known.forget_node()

    def _on_remove(self, _: ops.RemoveEvent) -> None:
        """Leave nothing of the cluster on this machine, its keys least of all."""
        upkeep.remove(self._host)

    # --- actions -----------------------------------------------------------------------------

    def _on_action(self, event: ops.ActionEvent) -> None:
        """Run an action; say why, without a traceback, if it is refused."""
        known = self._known
        import actions  # What they need is much, and no hook needs it.

        name = event.handle.kind.removesuffix("_action").replace("_", "-")
        context = actions.Context(
            host=self._host,
            config=known.config,
            params=event.params,
            role=known.role,
            address=known.address,
            record=known.record,
            blockers=known.blockers,
        )
        try:
            event.set_results(actions.ACTIONS[name](context))
        except attempts.EXPECTED as e:
            event.fail(str(e))
        known.forget_node()

    # --- status ------------------------------------------------------------------------------

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(self._status("unit"))
        if self._calm is None and self._known.is_installed and self._known.version:
            self.unit.set_workload_version(self._known.version.lstrip("v"))

    def _on_collect_app_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(self._status("app"))

    def _status(self, who: str) -> ops.StatusBase:
        return ops.StatusBase.from_name(*(self._calm[who] if self._calm else self._line))

    @functools.cached_property
    def _line(self) -> tuple[str, str]:
        """How the node is, when all of this hook is done."""
        line = self._work.line()
        return line.status, line.message

    # --- what this hook works with -------------------------------------------------------------

    @functools.cached_property
    def _work(self) -> reconciling.Reconciliation:
        return reconciling.Reconciliation(self._known)

    @functools.cached_property
    def _known(self) -> knowledge.Knowledge:
        juju = knowledge.Juju(
            unit=self.unit.name,
            is_leader=self.unit.is_leader(),
            zone=ops.JujuContext.from_environ().availability_zone or "",
            address=self._address,
            archive=self._archive,
            credentials=self._credentials,
            announce=self._announce,
        )
        ends = knowledge.Ends(
            members=cluster_join.MemberEnd(self, CLUSTER, WORKERS),
            component=edge_component.ComponentProvider(self, COMPONENT),
            cos_agent=cos_agent.CosAgentProvider(self, COS_AGENT),
            joiner=self._joiner,
        )
        return knowledge.Knowledge(self._host, juju, self._options(), ends)

    def _options(self) -> knowledge.Options:
        role = str(self.config.get("role"))
        try:
            return knowledge.Options(self.load_config(node_config.NodeConfig), (), role)
        except node_config.ConfigError as e:
            return knowledge.Options(None, tuple(e.problems), role)

    def _joiner(self, role: str) -> cluster_join.JoinerEnd:
        worker = role == cluster_join.WORKER
        return cluster_join.JoinerEnd(self, CONTROL_PLANE if worker else CLUSTER)

    def _address(self) -> str:
        binding = self.model.get_binding(CLUSTER)
        assert binding is not None
        return str(binding.network.bind_address)

    def _archive(self) -> pathlib.Path | None:
        try:
            return self.model.resources.fetch(ARCHIVE)
        except (ops.ModelError, NameError):
            return None

    def _credentials(self, secret: ops.Secret) -> Mapping[str, str]:
        try:
            return secret.get_content(refresh=True)
        except (ops.SecretNotFoundError, ops.ModelError) as e:
            raise registries.RegistriesError(
                "registry-credentials cannot be read: 'juju grant-secret' it to this application"
            ) from e

    def _announce(self, step: str) -> None:
        self.unit.status = ops.MaintenanceStatus(step)


if __name__ == "__main__":  # pragma: nocover
    ops.main(EdgeMicroK8sCharm)
