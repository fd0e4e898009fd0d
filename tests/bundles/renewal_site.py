"""A control plane, an LXD member with nodes in it, and a plan that moves all of them."""

import json

import hosted_site
import sites
from hosted_site import CONTROL, LXD

from edgecloud.agent import journal
from edgecloud.lxd_member import renewal
from edgecloud.rollout import ledger

MINOR = "1.36"
HOST = "edge-lxd-0"
STEP = f"hosted/{MINOR}"
FORMER = ("edge-lxd-0-1a", "edge-lxd-0-2a")
FOLLOWING = ("edge-lxd-0-1b", "edge-lxd-0-2b")


class RenewalSite(hosted_site.UpgradedSite):
    """A site that counts its hosted nodes."""

    def __init__(self, folder, *, seed, nodes):
        super().__init__(folder, seed=seed, nodes=nodes)
        self.fewest = nodes
        self.most = 0
        self.blocked: dict[str, None] = {}
        self.said: dict[str, None] = {}
        self.settle()
        self.record.watchers.append(self._count)

    @property
    def host(self):
        """The machine that hosts nodes."""
        return self.machine(f"{LXD}/0")

    def start(self, *, generation=1):
        build = {"revision": {"arm64": self.build()}}
        given = sites.document(
            "up",
            {"kubernetes": {"to": MINOR, "releases": {MINOR: build}}},
            generation=generation,
            drain={"timeout": "60s", "single-node": "accept-downtime"},
        )
        sites.start(self, CONTROL, given)

    def build(self):
        """The build that the plan names: not what the channel holds."""
        return int(self.world.store.find("microk8s", f"{MINOR}/candidate", "arm64").revision)

    def builds(self):
        """The build of each node, by its name."""
        found = {name: one.snaps["microk8s"].revision for name, one in self.hosted().items()}
        return {name: int(build) for name, build in found.items()}

    def burnt(self):
        """What the machine that hosts nodes does not try again by itself."""
        return journal.Journal(self.host.host()).node.burnt

    def rollout(self):
        (relation,) = [r for r in self.relations.values() if CONTROL in r.endpoints and r.peer]
        books = relation.app_bags[CONTROL].data.get("rollout")
        return ledger.read(json.loads(books)) if books else None

    def phase(self):
        rollout = self.rollout()
        return rollout.phase if rollout else None

    def ended(self):
        return self.phase() in ledger.TERMINAL

    def granted(self):
        """Whether the machine that hosts nodes may replace them now, as the books say."""
        entry = self.rollout().entries[HOST]
        return entry.holds_slot and self.rollout().steps[entry.order_step].part == STEP

    def answered(self):
        """Whether all nodes are replaced, whoever has heard of it."""
        said = renewal.answer(self.host.host())
        return bool(said and said.reached)

    def spoil(self, name):
        """Have a node that is yet to be made join, and never be Ready."""

        def look(_):
            made = self.hosted().get(name)
            if made is not None and made.node is not None:
                made.node.sick = "sick"

        self.record.watchers.append(look)

    def wishes(self):
        """The attempts that the agent asks for from now on, each once; grows as the site runs."""
        seen = dict[str, None]()

        def look(_):
            if asked := renewal.wish(self.host.host()).id:
                seen[asked] = None

        self.record.watchers.append(look)
        return seen

    def cordoned(self):
        return [name for name, node in self.cluster().nodes.items() if node.cordoned]

    def _count(self, hook):
        """Count the hosted nodes that Kubernetes calls Ready, while their machine runs.

        And note what is said, and what somebody is asked to mend.
        """
        said = self.units[hook.unit].status if hook.unit in self.units else None
        if said is not None:
            self.said[said.message] = None
        if said is not None and said.name == "blocked":
            self.blocked[f"{hook.unit}: {said.message}"] = None
        nodes = self.cluster().nodes.items()
        ready = [n for n, one in nodes if n.startswith(LXD) and one.ready == "True"]
        if self.host.powered:
            self.fewest = min(self.fewest, len(ready))
        self.most = max(self.most, len(self.hosted()))
