"""What one hook knows of its node, of the cluster, and of what others say: each read once.

Who changes something of it says so with a ``forget``, and the next look is at the thing itself.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import footprint
import joining
import membership
import microk8s
import node_args
import node_config
import preflight
import registries
import upkeep
from cluster_view import ClusterView
from edgecloud import host as machines
from edgecloud.host import kubectl, rejoin_offer
from edgecloud.interfaces import cluster_join, cos_agent, edge_component


@dataclasses.dataclass(frozen=True)
class Juju:
    """What Juju knows and does for this unit; a command is run only when it is asked for."""

    unit: str
    is_leader: bool
    zone: str
    address: Callable[[], str]
    archive: Callable[[], pathlib.Path | None]
    """The air-gap archive; None if none is attached."""
    credentials: Callable[[Any], Mapping[str, str]]
    """What the operator's secret with names and passwords for registries holds."""
    announce: Callable[[str], None]
    """Say at once which long step begins."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The options; None with their problems if they are wrong: the previous state is kept then."""

    config: node_config.NodeConfig | None
    problems: tuple[str, ...]
    role: str
    """As asked for; counts only until the node is born."""


@dataclasses.dataclass(frozen=True)
class Ends:
    """This unit's ends of its relations."""

    members: cluster_join.MemberEnd
    component: edge_component.ComponentProvider
    cos_agent: cos_agent.CosAgentProvider
    joiner: Callable[[str], cluster_join.JoinerEnd]
    """The end for a role: workers join over another relation."""


class Knowledge:
    """What is known in this hook."""

    def __init__(self, host: machines.Host, juju: Juju, options: Options, ends: Ends):
        self.host = host
        self.juju = juju
        self.unit = juju.unit
        self.config = options.config
        self.members = ends.members
        self.component = ends.component
        self.cos_agent = ends.cos_agent
        self._options = options
        self._joiner = ends.joiner

    # --- this node ---------------------------------------------------------------------------

    @functools.cached_property
    def birth(self) -> node_config.Birth:
        """What the node was born with; empty until it is."""
        return node_args.birth(self.host)

    @functools.cached_property
    def role(self) -> str:
        """What this node is; an option that was changed later does not make it another."""
        return self.birth.role or self._options.role

    @property
    def is_control_plane(self) -> bool:
        """Whether this node is one, or is to be."""
        return self.role == cluster_join.CONTROL_PLANE

    @functools.cached_property
    def is_installed(self) -> bool:
        """Whether MicroK8s is there and has made its certificates."""
        return microk8s.authority(self.host) is not None

    @functools.cached_property
    def node(self) -> str:
        """This node's name in Kubernetes."""
        return microk8s.node_name(self.host)

    @functools.cached_property
    def address(self) -> str:
        """This node's address in the cluster."""
        return self.juju.address()

    @functools.cached_property
    def is_disturbed(self) -> bool:
        """Whether the agent is at work on this machine: as it says, or as its files show."""
        return self.component.wishes().busy or rejoin_offer.is_under_way(self.host)

    @property
    def wants_way_back(self) -> bool:
        """Whether the agent needs an offer to join again, or is using one."""
        if not self.is_control_plane:
            return False
        return self.component.wishes().way_back or rejoin_offer.is_under_way(self.host)

    @functools.cached_property
    def blockers(self) -> tuple[str, ...]:
        """What the operator has to set differently."""
        if self.config is None:
            return self._options.problems
        if not self.is_installed:
            return ()
        found = node_config.immutable_problems(self.config, self.birth)
        accepted = upkeep.accepted_channel(self.host)
        lower = node_config.track_problem(self.config, self.version, accepted)
        return (*found, *filter(None, (lower, self._unfit(self.config))))

    def _unfit(self, config: node_config.NodeConfig) -> str | None:
        """Return why the profile that was set does not fit this machine.

        Its reservations would leave the kubelet nothing, and it would not start again. What
        ``auto`` finds always fits.
        """
        if config.profile == footprint.AUTO:
            return None
        memory_kb = preflight.memory_kb(self.host)
        return footprint.problem(config.profile, self.role, memory_kb)

    @functools.cached_property
    def moved(self) -> str:
        """What was changed by which the others know this machine, and how it is put right."""
        if not self.is_installed or not self.is_joined:
            return ""
        former = cluster_join.by_unit(self.record.members)[self.unit].node
        if former not in ("", self.node):
            return (
                f"this machine was called {former} when it joined, and is {self.node} now: run"
                f" 'hostnamectl hostname {former}' on it and reboot it"
            )
        former = microk8s.lost_address(self.host, self.address) if self.is_control_plane else ""
        return former and (
            f"this machine was {former} when it joined, and the datastore finds its members by"
            f" address: give it {former} back, for good (a reservation in DHCP, or netplan), and"
            " reboot it"
        )

    def domain(self, config: node_config.NodeConfig) -> node_args.Domain:
        """Return what fails together with this node."""
        return node_args.domain(config.failure_domain, zone=self.juju.zone, hostname=self.node)

    def credentials(self, config: node_config.NodeConfig) -> tuple[registries.Credential, ...]:
        """Return the names and passwords for registries, out of the operator's secret.

        Raises registries.RegistriesError.
        """
        if config.registry_credentials is None:
            return ()
        return registries.parse_credentials(self.juju.credentials(config.registry_credentials))

    # --- what others say -----------------------------------------------------------------------

    @functools.cached_property
    def joiner(self) -> cluster_join.JoinerEnd:
        """The end over which this node joins."""
        return self._joiner(self.role)

    @functools.cached_property
    def record(self) -> cluster_join.ClusterRecord:
        """What the leader of the control plane says."""
        return self.joiner.record()

    @property
    def is_joined(self) -> bool:
        """Whether the leader counts this node as a member."""
        member = cluster_join.by_unit(self.record.members).get(self.unit)
        return member is not None and member.state == membership.JOINED

    @property
    def is_steward(self) -> bool:
        """Whether this member acts for the cluster."""
        return self.is_control_plane and self.record.steward == self.unit

    @property
    def has_turn(self) -> bool:
        """Whether it is this node's turn to restart what is due."""
        return self.record.turn is not None and self.record.turn.unit == self.unit

    # --- the cluster ---------------------------------------------------------------------------

    @functools.cached_property
    def view(self) -> ClusterView | None:
        """The cluster as this node sees it; None if it does not answer."""
        return joining.look(self.host)

    @property
    def seen(self) -> kubectl.Node | None:
        """This node, as the cluster sees it."""
        return self.view.node(self.node) if self.view else None

    @property
    def version(self) -> str | None:
        """Which Kubernetes this node runs, as the cluster sees it."""
        return self.seen.kubelet_version if self.seen else None

    @property
    def is_ready(self) -> bool:
        """Whether this node is there and Ready."""
        return self.view is not None and self.view.is_ready(self.node)

    # --- what changed --------------------------------------------------------------------------

    def forget_cluster(self) -> None:
        """Look at the cluster anew: something was done to it."""
        self._forget("view")

    def forget_record(self) -> None:
        """Read anew what the leader says: it said something else just now."""
        self._forget("record")

    def forget_node(self) -> None:
        """Look at this node anew: it was installed, or joined or left a cluster."""
        self._forget("birth", "role", "is_installed", "joiner", "record", "moved")

    def _forget(self, *names: str) -> None:
        for name in names:
            self.__dict__.pop(name, None)
