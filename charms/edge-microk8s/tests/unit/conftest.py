"""Simulated Pis with MicroK8s, and short ways to say what a cluster looks like."""

import dataclasses

import pytest
from ops import testing

import charm
import join_tokens
import microk8s
import quorum
from cluster_view import ClusterView
from edgecloud import host as machines
from edgecloud.host import kubectl
from edgecloud.interfaces.cluster_join import ClusterRecord, Member
from edgelab import pi

READY = kubectl.Readiness.READY
VOTER, STANDBY = quorum.Role.VOTER, quorum.Role.STANDBY


@dataclasses.dataclass
class Pis:
    """Machines pi-0, pi-1… of one world; the first is where others join."""

    world: pi.World

    def host(self, number):
        return self.world.machines[str(number)].host()

    def address(self, number):
        return self.world.machines[str(number)].address

    def add(self, *numbers, **facts):
        for number in numbers:
            self.world.add_machine(str(number), **facts)
        return self

    def install(self, *numbers):
        for number in numbers:
            launch = "version: 0.2.0\naddons:\n- name: rbac\n- name: dns\n"
            microk8s.install(self.host(number), channel="1.35/stable", launch=launch)
        return self.settle()

    def join(self, *numbers, worker=False):
        for number in numbers:
            url = join_tokens.mint(self.host(0), self.address(0))
            microk8s.join(self.host(number), url, worker=worker)
            self.settle()
        return self

    def settle(self, seconds=120):
        for _ in range(8):
            self.world.clock.advance(seconds / 8)
            self.world.tick()
        return self

    def fail(self, number, *command, **options):
        effect = options.pop("effect", pi.fail(1, "told to fail"))
        self.world.machines[str(number)].faults.add(pi.Fault(command, effect, **options))

    def ran(self, *words):
        return [call for call in self.world.calls if set(words) <= set(call.argv)]

    def nodes(self):
        """The nodes of the first machine's cluster, cordoned or not."""
        cluster = self.world.clusters[self.world.machines["0"].node.cluster]
        return {name: node.cordoned for name, node in cluster.nodes.items()}

    def members(self):
        return sorted(member.address for member in microk8s.live_members(self.host(0)))


@pytest.fixture
def pis(tmp_path):
    """Machines without MicroK8s yet: none."""
    return Pis(pi.World(tmp_path, pi.Clock(1_800_000_000), seed=1))


@pytest.fixture
def single(pis):
    return pis.add(0).install(0)


@pytest.fixture
def trio(pis):
    return pis.add(0, 1, 2).install(0, 1, 2).join(1, 2)


@pytest.fixture
def with_worker(pis):
    """One control plane, and a worker as number 1."""
    return pis.add(0, 1).install(0, 1).join(1, worker=True)


@pytest.fixture
def seen():
    """Return a view: a word per node, such as ``ready``, ``unknown`` or ``-`` for no node.

    Each has a voter beside it, unless ``workers`` counts it among the last.
    """

    def view(*readiness, workers=0, roles=None):
        found = [
            kubectl.Node(f"pi-{n}", kubectl.Readiness(word), addresses=(f"10.20.0.{11 + n}",))
            for n, word in enumerate(readiness)
            if word != "-"
        ]
        count = len(readiness) - workers
        members = [
            quorum.Member(f"10.20.0.{11 + n}", (roles or [VOTER] * count)[n], word == "ready")
            for n, word in enumerate(readiness[:count])
        ]
        return ClusterView(tuple(found), tuple(members))

    return view


@pytest.fixture
def member():
    """Return a member of the record for a number: unit edge-a/N, node pi-N."""

    def make(number, state="joined", *, role="control-plane", since=0.0):
        address = f"10.20.0.{11 + number}"
        return Member(f"edge-a/{number}", f"pi-{number}", address, role, state, since)

    return make


class Unit:
    """One unit of the charm on a simulated Pi, told of events through ``ops.testing``."""

    def __init__(self, pis, number, app="edge-a"):
        self.pis, self.number = pis, number
        self.ctx = testing.Context(charm.EdgeMicroK8sCharm, app_name=app, unit_id=number)

    def state(self, *relations, **fields):
        address = self.pis.address(self.number)
        bind = [testing.BindAddress([testing.Address(address)])]
        networks = {testing.Network("cluster", bind, ingress_addresses=[address])}
        archive = self.pis.world.root / "empty"
        archive.touch()
        resources = {testing.Resource(name="snap-installation", path=archive)}
        return testing.State(relations=relations, networks=networks, resources=resources, **fields)

    def dispatch(self, event, state):
        former = machines.use(self.pis.host(self.number))
        try:
            return self.ctx.run(event, state)
        finally:
            machines.use(former)

    def update(self, *relations, **fields):
        """Run update-status, and return the state that it leaves."""
        return self.dispatch(self.ctx.on.update_status(), self.state(*relations, **fields))

    def act(self, name, *relations, **params):
        """Run an action, and return its results."""
        self.dispatch(self.ctx.on.action(name, params=params), self.state(*relations))
        return self.ctx.action_results


@pytest.fixture
def unit(pis):
    """Make a unit on a machine, by its number."""
    return lambda number, **named: Unit(pis, number, **named)


@pytest.fixture
def cluster(pis, member):
    """The record of a cluster of which these numbers are members, the first its steward."""

    def record(*numbers, **fields):
        plain = {
            "cluster": microk8s.authority(pis.host(0)),
            "steward": f"edge-a/{numbers[0]}",
            "members": tuple(member(number) for number in numbers),
            "endpoints": tuple(f"{pis.address(number)}:16443" for number in numbers),
        }
        return ClusterRecord(**{**plain, **fields})

    return record
