"""The charm on a simulated Pi."""

import dataclasses
import os
import pathlib
import shutil

import pytest
from ops import testing

import charm
from edgecloud import host as machines
from edgelab import pi

# Some tests need a program that CI has; a laptop may not.
_NEEDED = {
    "test_dashboards_parse.py": "promtool",
    "test_rules_fire.py": "promtool",
    "test_site_seen.py": "chromium",
}
collect_ignore = [
    file
    for file, program in _NEEDED.items()
    if "CI" not in os.environ and not shutil.which(program)
]

CHARM = pathlib.Path(charm.__file__).parents[1]


@dataclasses.dataclass
class Monitor:
    """A unit of the charm, its machine, and the state it is in."""

    world: pi.World
    state: testing.State
    results: dict | None = None

    @property
    def machine(self):
        return self.world.machines["0"]

    @property
    def host(self):
        return self.machine.host()

    def set(self, **changes):
        self.state = dataclasses.replace(self.state, **changes)
        return self

    def config(self, **options):
        named = {name.replace("_", "-"): value for name, value in options.items()}
        return self.set(config={**self.state.config, **named})

    def run(self, event="config_changed", *arguments):
        context = testing.Context(charm.EdgeMonitorCharm, charm_root=CHARM, app_name="mon")
        former = machines.use(self.host)
        try:
            hook = getattr(context.on, event)
            self.state = context.run(hook(*arguments), self.state)
            self.results = context.action_results
        finally:
            machines.use(former)
        return self

    @property
    def status(self):
        return self.state.unit_status

    def unit(self, name):
        return self.host.read(f"/etc/systemd/system/{name}.service")

    def unit_exists(self, name):
        return self.host.exists(f"/etc/systemd/system/{name}.service")

    def line(self, name):
        line = next(line for line in self.unit(name).splitlines() if line.startswith("ExecStart="))
        return line.removeprefix("ExecStart=")

    def command(self, name):
        return self.line(name).split()

    def restarts(self, name):
        return [
            call
            for call in self.world.calls
            if list(call.argv[-2:]) == ["restart", f"{name}.service"]
        ]


@pytest.fixture
def world(tmp_path):
    return pi.World(tmp_path, pi.Clock(1_800_000_000), seed=1)


@pytest.fixture
def make_monitor(world):
    """Return a function that makes a monitor on a machine with these facts."""

    def make(**facts):
        world.add_machine("0", **{"mem_kb": 4 * 1024 * 1024, **facts})
        return Monitor(world, testing.State(leader=True))

    return make


@pytest.fixture
def monitor(make_monitor):
    return make_monitor().run("install")
