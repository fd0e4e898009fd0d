"""What one hook knows of its machine, its agent, and what others say: each read once."""

from __future__ import annotations

import functools

import identity
import machine_facts
import relay
from edgecloud import host as machines
from edgecloud.agent import settings as agent_settings
from edgecloud.host import rejoin_offer
from edgecloud.interfaces import edge_component, node_upgrade
from edgecloud.rollout import messages


class Knowledge:
    """What is known in this hook."""

    def __init__(
        self,
        host: machines.Host,
        component: edge_component.ComponentRequirer,
        controller: node_upgrade.NodeUpgradeRequirer,
    ):
        self.host = host
        self._component = component
        self._controller = controller

    # --- the machine and its agent -------------------------------------------------------------

    @functools.cached_property
    def board(self) -> identity.Board:
        """The machine's make."""
        return machine_facts.board(self.host)

    @functools.cached_property
    def outbox(self) -> relay.Outbox:
        """What the agent says."""
        return relay.outbox(self.host)

    @property
    def doing(self) -> str:
        """What a disturbed node does now, for those who look at the site's status."""
        is_disturbed = self.outbox.report.status in messages.DISRUPTED
        return messages.doing(self.outbox.state) if is_disturbed else ""

    @property
    def is_settled(self) -> bool:
        """Whether the agent knows its machine; before that, an order would mean nothing to it."""
        return bool(agent_settings.read(self.host).name)

    @property
    def measured_s(self) -> int:
        """How long an upgrade takes here; looked up again whenever one may have ended."""
        said, report = self._controller.said(), self.outbox.report
        if said.machine is not None and said.status == report.status.value:
            return said.machine.duration_s
        from edgecloud.agent import journal

        return identity.measured_s(journal.chain(self.host))

    # --- its place in the site -----------------------------------------------------------------

    @functools.cached_property
    def who(self) -> identity.Identity | None:
        """Which node of which application this machine is; None until its principal says so."""
        return identity.identify(self._component.components(), self.board)

    @property
    def kubernetes(self) -> edge_component.Component | None:
        """What the principal says of Kubernetes on this machine."""
        return self.who.kubernetes if self.who else None

    @property
    def role(self) -> str:
        """The node's role in Kubernetes; empty if it has none."""
        return (self.kubernetes.role or "") if self.kubernetes else ""

    @property
    def is_control_plane(self) -> bool:
        """Whether this node is one of the control plane's."""
        return self.who is not None and self.who.is_control_plane

    @property
    def is_alone(self) -> bool:
        """Whether this node is its whole cluster; one on its way back never is."""
        if rejoin_offer.is_under_way(self.host):
            return False
        from edgecloud.agent import rejoin  # Only a site with a plan pays for it.

        return len(rejoin.member_addresses(self.host)) < 2

    # --- the plan ------------------------------------------------------------------------------

    @functools.cached_property
    def published(self) -> node_upgrade.Published | None:
        """The order for this machine, as the controller has published it."""
        return self._controller.order(self.who.name) if self.who else None

    @property
    def has_plan(self) -> bool:
        """Whether a plan is live on this site, so that nobody else may change its machines."""
        if self._controller.orders().live:
            return True
        published = self.published
        return published is not None and published.order.verb is not messages.Verb.FORGET

    @functools.cached_property
    def view(self) -> node_upgrade.ClusterView | None:
        """What the cluster looks like from here, while a plan makes that matter."""
        if not self.is_control_plane or self.kubernetes is None or not self.has_plan:
            return None
        import cluster_sight  # Only a control plane of a site with a plan pays for it.

        kubeconfig = agent_settings.read(self.host).kubeconfig
        seen = cluster_sight.look(self.host, kubeconfig)
        return cluster_sight.to_publish(seen, self._controller.said().cluster, self.host.now())

    @functools.cached_property
    def budgets(self) -> node_upgrade.BudgetView | None:
        """Whose pods disruption budgets hold, as seen from a control plane now and then."""
        if not self.is_control_plane or self.kubernetes is None:
            return None
        import budget_sight  # Only a control plane of a site with a controller pays for it.

        kubeconfig = agent_settings.read(self.host).kubeconfig
        return budget_sight.look(self.host, kubeconfig, self._controller.said().budgets)

    @functools.cached_property
    def waits_for(self) -> str:
        """What has to come before the agent is told of the order; empty if nothing."""
        published = self.published
        if published is None:
            return ""
        try:
            work = relay.work(published)
        except relay.RelayError:
            return ""  # Said as a trouble of the step that reads it.
        return relay.missing(
            published.order.verb,
            self.kubernetes,
            self.host.now(),
            rejoins=work.rollback == "rejoin",
            alone=self.is_alone,
            duration_s=work.duration_s,
        )
