"""Bring nodes that a unit hosts into the cluster, one after the other: MicroK8s, then the join."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import hosted_node
import hosting
import pool_memory
import pool_plan
import pools
import renewing
from edgecloud import host as machines
from edgecloud.interfaces import cluster_join
from edgecloud.interfaces.cluster_join import NodeReport
from edgecloud.lxd import instances
from hosting import Attempt, Seen


class End(Protocol):
    """What this needs of the relation to the control plane."""

    def record(self) -> cluster_join.ClusterRecord:
        """Return what the leader of the control plane says."""
        ...

    def report(self) -> NodeReport:
        """Return what this unit last said."""
        ...

    def offer(self, hosted: str = "") -> cluster_join.JoinOffer | None:
        """Return the offer in force for a node."""
        ...

    def url(self, offer: cluster_join.JoinOffer) -> str | None:
        """Return the join address of an offer."""
        ...


class Arrivals:
    """The nodes of a pool on their way into the cluster, in one hook.

    Args:
        memory: the journal of attempts to join.
        pool: their instances.
        release: the MicroK8s that new nodes get.
        end: the relation to the control plane.
        present: the instances that were there when the hook began.
        guest: how a node is reached inside its instance.
        boundary: called by name before each step that changes anything; tests cut power there.
    """

    def __init__(
        self,
        memory: pool_memory.Memory,
        pool: pools.Pool,
        release: renewing.Release,
        end: End,
        present: Sequence[pool_plan.Present],
        *,
        guest: Callable[[str], machines.Host],
        boundary: Callable[[str], None],
    ):
        self._memory = memory
        self._pool = pool
        self._release = release
        self._end = end
        self._present = present
        self._guest = guest
        self._boundary = boundary
        self._record = end.record()
        self.known = hosting.members(pool.unit, self._record)
        """What the cluster knows of the unit's nodes, by instance."""
        self.said = {
            pool_plan.instance_of(pool.unit, one.name): one.report for one in end.report().hosted
        }
        """What the unit said of them before this hook."""
        self.reports: dict[str, NodeReport] = {}
        """What is said of those that were dealt with."""
        self.waits: list[str] = []
        """What keeps nodes from being in."""

    def bring_in(self, names: list[str]) -> None:
        """Go on with each node until one takes long."""
        if self._record.cluster is None:
            if names:
                self.waits.append("nodes wait for a control plane")
            return
        left = [one for one in names if not hosting.is_settled(one, self.known, self.said)]
        self.reports |= {name: self.said[name] for name in names if name not in left}
        while left:
            if self._go_on(left.pop(0)):
                self.waits += [f"{name} is next" for name in left[:1]]
                return

    def _go_on(self, name: str) -> bool:
        """Bring a node further, and note what it says. Return whether that took long."""
        try:
            busy = self._join_or_install(name)
        except (hosted_node.NodeError, OSError) as e:
            self.waits.append(f"{name}: {e}")
            return True
        if not self.reports.get(name, NodeReport()).joined:
            why = hosting.refusal(self._pool.unit, name, self._record)
            going = hosting.is_going(name, self.known)
            doing = "is being drained, and joins anew then" if going else "is joining"
            self.waits.append(f"{name}: {why}" if why else f"{name} {doing}")
        return busy

    def _join_or_install(self, name: str) -> bool:
        node = self._guest(name)
        self._boundary(f"before {name} gets MicroK8s")
        if hosted_node.ensure_microk8s(node, self._release.channel, self._release.revision):
            return True
        seen = self._look(name, node)
        is_unwanted = name not in self.known and self._is_of_another_minor(seen)
        if is_unwanted or hosting.is_astray(seen, self._record):
            # A worker cannot be sent from one cluster to another, nor the one that was to join
            # before a plan moved the control plane; it is made anew.
            self._pool.remove((name,))
            return True
        busy = self._use_offer(name, node)
        if busy:
            seen = self._look(name, node)
        last = self._memory.attempts().get(name, Attempt())
        self.reports[name] = hosting.report(
            name, seen, self.known, self._record, last, self._memory.host.now()
        )
        return busy

    def _is_of_another_minor(self, seen: Seen) -> bool:
        wanted = renewing.minor(self._release.channel)
        return not seen.worker and renewing.minor(seen.version) not in ((), wanted)

    def _use_offer(self, name: str, node: machines.Host) -> bool:
        """Use the offer made to a node, if there is a new one. Return whether it was tried."""
        offer = self._end.offer(pool_plan.hosted_as(self._pool.unit, name))
        last = self._memory.attempts().get(name, Attempt())
        now = self._memory.host.now()
        if offer is None or not hosting.should_join(offer.attempt, last, self._record, now):
            return False
        url = self._end.url(offer)
        if url is None:
            return False
        attempt = Attempt(offer.attempt, now)
        self._memory.note(name, attempt)
        self._boundary(f"before {name} joins")
        try:
            hosted_node.join(node, url)
        except hosted_node.NodeError as e:
            self._memory.note(name, dataclasses.replace(attempt, error=str(e)))
        return True

    def _look(self, name: str, node: machines.Host) -> Seen:
        facts = hosted_node.look(node, name)
        address = next((one.address for one in self._present if one.name == name), "")
        if not address:
            address = _address(instances.state(self._pool.client, name))
        return Seen(address, facts.ca, facts.worker, facts.ready, facts.version)


def _address(state: instances.State) -> str:
    found: Mapping[str, tuple[str, ...]] = state.addresses
    usable = (one for name, many in found.items() if name == "eth0" for one in many)
    return next((one for one in usable if "." in one), "")
