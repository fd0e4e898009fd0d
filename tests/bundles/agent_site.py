"""Whole sites that upgrade themselves: real charms, real agents, machines that are played."""

import json
import pathlib

import invariants
import sites

from edgecloud.agent import journal, paths
from edgecloud.host import files
from edgecloud.rollout import ledger, state
from edgelab import model

CHARMS = pathlib.Path(__file__).parents[2] / "charms"
PLANE, NODE, CONTROL = "edge-microk8s", "edge-node", "edge-upgrade-controller"
DISTURBED = frozenset(state.State) - state.RESTING - state.UNTOUCHED - {state.State.SOAKING}
MINOR = "1.36"
HOUR_S = 3600


class Watch(invariants.Watch):
    """The promises of a site, and those of an upgrade."""

    def __call__(self, hook):
        super().__call__(hook)
        self.juju.count_disturbed()

    def _no_member_lost(self, hook):
        """A voter that goes back leaves and joins again; nobody else may be missing."""
        for name in self.juju.disturbed():
            self.nodes.pop(name, None)
        super()._no_member_lost(hook)

    def settled(self):
        super().settled()
        assert self.juju.most_disturbed <= 1


class AgentSite(model.Model):
    """Control planes and workers, each with its hands beside it, and a controller."""

    def __init__(self, folder, *, seed, planes=3, workers=0):
        super().__init__(folder, seed=seed)
        self.most_disturbed = 0
        self.watch = Watch(self)
        for app in (PLANE, NODE, CONTROL):
            self.add_application(app, CHARMS / app)
        self.integrate(f"{PLANE}:component", f"{NODE}:component")
        self.integrate(f"{CONTROL}:nodes", f"{NODE}:controller")
        for _ in range(planes):
            self.add_unit(PLANE)
        self.add_unit(CONTROL, next(iter(self.world.machines)))
        if workers:
            self.add_application("worker", CHARMS / PLANE, config={"role": "worker"})
            self.integrate(f"{PLANE}:workers", "worker:control-plane")
            self.integrate("worker:component", f"{NODE}:component")
            for _ in range(workers):
                self.add_unit("worker")
        self.settle()

    def settle(self, **limits):
        super().settle(**{"within_s": 8 * HOUR_S, **limits})
        self.watch.settled()

    # What is done to the site

    def document(self, *, risk="stable", **changes):
        """A plan that takes every node up by a minor, to what a channel holds now."""
        release = {"revision": {"arm64": self.build(risk)}}
        targets = {"kubernetes": {"to": MINOR, "releases": {MINOR: release}}}
        return sites.document("up", targets, **changes)

    def start(self, **changes):
        sites.start(self, CONTROL, self.document(**changes))
        return self

    def build(self, risk="stable"):
        return int(self.world.store.find("microk8s", f"{MINOR}/{risk}", "arm64").revision)

    def spoil(self, how, risk="stable"):
        """Make a build a bad one on every machine."""
        for name in self.world.machines:
            self.world.bad_revisions[f"{name}/{self.build(risk)}"] = how

    def until(self, holds, *, within_s=4 * HOUR_S):
        """Run until something holds; let time pass where no hook is due."""
        sites.until(self, holds, within_s=within_s, said=lambda: (self.states(), self.statuses()))
        return self

    # What is seen of it

    def states(self):
        """What each agent last said, by the machine's host name; of those that run."""
        running = [machine for machine in self.world.machines.values() if machine.powered]
        said = {m.hostname: files.read_state(m.host(), paths.OUTBOX) for m in running}
        return {name: each.get("state", "idle") for name, each in said.items()}

    def disturbed(self):
        return [name for name, each in self.states().items() if state.State(each) in DISTURBED]

    def count_disturbed(self):
        self.most_disturbed = max(self.most_disturbed, len(self.disturbed()))

    def burnt(self):
        """The nodes that remember a build as one that failed on them."""
        hosts = {m.hostname: m.host() for m in self.world.machines.values()}
        kept = {name: journal.Journal(host).node for name, host in hosts.items()}
        return [name for name, node in kept.items() if node and node.burnt]

    def builds(self):
        return {
            m.hostname: int(m.snaps["microk8s"].revision) for m in self.world.machines.values()
        }

    def versions(self):
        return {name: node.kubelet_version for name, node in self.cluster().nodes.items()}

    def cluster(self):
        return max(self.world.clusters.values(), key=lambda cluster: len(cluster.nodes))

    def machine_of(self, name):
        return next(m for m in self.world.machines.values() if m.hostname == name)

    def statuses(self):
        return {unit.name: str(unit.status) for unit in self.units.values()}

    @property
    def rollout(self):
        (relation,) = [r for r in self.relations.values() if CONTROL in r.endpoints and r.peer]
        return ledger.read(json.loads(relation.app_bags[CONTROL].data["rollout"]))

    @property
    def phase(self):
        return self.rollout.phase.value
