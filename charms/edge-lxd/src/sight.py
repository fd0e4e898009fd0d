"""What is known of this machine in one hook: looked up when it is first asked for, and once."""

from __future__ import annotations

import functools
from collections.abc import Callable

import cluster_setup
import installing
import joining
import lxd_config
import membership
import pool_care
import site_network
import upkeep
import view as views
from edgecloud import host as machines
from edgecloud.host import snap
from edgecloud.interfaces import lxd_cluster
from edgecloud.lxd import client


class Sight:
    """The machine, its LXD, the books, and the options, as this hook sees them.

    Args:
        host: the machine.
        peers: the relation of the members.
        unit: this unit.
        planned_units: how many there shall be.
        load: reads the options. Raises lxd_config.ConfigError.
        bound: returns where the others reach this machine, without a port.
    """

    def __init__(
        self,
        host: machines.Host,
        peers: lxd_cluster.ClusterPeers,
        *,
        unit: str,
        planned_units: Callable[[], int],
        load: Callable[[], lxd_config.LxdConfig],
        bound: Callable[[], str],
    ):
        self.host, self.peers, self.unit = host, peers, unit
        self.unreadable: list[str] = []
        """Why snapd did not say what is installed."""
        self._planned_units, self._load, self._bound = planned_units, load, bound

    @functools.cached_property
    def config(self) -> lxd_config.LxdConfig | None:
        """The options; None if they are wrong, and then the previous state is kept."""
        try:
            return self._load()
        except lxd_config.ConfigError:
            return None

    @functools.cached_property
    def blockers(self) -> tuple[str, ...]:
        """What the operator has to set differently."""
        try:
            config = self._load()
        except lxd_config.ConfigError as e:
            return e.problems
        problem = lxd_config.track_problem(config, self.snap.version if self.snap else "")
        return (problem,) if problem else ()

    @functools.cached_property
    def snap(self) -> snap.Snap | None:
        """LXD, as it is installed."""
        try:
            return installing.installed(self.host)
        except snap.SnapError as e:
            self.unreadable.append(str(e))
            return None

    @functools.cached_property
    def view(self) -> views.View | None:
        """The cluster, as this machine's daemon sees it."""
        return views.look(self.host)

    def look_again(self) -> None:
        """Forget how the cluster looked before something was done to it."""
        self.__dict__.pop("view", None)

    @functools.cached_property
    def arch(self) -> str:
        """The machine's architecture."""
        return upkeep.architecture(self.host)

    @functools.cached_property
    def address(self) -> str:
        """Where the others reach this member."""
        return f"{self._bound()}:{joining.PORT}"

    @property
    def record(self) -> lxd_cluster.ClusterRecord:
        """The books, as they are now."""
        return self.peers.record()

    @property
    def planned_units(self) -> int:
        """How many units there shall be."""
        return self._planned_units()

    @property
    def lost(self) -> tuple[str, ...]:
        """The members of a cluster of which no unit is left, if this machine is not in it."""
        if self.view is not None and self.view.clustered:
            return ()
        return membership.lost(self.record, self.peers.reports(), self.planned_units)

    @property
    def pool_site(self) -> pool_care.Site:
        """What the pool of this unit's nodes is part of."""
        return pool_care.Site(self.unit, self.peers.reports(), self.planned_units, self.arch)

    @property
    def is_steward(self) -> bool:
        """Whether this unit acts for all."""
        return self.record.steward == self.unit

    @property
    def is_joined(self) -> bool:
        """Whether the books have this machine in the cluster."""
        member = lxd_cluster.by_unit(self.record.members).get(self.unit)
        return member is not None and member.state == membership.JOINED

    @property
    def moved(self) -> str:
        """The address at which the others look for this member, if it has another one now."""
        known = lxd_cluster.by_unit(self.record.members).get(self.unit)
        if known is None or not self.is_joined or known.address == self.address:
            return ""
        return known.address.rpartition(":")[0]

    def inside(self) -> tuple[client.Client, views.View] | None:
        """Return the daemon and the cluster, if this machine is in one that has its majority."""
        lxd, view = views.connect(self.host), self.view
        if lxd is None or view is None or not view.clustered or not view.quorate:
            return None
        return lxd, view

    def settled(self) -> tuple[client.Client, views.View] | None:
        """Return both, if the books have this machine in, and no option is wrong."""
        return None if self.blockers or not self.is_joined else self.inside()

    def network(self, config: lxd_config.LxdConfig) -> str:
        """Return how instances reach the network: as the cluster has it, or as it would here."""
        facts, decided = site_network.gather(self.host), self.record.network
        if decided is not None:
            site_network.check(decided, facts)
            return decided
        return site_network.decide(config.network, facts, units=self.planned_units)

    def wish(self, config: lxd_config.LxdConfig) -> cluster_setup.Wish:
        """Return what the options and this machine make of the cluster."""
        return cluster_setup.Wish(
            driver=config.storage_driver,
            place=upkeep.place(self.host, self.view, config.disk),
            size=config.storage_size,
            network=self.network(config),
            uplink=site_network.gather(self.host).uplink,
            node_profile=config.node_profile,
            privileged=config.privileged_nodes,
            repair=config.profile_drift == lxd_config.REPAIR,
        )
