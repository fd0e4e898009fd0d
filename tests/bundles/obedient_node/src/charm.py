"""A node that obeys: the real core and the real interface, on a machine that is only played."""

from __future__ import annotations

import dataclasses
import json

import ops

from edgecloud import host as machines
from edgecloud.host import systemd
from edgecloud.interfaces import node_upgrade
from edgecloud.rollout import messages, node, plan, route, state

MEMORY = "/var/lib/obedient/memory.json"
CLUSTER = "/run/cluster.json"
APPLY_S = 60
VIEW_S = 240


@dataclasses.dataclass
class Machine:
    """What there would be on a real machine."""

    name: str
    node: state.Node
    running: str
    staged: str = ""
    owner: str = ""
    began: int = 0
    seen: int = 0

    @property
    def version(self):
        """As the build says it: microk8s:1351 is one of 1.35."""
        return f"1.{self.running.partition(':')[2][1:3]}.2"


class ObedientNodeCharm(ops.CharmBase):
    """Reads its order, goes as far as it can in one hook, and says where it is."""

    def __init__(self, framework):
        super().__init__(framework)
        self._host = machines.this()
        self._controller = node_upgrade.NodeUpgradeRequirer(self)
        for event in (
            self.on.start,
            self.on.update_status,
            self.on["controller"].relation_created,
            self.on["controller"].relation_changed,
            self.on.secret_changed,
        ):
            framework.observe(event, self._on_wake)
        framework.observe(self.on.collect_unit_status, self._on_collect_status)

    def _on_wake(self, _):
        now, machine = int(self._host.now()), self._remember()
        soaked = machine.node.state is state.State.SOAKING
        self._take(machine, state.Resumed(self._facts(machine), now))
        self._obey(machine, now)
        self._work(machine, now)
        if soaked and machine.node.state is state.State.SOAKING:
            self._take(machine, state.Ticked(self._facts(machine), now, self._alive(machine, now)))
        machine.seen = now
        self._keep(machine)
        self._publish(machine, now)
        resting = state.RESTING | {state.State.WAITING, state.State.REGRESSED}
        if machine.node.state not in resting:
            name = f"obedient-{self.unit.name.replace('/', '-')}"
            systemd.arm(self._host, name, APPLY_S, systemd.dispatch_command(self.unit.name))

    def _alive(self, machine, now):
        return min(300, now - machine.seen)

    def _obey(self, machine, now):
        said = self._controller.order(machine.name)
        if said is None:
            return
        accepted = plan.parse(said.plan)
        work = route.work(accepted, said.order.part, said.order.wave, said.member)
        facts = self._facts(machine)
        self._take(machine, state.Ordered(said.order, work, facts, now))

    def _work(self, machine, now):
        while effects := node.pending(machine.node):
            if effects[0] is state.Effect.APPLY and not self._is_applied(machine, now):
                return
            before = machine.node
            self._take(machine, self._perform(machine, effects[0], now))
            if machine.node == before:
                return

    def _is_applied(self, machine, now):
        """Applying takes a while; the hook does not wait for it."""
        machine.began = machine.began or now
        if now - machine.began < APPLY_S:
            return False
        machine.began = 0
        return True

    def _perform(self, machine, effect, now):
        match effect:
            case state.Effect.STAGE:
                machine.staged = machine.node.work.target
            case state.Effect.CORDON:
                machine.owner = machine.node.owner
            case state.Effect.APPLY:
                machine.running = machine.node.target
            case state.Effect.ROLL_BACK:
                machine.running = machine.node.prior
            case state.Effect.UNCORDON:
                machine.owner = ""
        facts = self._facts(machine)
        if effect is state.Effect.DRAIN and self._host.exists("/run/unyielding"):
            return state.Failed(effect, facts, now, "default/web allows no disruption")
        if effect is state.Effect.VALIDATE and machine.running in self._bad():
            return state.Failed(effect, facts, now, "kubelet is not well")
        return state.Done(effect, facts, now)

    def _bad(self):
        return self._host.read("/run/bad").split() if self._host.exists("/run/bad") else ()

    def _take(self, machine, event):
        machine.node, _ = node.step(machine.node, event)

    def _facts(self, machine):
        return state.Facts(
            running=machine.running,
            default=machine.running,
            staged=machine.staged,
            version=machine.version,
            cordoned=bool(machine.owner) or self._host.exists("/run/cordoned"),
            owner=machine.owner,
            veto=self._host.exists("/run/veto"),
        )

    def _remember(self):
        name = self._host.read("/etc/hostname").strip()
        if not self._host.exists(MEMORY):
            return Machine(name, state.Node(name), str(self.config["build"]))
        kept = json.loads(self._host.read(MEMORY))
        return Machine(**{**kept, "node": state.read(kept["node"])})

    def _keep(self, machine):
        kept = {**vars(machine), "node": state.write(machine.node)}
        self._host.write(MEMORY, json.dumps(kept))

    def _publish(self, machine, now):
        role = str(self.config["role"])
        is_plane = role == "control-plane"
        facts = node_upgrade.Machine(role, is_plane, arch="arm64", version=machine.version)
        report = state.report(machine.node, self._facts(machine), "")
        said = node_upgrade.describe(report, machine.name, facts)
        view = self._view(now) if is_plane else None
        self._controller.publish(dataclasses.replace(said, cluster=view))

    def _view(self, now):
        """What the cluster shows; the test says who is down. Kept fresh while it counts."""
        if not self._host.exists(CLUSTER):
            return None
        known = json.loads(self._host.read(CLUSTER))
        relation = self.model.get_relation("controller")
        bag = relation.data[self.unit] if relation else {}
        old = json.loads(bag.get("cluster", "{}")).get("at", 0)
        counts = self._controller.orders().live
        voters = tuple(known["voters"])
        return node_upgrade.ClusterView(
            at=now if counts and now - old >= VIEW_S else old,
            missing=tuple(
                node_upgrade.Missing(name, heard=False, since=since)
                for name, since in sorted(known["down"].items())
            ),
            voters=voters,
            answering=tuple(name for name in voters if name not in known["down"]),
        )

    def _on_collect_status(self, event):
        event.add_status(ops.ActiveStatus(messages.Status.IDLE.value))
