"""A site whose LXD hosts nodes without a Juju agent, and somebody who watches it."""

from __future__ import annotations

import dataclasses
import pathlib

import invariants
import lxd_site
import sites

from edgecloud.lxd import daemon
from edgelab import model

CHARMS = pathlib.Path(__file__).parents[2] / "charms"
PLANE = "edge-microk8s"
LXD = "edge-lxd"
NODE = "edge-node"
CONTROL = "edge-upgrade-controller"
OPTIONS = {
    "privileged-nodes": True,
    "node-memory": "1GiB",
    "node-image-server": "https://cloud-images.ubuntu.com/releases",
}


class HostedSite(model.Model):
    """One control plane on a Pi of its own, and LXD on others, with nodes in it."""

    def __init__(self, folder, *, seed, nodes, pis=1, **options):
        super().__init__(folder, seed=seed)
        self.watch = Watch(self)
        network = "managed" if pis == 1 else "br0"
        self.add_application(PLANE, CHARMS / PLANE)
        self.add_unit(PLANE)
        config = {**OPTIONS, "network": network, "nodes": nodes, **options}
        self.add_application(LXD, CHARMS / LXD, config=config)
        for _ in range(pis):
            host = self.machine(self.add_unit(LXD).name)
            host.path("/sys/class/net/br0/bridge").mkdir(parents=True)
        self.integrate(f"{LXD}:control-plane", f"{PLANE}:workers")

    def settle(self, **limits):
        """Settle, then check what must hold on a settled site."""
        super().settle(**limits)
        self.watch.settled()

    def machine(self, unit):
        return self.world.machines[self.units[unit].machine]

    def hosted(self):
        """The machines in instances, by host name."""
        return {one.hostname: one for one in self.world.machines.values() if one.instance}

    def nodes(self):
        """The nodes in Kubernetes by name: ready or not."""
        return {name: node.ready == "True" for name, node in self.cluster().nodes.items()}

    def cluster(self):
        return max(self.world.clusters.values(), key=lambda cluster: len(cluster.nodes))

    def message(self, app):
        return self.units[self.applications[app].leader].status.message

    def lxd(self, unit=f"{LXD}/0"):
        return daemon.connect(self.machine(unit).host(), daemon.SNAP)

    def changes(self):
        """The calls that changed something in any LXD, or ran something in a node."""
        return [
            call.argv[1:]
            for call in self.world.calls
            if call.argv[0].endswith("/lxd/current/api") and call.argv[1] != "GET"
        ]


class UpgradedSite(HostedSite):
    """The same, with the hands of its machines, and who coordinates them."""

    def __init__(self, folder, *, seed, nodes, **options):
        super().__init__(folder, seed=seed, nodes=nodes, **options)
        for app in (NODE, CONTROL):
            self.add_application(app, CHARMS / app)
        for app in (PLANE, LXD):
            self.integrate(f"{app}:component", f"{NODE}:component")
        self.integrate(f"{CONTROL}:nodes", f"{NODE}:controller")
        self.add_unit(CONTROL, self.units[f"{PLANE}/0"].machine)

    def until(self, holds, within_s=6 * 3600):
        """Run until something holds; let time pass where no hook is due."""
        sites.until(
            self,
            holds,
            within_s=within_s,
            said=lambda: [each.status for each in self.units.values()],
        )


@dataclasses.dataclass
class Watch:
    """Fails at the first hook after which something is not as it was promised."""

    juju: HostedSite
    offered: list[str] = dataclasses.field(default_factory=list[str])
    """Every join address that a node was offered, in order."""

    def __post_init__(self):
        self._plane = invariants.Watch(self.juju, PLANE)
        self._lxd = lxd_site.Watch(self.juju)
        self.juju.record.watchers.append(self)

    def __call__(self, hook) -> None:
        self._no_node_twice(hook)
        for secret in self.juju.secrets.values():
            for content in secret.revisions.values():
                url = content.get("url", "")
                if url and url not in self.offered:
                    self.offered.append(url)

    def settled(self) -> None:
        """Check what must hold when nothing is left to do."""
        self._plane.settled()
        self._lxd.settled()
        for machine in self.juju.hosted().values():
            if machine.powered:
                snap = machine.snaps["microk8s"]
                assert snap.held_until, f"{machine.id} may refresh by itself"
                assert not machine.path("/run/edge-input").exists()

    def _no_node_twice(self, hook) -> None:
        """Nobody that runs has the address or the name of another."""
        machines = [one for one in self.juju.world.machines.values() if one.powered]
        for of in (lambda one: one.address, lambda one: one.hostname):
            found = [of(one) for one in machines]
            assert len(found) == len(set(found)), f"twice after {hook}: {sorted(found)}"
