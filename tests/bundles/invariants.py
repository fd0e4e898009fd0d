"""What must hold on a site after every event, and what once it has settled."""

from __future__ import annotations

import dataclasses
import hashlib

from edgecloud.host import files, rejoin_offer
from edgecloud.interfaces import edge_component
from edgecloud.testing import decoded
from edgelab.model import Model, record


@dataclasses.dataclass
class Watch:
    """Watches a model from its first hook on and fails at the first broken promise."""

    juju: Model
    app: str = "edge-microk8s"
    secrets: set[str] = dataclasses.field(default_factory=set)
    nodes: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    """Machine and cluster of each node of a shared cluster."""
    quorate: bool = True

    def __post_init__(self):
        self.juju.record.watchers.append(self)
        self.juju.record.incident_watchers.append(self._count_the_damage)

    def __call__(self, hook: record.HookRecord) -> None:
        self._collect_secrets()
        self._one_cluster(hook)
        self._no_member_lost(hook)
        self._no_quorum_lost(hook)

    def settled(self) -> None:
        """Check what must hold when nothing is left to do."""
        self._nothing_in_plain_sight()
        self._no_token_left()
        self._removed_units_are_gone()
        self._nobody_cordoned()
        self._every_snap_held()

    def _clusters(self):
        return [cluster for cluster in self.juju.world.clusters.values() if cluster.nodes]

    def _hosts(self):
        """The host names of living units that were asked to stay, and of what LXD hosts."""
        machines = self.juju.world.machines
        living = (one for one in self.juju.units.values() if one.life.value == "alive")
        hosted = {machine.hostname for machine in machines.values() if machine.instance}
        return {machines[unit.machine].hostname for unit in living} | hosted

    def _collect_secrets(self) -> None:
        for secret in self.juju.secrets.values():
            for content in secret.revisions.values():
                for value in content.values():
                    parts = value.split("/")
                    self.secrets.update(part for part in parts if len(part) >= 32)
        for cluster in self._clusters():
            self.secrets.update(cluster.tokens)
            self.secrets.update(token for _, token in self.juju.world.tokens())
            self.secrets.add(cluster.callback_token)
            for text in (cluster.ca_key, cluster.service_account_key, cluster.cluster_key):
                self.secrets.update(line for line in text.splitlines() if len(line) >= 40)
        self.secrets.discard("")

    def _one_cluster(self, hook) -> None:
        shared = [cluster for cluster in self._clusters() if len(cluster.nodes) > 1]
        assert len(shared) <= 1, f"two clusters after {hook}"

    def _no_member_lost(self, hook) -> None:
        """A node leaves Kubernetes only if its unit was removed."""
        clusters = self.juju.world.clusters
        now = {
            name: (node.machine, cluster.id)
            for cluster in self._clusters()
            if len(cluster.nodes) > 1
            for name, node in cluster.nodes.items()
        }
        staying = {u.machine for u in self.juju.units.values() if u.life.value == "alive"}
        lost = [
            name
            for name, (machine, of) in self.nodes.items()
            if machine in staying and (of not in clusters or name not in clusters[of].nodes)
        ]
        if len(self.nodes) > 2:
            assert not lost, f"{lost} lost by {hook}"
        self.nodes = now

    def _no_quorum_lost(self, hook) -> None:
        """What was a majority after the last fault stays one."""
        quorate = all(map(self._is_quorate, self._clusters()))
        assert quorate or not self.quorate, f"quorum lost by {hook}"
        self.quorate = quorate

    def _count_the_damage(self, _) -> None:
        self.quorate = all(map(self._is_quorate, self._clusters()))

    def _is_quorate(self, cluster) -> bool:
        machines = self.juju.world.machines
        alive = [
            voter
            for voter in cluster.voters()
            if voter.machine in machines and machines[voter.machine].powered
        ]
        return not cluster.members or 2 * len(alive) > len(cluster.voters())

    def _nothing_in_plain_sight(self) -> None:
        argv = {word for call in self.juju.world.calls for word in call.argv}
        seen = "\n".join([*argv, *self.juju.record.plain_text()])
        for secret in self.secrets:
            assert secret not in seen, f"a secret in plain sight: {secret[:6]}…"

    def _no_token_left(self) -> None:
        """Nobody can join, except those that wish for a way back, each with its own offer."""
        wishing = self._wishing()
        for name, token in self.juju.world.tokens():
            machine = self.juju.world.machines[name]
            if not machine.powered:
                continue
            lent = files.read_state(machine.host(), "/var/lib/edge-microk8s/lent.json")
            holder = lent.get(hashlib.sha256(token.encode()).hexdigest(), {}).get("unit")
            assert not machine.powered or holder in wishing, (
                f"a join token is still good on {name}"
            )
        for secret in self.juju.secrets.values():
            if "url" in secret.revisions[secret.latest]:
                readers = set().union(*secret.grants.values())
                assert len(readers) == 1, f"{secret.label} may be read by {readers}"
                assert readers <= wishing, f"an offer is left for {readers}"
        for unit in self.juju.units.values():
            machine = self.juju.world.machines[unit.machine]
            mine = unit.principal is None and machine.powered
            if mine and machine.powered and machine.host().exists(rejoin_offer.PATH):
                assert unit.name in wishing, f"an offer is left on the disk of {unit.name}"

    def _wishing(self) -> set[str]:
        """The units beside which an edge-node asks for a way back."""
        beside = {unit.name: unit.principal for unit in self.juju.units.values()}
        return {
            beside[name]
            for relation in self.juju.relations.values()
            for name, bag in relation.unit_bags.items()
            if relation.interface == "edge_component"
            and beside.get(name)
            and decoded(edge_component.Wishes, bag.data).way_back
        }

    def _removed_units_are_gone(self) -> None:
        for cluster in self._clusters():
            if len(cluster.nodes) > 1 or len(cluster.members) > 1:
                assert set(cluster.nodes) <= self._hosts()
                addresses = {self.juju.address(unit) for unit in self.juju.units.values()}
                assert {member.ip for member in cluster.members} <= addresses

    def _nobody_cordoned(self) -> None:
        for cluster in self._clusters():
            assert not [node.name for node in cluster.nodes.values() if node.cordoned]

    def _every_snap_held(self) -> None:
        for unit in self.juju.units.values():
            if unit.principal is not None:
                continue
            snap = self.juju.world.machines[unit.machine].snaps.get("microk8s")
            held = snap is None or snap.held_until or snap.held
            assert held, f"the snap of {unit.name} may refresh by itself"
