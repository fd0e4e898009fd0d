"""Sites whose upgrades the real controller coordinates, and what must hold after every hook."""

import json
import pathlib

import yaml

from edgecloud.rollout import ledger, plan, state
from edgelab import model

HERE = pathlib.Path(__file__).parent
CONTROLLER = HERE.parents[1] / "charms" / "edge-upgrade-controller"
NODE = HERE / "obedient_node"
GATE = HERE / "gate_source"
MEMORY = "/var/lib/obedient/memory.json"
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
TARGETS_REPAIRED = {
    "kubernetes": {"to": "1.35", "releases": {"1.35": {"revision": {"arm64": 1351}}}}
}
TARGETS_ALL = {
    "kubernetes": {
        "to": "1.35",
        "releases": {f"1.{n}": {"revision": {"arm64": 100 + n}} for n in (33, 34, 35)},
    }
}
DISTURBED = frozenset(state.State) - state.RESTING - state.UNTOUCHED - {state.State.SOAKING}


class UpgradeSite(model.Model):
    """Nodes that obey, one or more controllers, and somebody who counts who is disturbed."""

    def __init__(self, folder, *, seed, planes=3, workers=0, late=0, controllers=1):
        super().__init__(folder, seed=seed)
        self.disturbed = set()
        self.most_disturbed = 0
        self.add_application("control", CONTROLLER)
        self.controllers = [self.add_unit("control").machine for _ in range(controllers)]
        self.names = {}
        self.ran = {}
        for app, role, count, build in (
            ("plane", "control-plane", planes, "microk8s:134"),
            ("worker", "worker", workers, "microk8s:134"),
            ("late", "worker", late, "microk8s:132"),
        ):
            if count:
                self._deploy(app, role, count, build)
        self.down = {}
        self.show_cluster()
        self.record.watchers.append(self._count)
        self.settle()

    def _deploy(self, app, role, count, build):
        self.add_application(app, NODE, config={"role": role, "build": build})
        for _ in range(count):
            unit = self.add_unit(app)
            self.names[self.world.machines[unit.machine].hostname] = unit.name
        self.integrate("control:nodes", f"{app}:controller")

    # What is done to the site

    def offer(self, **changes):
        """Set the plan; return its digest."""
        document = {**DOCUMENT, **changes}
        self.set_config("control", {"plan": yaml.safe_dump(document)})
        return plan.read(document).digest

    def start(self, **changes):
        digest = self.offer(**changes)
        self.ask("start", **{"plan-digest": digest})
        return digest

    def ask(self, action, **params):
        run = self.run("control/leader", action, params)
        assert run.status == "completed", run.message
        return run.results

    def refused(self, action, **params):
        run = self.run("control/leader", action, params)
        assert run.status == "failed"
        return run.message

    def host(self, name):
        return self.world.machines[self.units[self.names[name]].machine].host()

    def switch_off(self, name):
        self.power_off(self.units[self.names[name]].machine)
        self.down[name] = int(self.clock.now())
        self.show_cluster()

    def switch_on(self, name):
        self.power_on(self.units[self.names[name]].machine)
        del self.down[name]
        self.show_cluster()

    def show_cluster(self):
        """Let every node that runs see who is down."""
        voters = [name for name, unit in self.names.items() if unit.startswith("plane/")]
        text = json.dumps({"voters": voters, "down": self.down})
        for name in self.names:
            if name not in self.down:
                self.host(name).write("/run/cluster.json", text)

    def mark(self, name, path, *, on=True):
        """Put a file on a node's machine that its stand-in goes by, or take it away."""
        host = self.host(name)
        host.write(path, "") if on else host.remove(path)

    def relate_monitor(self, url):
        self.add_application("monitor", GATE, config={"url": url})
        self.add_unit("monitor")
        self.integrate("control:health-gate", "monitor:gate")
        self.settle()

    def spoil(self, build):
        """Make a build one that fails on every node."""
        for name in self.names:
            self.host(name).write("/run/bad", build)

    # What is seen of it

    def memory(self, name):
        """What a node remembers, on or off."""
        machine = self.world.machines[self.units[self.names[name]].machine]
        file = machine.root / MEMORY.lstrip("/")
        return json.loads(file.read_text()) if file.exists() else {"node": {}, "running": ""}

    def states(self):
        return {n: self.memory(n)["node"].get("state", "idle") for n in self._living()}

    def builds(self):
        return {self.memory(name)["running"] for name in self._living()}

    def upgraded(self):
        return [name for name, ran in self.ran.items() if len(ran) > 1]

    def _living(self):
        return [name for name, unit in self.names.items() if unit in self.units]

    @property
    def rollout(self):
        return ledger.read(json.loads(self._books))

    @property
    def _books(self):
        (relation,) = [each for each in self.relations.values() if each.peer]
        return relation.app_bags["control"].data["rollout"]

    def is_in(self, phase):
        """The same as asking for the phase, at no cost on a large site."""
        return f'"phase":"{phase}"' in self._books

    @property
    def phase(self):
        return self.rollout.phase.value

    @property
    def status(self):
        return self.units[self.applications["control"].leader].status

    def until(self, holds, *, hooks=3000):
        """Run until something holds; let time pass where no hook is due."""
        for _ in range(hooks):
            if holds():
                return self
            if not self.step():
                self.advance_to(min(filter(None, [self.next_due(), self._next_poll()])))
        raise AssertionError(f"never came: {self.rollout.phase}, {self.status}, {self.states()}")

    def until_ended(self):
        return self.until(lambda: self.rollout.phase in ledger.TERMINAL)

    def classes(self):
        """The classes of state that the controller knows of."""
        return {entry.status.value for entry in self.rollout.entries.values()}

    def granted(self):
        return [n for n, entry in self.rollout.entries.items() if entry.holds_slot]

    def _count(self, hook):
        """Count the nodes that are out of service, at every moment at which that can change."""
        if hook.unit.startswith(("control/", "monitor/")):
            return
        name = next(name for name, unit in self.names.items() if unit == hook.unit)
        memory = self.memory(name)
        passed = self.ran.setdefault(name, [])
        if memory["running"] and memory["running"] not in passed[-1:]:
            passed.append(memory["running"])
        now = memory["node"].get("state", "idle")
        change = self.disturbed.add if state.State(now) in DISTURBED else self.disturbed.discard
        change(name)
        self.most_disturbed = max(self.most_disturbed, len(self.disturbed))
