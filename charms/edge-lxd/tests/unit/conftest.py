"""Simulated machines, and units of the charm on them."""

import dataclasses

import pytest
from ops import testing

import charm
from edgecloud import host as machines
from edgelab import pi


@dataclasses.dataclass
class Pis:
    """Machines pi-0, pi-1… of one world."""

    world: pi.World

    def add(self, *numbers, **facts):
        for number in numbers:
            self.world.add_machine(str(number), **facts)
        return self

    def host(self, number):
        return self.world.machines[str(number)].host()

    def fail(self, number, *command, **options):
        effect = options.pop("effect", pi.fail(1, "told to fail"))
        self.world.machines[str(number)].faults.add(pi.Fault(command, effect, **options))

    def ran(self, *words):
        return [call for call in self.world.calls if set(words) <= set(call.argv)]


@pytest.fixture
def pis(tmp_path):
    """Machines without LXD yet: none."""
    return Pis(pi.World(tmp_path, pi.Clock(1_800_000_000), seed=1))


class Unit:
    """One unit of the charm on a simulated machine, told of events through ``ops.testing``."""

    def __init__(self, pis, number, app="edge-lxd"):
        self.pis, self.number = pis, number
        self.ctx = testing.Context(charm.EdgeLxdCharm, app_name=app, unit_id=number)

    def state(self, *relations, **fields):
        return testing.State(relations=relations, **fields)

    def dispatch(self, event, state):
        former = machines.use(self.pis.host(self.number))
        try:
            return self.ctx.run(event, state)
        finally:
            machines.use(former)

    def update(self, *relations, **fields):
        """Run update-status, and return the state that it leaves."""
        return self.dispatch(self.ctx.on.update_status(), self.state(*relations, **fields))


@pytest.fixture
def unit(pis):
    """Make a unit on a machine of its own, by its number."""

    def make(number=0, **facts):
        pis.add(number, **facts)
        return Unit(pis, number)

    return make
