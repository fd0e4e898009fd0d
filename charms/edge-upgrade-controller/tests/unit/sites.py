"""A site of nodes that obey the core, coordinated by the real charm, event by event."""

import dataclasses
import json
import pathlib

import yaml
from ops import testing

import charm
from edgecloud import host as machines
from edgecloud.interfaces import node_upgrade
from edgecloud.interfaces.node_upgrade import ClusterView, Machine, Missing
from edgecloud.rollout import ledger, node, plan, route, state
from edgecloud.testing import decoded, encoded
from edgelab import pi

START = 1_800_000_000
CHARMCRAFT = yaml.safe_load(
    (pathlib.Path(__file__).parents[2] / "charmcraft.yaml").read_text(encoding="utf-8")
)
DOCUMENT = {
    "apiVersion": "edgecloud/v1",
    "kind": "UpgradePlan",
    "id": "k8s-135",
    "expires": "2030-02-01T00:00:00Z",
    "windows": "always",
    "targets": {"kubernetes": {"to": "1.35", "releases": {"1.35": {"revision": {"arm64": 135}}}}},
    "canary": {"name": "canary", "size": 1, "soak": "60s"},
    "waves": [{"name": "rest", "soak": "60s"}],
}


def written(**changes):
    """A plan as an operator writes it."""
    return yaml.safe_dump({**DOCUMENT, **changes})


def accepted(**changes):
    return plan.read({**DOCUMENT, **changes})


@dataclasses.dataclass
class Actor:
    """A node that does at once what the core says; broken ones fail their validation."""

    name: str
    machine: Machine
    broken: bool = False
    heard: bool = True
    vetoed: bool = False
    running: str = "microk8s:134"
    staged: str = ""
    owner: str = ""
    node: state.Node = None

    def __post_init__(self):
        self.node = state.Node(self.name)

    @property
    def version(self):
        return "1.35.1" if self.running == "microk8s:135" else "1.34.2"

    def facts(self):
        return state.Facts(
            running=self.running,
            default=self.running,
            staged=self.staged,
            version=self.version,
            cordoned=bool(self.owner),
            owner=self.owner,
            veto=self.vetoed,
        )

    def obey(self, said, now):
        for entry in said.orders:
            if entry.node == self.name:
                text = plan.parse(said.plan)
                member = node_upgrade.member_of(self.name, entry.machine)
                order = node_upgrade.read_order(entry, said.digest)
                work = route.work(text, order.part, order.wave, member)
                self.take(state.Ordered(order, work, self.facts(), now), now)

    def soak(self, seconds, now):
        self.take(state.Ticked(self.facts(), now, seconds), now)

    def take(self, event, now):
        self.node, effects = node.step(self.node, event)
        while effects:
            self.perform(effects[0])
            if effects[0] is state.Effect.VALIDATE and self.broken and self.version == "1.35.1":
                done = state.Failed(effects[0], self.facts(), now, "kubelet is not well")
            else:
                done = state.Done(effects[0], self.facts(), now)
            self.node, effects = node.step(self.node, done)

    def perform(self, effect):
        match effect:
            case state.Effect.STAGE:
                self.staged = self.node.work.target
            case state.Effect.CORDON:
                self.owner = self.node.owner
            case state.Effect.APPLY:
                self.running = self.node.target
            case state.Effect.ROLL_BACK:
                self.running = self.node.prior
            case state.Effect.UNCORDON:
                self.owner = ""

    def says(self):
        report = state.report(self.node, self.facts(), "head")
        machine = dataclasses.replace(self.machine, version=self.version)
        return node_upgrade.describe(report, self.name, machine, address=f"10.0.0.{self.name[-1]}")


class Site:
    """The charm's state from event to event, and the nodes beside it."""

    def __init__(self, folder, planes=3, workers=0):
        world = pi.World(folder, pi.Clock(START), seed=1)
        world.add_machine("0")
        self.clock = world.clock
        self.world = world
        self.ctx = testing.Context(charm.EdgeUpgradeControllerCharm)
        roles = ["control-plane"] * planes + ["worker"] * workers
        self.actors = {
            f"pi-{n}": Actor(f"pi-{n}", Machine(role, role != "worker", arch="arm64"))
            for n, role in enumerate(roles)
        }
        self.view = True
        self.foreign = None
        self.slips = True
        self.budgets = None
        self.doing = {}
        self.peers = testing.PeerRelation("coordinators")
        self.nodes = testing.Relation("nodes", remote_app_name="edge-node")
        self.config = {}
        self.more = []
        self.secrets = []
        self.out = None
        machines.use(world.machines["0"].host())

    @property
    def now(self):
        return int(self.clock.now())

    def state(self, *, leader=True):
        units = {n: encoded(self.said(actor)) for n, actor in enumerate(self.actors.values())}
        self.nodes = dataclasses.replace(self.nodes, remote_units_data=units)
        relations = [self.peers, self.nodes, *self.more] if self.actors else [self.peers]
        return testing.State(
            leader=leader, config=self.config, relations=relations, secrets=self.secrets
        )

    def said(self, actor):
        said = actor.says()
        if actor.machine.role == "control-plane" and self.view and actor.heard:
            said = dataclasses.replace(said, cluster=self.seen(), budgets=self.budgets)
        if actor.name in self.doing:
            said = dataclasses.replace(said, status="disrupted", doing=self.doing[actor.name])
        return dataclasses.replace(said, foreign=self.foreign, slips=self.slips)

    def seen(self):
        voters = [actor for actor in self.actors.values() if actor.machine.voter]
        return ClusterView(
            at=self.now,
            missing=tuple(
                Missing(a.name, heard=False, since=self.now - 60)
                for a in self.actors.values()
                if not a.heard
            ),
            voters=tuple(a.name for a in voters),
            answering=tuple(a.name for a in voters if a.heard),
        )

    def event(self, name="update_status", *, leader=True):
        self._keep(self.ctx.run(getattr(self.ctx.on, name)(), self.state(leader=leader)))
        return self

    def act(self, action, *, leader=True, **params):
        """Run an action; return its results."""
        declared = CHARMCRAFT["actions"][action].get("params", {})
        shown = {name: each["default"] for name, each in declared.items() if "default" in each}
        shown |= {name.replace("_", "-"): value for name, value in params.items()}
        run = self.ctx.on.action(action, params=shown)
        self._keep(self.ctx.run(run, self.state(leader=leader)))
        return self.ctx.action_results

    def _keep(self, out):
        self.out = out
        self.secrets = list(out.secrets)
        self.peers = out.get_relation(self.peers.id)
        if self.actors:
            self.nodes = out.get_relation(self.nodes.id)

    def offer(self, **changes):
        """Set the option plan; return the plan's digest."""
        self.config = {**self.config, "plan": written(**changes)}
        return accepted(**changes).digest

    def start(self, **changes):
        digest = self.offer(**changes)
        self.act("start", plan_digest=digest)
        return digest

    def obey(self):
        """Let every node that is heard read its order and act on it."""
        for actor in self.actors.values():
            if actor.heard:
                actor.obey(self.orders(), self.now)
        return self

    def round(self, seconds=60):
        """Let time pass: the nodes act and soak, the coordinator looks."""
        self.obey()
        self.clock.advance(seconds)
        for actor in self.actors.values():
            if actor.heard:
                actor.soak(seconds, self.now)
        return self.event()

    def rounds(self, most=40):
        for _ in range(most):
            if self.round().rollout.phase in ledger.TERMINAL:
                break
        return self

    def orders(self):
        """What the nodes are told, each by its slip or, if it knows none, by the databag."""
        said = decoded(node_upgrade.Orders, self.nodes.local_app_data)
        contents = {secret.id: secret.latest_content for secret in self.secrets}
        entries = [
            decoded(node_upgrade.SlipContent, contents[slip.secret]).order for slip in said.slips
        ]
        return dataclasses.replace(said, orders=(*said.orders, *entries))

    def verbs(self):
        return {order.node: order.verb for order in self.orders().orders}

    def granted(self):
        return [name for name, verb in self.verbs().items() if verb == "grant"]

    def versions(self):
        return {actor.version for actor in self.actors.values()}

    @property
    def rollout(self):
        return ledger.read(json.loads(self.peers.local_app_data["rollout"]))

    @property
    def status(self):
        return self.out.unit_status
