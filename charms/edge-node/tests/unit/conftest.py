"""One simulated Pi with the charm on it, event by event."""

import dataclasses
import os

import pytest
from ops import testing

import charm
from edgecloud import host as machines
from edgecloud.agent import exchange, paths
from edgecloud.interfaces import edge_component, node_upgrade
from edgecloud.rollout import inventory, messages, plan
from edgecloud.testing import decoded, encoded
from edgelab import pi

START = 1_800_000_000
DOCUMENT = {
    "apiVersion": "edgecloud/v1",
    "kind": "UpgradePlan",
    "id": "k8s-136",
    "expires": "2030-02-01T00:00:00Z",
    "windows": "always",
    "targets": {"kubernetes": {"to": "1.36", "releases": {"1.36": {"revision": {"arm64": 136}}}}},
}
WORKER = edge_component.Component(
    kind="microk8s", node="pi-0", role="worker", failure_domain="rack-a", kubeconfig="/root/k"
)
PLANE = dataclasses.replace(WORKER, role="control-plane", voter=True)
MEMBER = inventory.Member("pi-0", version="v1.35.2")
CLUSTER_YAML = "/var/snap/microk8s/current/var/kubernetes/backend/cluster.yaml"


class Node:
    """The charm's state from event to event, and the machine below it."""

    def __init__(self, folder):
        self.world = pi.World(folder, pi.Clock(START), seed=1)
        self.machine = self.world.add_machine("0")
        self.host = self.machine.host()
        self.ctx = testing.Context(charm.EdgeNodeCharm, app_name="edge-node", unit_id=0)
        self.config = {}
        self.component = testing.SubordinateRelation("component", remote_app_name="principal")
        self.controller = testing.Relation("controller", remote_app_name="control")
        self.monitor = None
        self.agent = None
        self.model = testing.Model("site")
        self.secrets = []
        self.accepted = plan.read(DOCUMENT)
        self.status = None
        machines.use(self.host)

    def runs(self, component):
        """Let the principal say what runs here."""
        self.component = dataclasses.replace(self.component, remote_unit_data=encoded(component))
        return self

    def watched_by(self, sink, *secrets):
        """Let a monitor say where samples go, and hand out what lets this unit in."""
        if self.monitor is None:
            self.monitor = testing.Relation("monitor", remote_app_name="edge-monitor")
        said = {0: encoded(sink)}
        self.monitor = dataclasses.replace(self.monitor, remote_units_data=said)
        self.secrets = list(secrets)
        return self

    def beside_an_agent(self):
        """Let an observability agent be on this machine."""
        self.agent = testing.SubordinateRelation("cos-agent", remote_app_name="otelcol")
        return self

    def order(self, verb, *, stamp=(1, 1), part="kubernetes/1.36", member=MEMBER):
        """Let the controller order something."""
        given = messages.Order(
            stamp, messages.Verb(verb), self.accepted.digest, part, expires=START + 900
        )
        said = node_upgrade.Orders(
            schema=node_upgrade.SCHEMA,
            digest=self.accepted.digest,
            plan=plan.canonical(self.accepted),
            orders=(node_upgrade.written("pi-0", given, member),),
            live=verb != "forget",
        )
        self.controller = dataclasses.replace(self.controller, remote_app_data=encoded(said))
        return self

    def reports(self, status, state="", **fields):
        """Let the agent have said something."""
        report = messages.Report(
            messages.Status(status), self.accepted.digest, "kubernetes/1.36", **fields
        )
        exchange.write_outbox(self.host, report, state=state or status)
        return self

    def event(self, name="update_status"):
        out = self.ctx.run(getattr(self.ctx.on, name)(), self._state())
        self.component = out.get_relation(self.component.id)
        self.controller = out.get_relation(self.controller.id)
        self.monitor = self.monitor and out.get_relation(self.monitor.id)
        self.agent = self.agent and out.get_relation(self.agent.id)
        self.status = out.unit_status
        return self

    def act(self, action, **params):
        self.ctx.run(self.ctx.on.action(action, params=params), self._state())
        return self.ctx.action_results

    def _state(self):
        relations = [self.component, self.controller, self.monitor, self.agent]
        return testing.State(
            model=self.model,
            relations=list(filter(None, relations)),
            config=self.config,
            secrets=self.secrets,
        )

    @property
    def wishes(self):
        return decoded(edge_component.Wishes, self.component.local_unit_data)

    @property
    def said(self):
        return decoded(node_upgrade.NodeReport, self.controller.local_unit_data)

    @property
    def inbox(self):
        return exchange.read_inbox(self.host)

    def cluster_of(self, count):
        """Let this node remember a datastore of so many members."""
        rows = "".join(f"- Address: 10.20.0.{n + 11}:19001\n" for n in range(count))
        self.host.write(CLUSTER_YAML, rows)
        return self

    def wake(self):
        """Let the agent run once, as its timer would."""
        self.host.run(("/usr/bin/systemctl", "start", "edge-agent.service"), timeout_s=900)
        return self

    def wake_after_install(self):
        """Let the agent speak, and the charm hear it."""
        return self.event("install").wake().event()

    @property
    def veto(self):
        return self.host.read(paths.VETO) if self.host.exists(paths.VETO) else ""


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch):
    """Let the test's own disk alone: the machine is a simulated one."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def node(tmp_path):
    former = machines.this()
    yield Node(tmp_path)
    machines.use(former)


@pytest.fixture
def host(node):
    return node.host
