"""What a unit does to its own machine: install, configure, join, restart in turn, look after.

Each step compares before it acts. They are taken in this order, and one that fails keeps those
that need it from being taken.
"""

from __future__ import annotations

import dataclasses

import api_proxy
import cluster_view
import joining
import node_args
import quorum
import upkeep
import worker_access
from attempts import Attempts
from knowledge import Knowledge
from node_config import NodeConfig


class OwnNode:
    """This machine, in one hook."""

    def __init__(self, known: Knowledge, attempts: Attempts):
        self._known = known
        self._host = known.host
        self._attempt = attempts.make
        self._troubles = attempts.troubles

    def bring_about(self) -> None:
        """Make this machine the node that the options ask for."""
        config = self._known.config
        if (
            config is not None
            and not self._known.blockers
            and not self._known.moved
            and self._attempt(self._install, config)
        ):
            self._attempt(self._accept, config)
            self._attempt(self._bring_images)
            self._attempt(self._configure, config)
            self._attempt(self._take_part, config)

    def stand_by(self) -> None:
        """Keep the hands off a machine that its agent disturbs; look at everything after."""
        upkeep.forget_checks(self._host)

    def look_after(self, config: NodeConfig) -> None:
        """Ensure what stands around the node."""
        known, record = self._known, self._known.record
        addresses = [member.address for member in record.members]
        reports = known.members.reports().values()
        addresses += [report.address for report in reports if report.address]
        addresses += [endpoint.rpartition(":")[0] for endpoint in record.endpoints]
        upkeep.ensure_guards(self._host, config, {known.address, *addresses})
        if config.is_worker:
            api_proxy.ensure(self._host, record.endpoints)
            worker_access.ensure_kubeconfig(self._host, known.joiner)
        domain = known.domain(config).name
        if known.is_ready and upkeep.ensure_marks(self._host, config, domain, known.view):
            known.forget_cluster()

    def _install(self, config: NodeConfig) -> None:
        """Ensure that MicroK8s is there and held; what it is born with stays."""
        if self._known.birth.role is not None:
            return
        juju = self._known.juju
        juju.announce(f"installing MicroK8s {config.full_channel}")
        domain = self._known.domain(config)
        try:
            upkeep.install(self._host, config, domain, archive=juju.archive())
            node_args.ensure_birth(self._host, config)
        finally:
            self._known.forget_node()

    def _bring_images(self) -> None:
        """Give MicroK8s the images of an archive that came later."""
        upkeep.ensure_images(self._host, self._known.juju.archive)

    def _accept(self, config: NodeConfig) -> None:
        """Remember the channel: an upgrade past it does not make it a wrong one."""
        upkeep.accept_channel(self._host, config.channel)

    def _configure(self, config: NodeConfig) -> None:
        """Ensure MicroK8s' files; restart at once only where nobody else depends on it."""
        known = self._known
        credentials = known.credentials(config)
        upkeep.ensure_files(self._host, config, known.domain(config), credentials)
        self._ensure_encryption()
        if config.is_worker or not known.is_joined:
            upkeep.use_turn(self._host)

    def _take_part(self, config: NodeConfig) -> None:
        """Say who this node is; join, or restart, when it is this unit's turn."""
        known = self._known
        upkeep.note_launch(self._host)
        if joining.try_to_join(self._host, known.joiner, config.role):
            known.forget_node()
            known.forget_cluster()
        if known.has_turn and upkeep.wants_turn(self._host, config, [known.address]):
            self._attempt(self._use_turn)
        due = known.is_joined and upkeep.wants_turn(self._host, config, [known.address])
        joining.say(
            self._host,
            known.joiner,
            known.view,
            unit=known.unit,
            address=known.address,
            role=config.role,
            # Who restarted gives its turn back only when it is ready again.
            wants_turn=due or (known.has_turn and not known.is_ready),
        )

    def _use_turn(self) -> None:
        """Restart what is due, unless another voter is away already."""
        view = cluster_view.look(self._host, live=True)
        if not quorum.can_spare(view.members, self._known.address):
            self._troubles.append("waits with a restart until all voters of the datastore answer")
            return
        self._known.juju.announce("restarting MicroK8s, as its turn has come")
        upkeep.use_turn(self._host)
        self._known.forget_cluster()

    def _ensure_encryption(self) -> None:
        """Ensure this node's keys; tell the leader with which of them its API server runs."""
        members = self._known.members
        if members.record().encryption is None:
            return
        import key_keeping  # Only sites that encrypt pay for it.

        running = key_keeping.ensure(self._host, members)
        mine = members.my_acts()
        if mine.encryption != running:
            members.publish_acts(dataclasses.replace(mine, encryption=running))
