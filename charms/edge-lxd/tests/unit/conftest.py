"""Simulated machines with LXD, and units of the charm on them."""

import dataclasses
import pathlib

import pytest
import yaml
from ops import testing

import charm
import joining
import membership
from edgecloud import host as machines
from edgecloud import testing as relations
from edgecloud.host import snap
from edgecloud.interfaces.lxd_cluster import ClusterRecord, Member, MemberReport
from edgecloud.lxd import cluster, daemon, images, server, storage
from edgelab import pi

CHARMCRAFT = pathlib.Path(__file__).parents[2] / "charmcraft.yaml"


@dataclasses.dataclass
class Pis:
    """Machines pi-0, pi-1… of one world."""

    world: pi.World

    def add(self, *numbers, **facts):
        for number in numbers:
            self.world.add_machine(str(number), **facts)
        return self

    def install(self, *numbers):
        for number in numbers:
            snap.install(self.host(number), "lxd", channel="5.21/stable")
            snap.hold(self.host(number), "lxd")
        return self

    def found(self, number):
        joining.found(self.api(number), name(number), self.address(number))
        return self

    def join(self, *numbers):
        for number in numbers:
            token = cluster.mint(self.api(0), name(number))
            at = daemon.Joining(token, self.address(number))
            daemon.join(self.host(number), daemon.SNAP, at)
        return self

    def host(self, number):
        return self.world.machines[str(number)].host()

    def api(self, number):
        return daemon.connect(self.host(number), daemon.SNAP)

    def address(self, number):
        return f"{self.world.machines[str(number)].address}:8443"

    def cluster(self, number=0):
        return server.get(self.api(number)).fingerprint

    def members(self, number=0):
        return [one.name for one in cluster.members(self.api(number))]

    def power_off(self, number):
        self.world.machines[str(number)].power_off()

    def fail(self, number, *command, **options):
        effect = options.pop("effect", pi.fail(1, "told to fail"))
        self.world.machines[str(number)].faults.add(pi.Fault(command, effect, **options))

    def ran(self, *words):
        return [call for call in self.world.calls if set(words) <= set(call.argv)]

    def wrote(self, number=0):
        """What was asked of a daemon that changes something."""
        return [
            call.argv[1:]
            for call in self.world.calls
            if call.machine == str(number) and call.argv[0].endswith("/api")
            if call.argv[1] != "GET"
        ]


def name(number):
    return membership.member_name(f"edge-lxd/{number}")


@pytest.fixture
def pis(tmp_path):
    """Machines without LXD yet: none."""
    return Pis(pi.World(tmp_path, pi.Clock(1_800_000_000), seed=1))


@pytest.fixture
def single(pis):
    """One machine, a cluster of its own."""
    return pis.add(0).install(0).found(0)


@pytest.fixture
def trio(pis):
    """Three machines, one cluster with its pools."""
    pis.add(0, 1, 2).install(0, 1, 2).found(0)
    for pool, driver in (("local", "btrfs"), ("juju", "dir")):
        storage.ensure(pis.api(0), pool, driver, {}, members=[name(0)])
    return pis.join(1, 2)


class Unit:
    """One unit of the charm on a simulated machine, told of events through ``ops.testing``."""

    def __init__(self, pis, number, app="edge-lxd"):
        self.pis, self.number = pis, number
        self.ctx = testing.Context(charm.EdgeLxdCharm, app_name=app, unit_id=number)

    def state(self, *found, peers=None, **fields):
        address = self.pis.world.machines[str(self.number)].address
        bind = [testing.BindAddress([testing.Address(address)])]
        networks = {testing.Network("cluster", bind, ingress_addresses=[address])}
        fields.setdefault("planned_units", 1)
        return testing.State(
            relations=[peers or relations.lxd_peers(), *found], networks=networks, **fields
        )

    def dispatch(self, event, state):
        former = machines.use(self.pis.host(self.number))
        try:
            return self.ctx.run(event, state)
        finally:
            machines.use(former)

    def update(self, *found, **fields):
        """Run update-status, and return the state that it leaves."""
        return self.dispatch(self.ctx.on.update_status(), self.state(*found, **fields))

    def go_on(self, state):
        """Run update-status on what an earlier hook left."""
        return self.dispatch(self.ctx.on.update_status(), state)

    def act(self, action, *found, **fields):
        """Run an action, and return its results."""
        params = {**defaults(action), **fields.pop("params", {})}
        state = self.state(*found, **fields)
        self.dispatch(self.ctx.on.action(action, params=params), state)
        return dict(self.ctx.action_results or {})


def defaults(action):
    """What Juju adds to the parameters that an operator gives."""
    declared = yaml.safe_load(CHARMCRAFT.read_text())["actions"][action].get("params", {})
    return {name: one["default"] for name, one in declared.items() if "default" in one}


@pytest.fixture
def unit(pis):
    """Make a unit on a machine, by its number; the machine is made if it is not there."""

    def make(number=0, **facts):
        if str(number) not in pis.world.machines:
            pis.add(number, **facts)
        return Unit(pis, number)

    return make


@pytest.fixture
def record(pis):
    """The books of a cluster of which these numbers are members, the first its steward."""

    def make(*numbers, **fields):
        plain = {
            "founder": f"edge-lxd/{numbers[0]}",
            "cluster": pis.cluster(numbers[0]),
            "steward": f"edge-lxd/{numbers[0]}",
            "network": "managed",
            "members": tuple(member(pis, number) for number in numbers),
        }
        return ClusterRecord(**{**plain, **fields})

    return make


def member(pis, number, state="joined", since=0.0):
    return Member(f"edge-lxd/{number}", name(number), pis.address(number), state, since)


def said(pis, number, **fields):
    """What a unit reports: a machine with LXD, in no cluster yet unless it is said."""
    plain = {
        "arch": "arm64",
        "revision": "35001",
        "name": name(number),
        "address": f"10.20.0.{11 + number}:8443",
        "network": "managed",
        "ready": True,
    }
    return MemberReport(**{**plain, **fields})


def books(state):
    """The books that a hook left."""
    [relation] = state.get_relations("cluster")
    return relations.decoded(ClusterRecord, relation.local_app_data)


def report(state):
    """What a unit said in a hook."""
    [relation] = state.get_relations("cluster")
    return relations.decoded(MemberReport, relation.local_unit_data)


def with_image(pis, alias="juju/ubuntu@24.04/arm64"):
    """Have an image that nodes can be made of. Return its alias."""
    file = pis.world.root / "image.tar"
    file.write_bytes(b"an image")
    fingerprint, _ = images.ensure(pis.api(0), file)
    images.ensure_alias(pis.api(0), alias, fingerprint)
    return alias


def grow_pool(pi, pis, options, *found, image=True, hooks=6):
    """Let a unit that leads go on from a bare machine until its pool is as far as it gets."""
    state = pi.update(*found, leader=True)
    for _ in range(hooks - 2):
        state = pi.go_on(state)
    if options and image:
        with_image(pis)
    state = dataclasses.replace(state, config=options)
    for _ in range(2):
        state = pi.go_on(state)
    return state
