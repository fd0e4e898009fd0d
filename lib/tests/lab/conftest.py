"""A small charm in a repository of its own, and bundles of it for the lab to run."""

import pathlib
import textwrap

import pytest

from edgelab import bundle, model

REPOSITORY = pathlib.Path(__file__).parents[3]

CHARMCRAFT = f"""
name: pinger
type: charm
summary: Greets.
description: For tests.
peers:
  crew: {{interface: pinger_peers}}
config:
  options:
    greeting: {{type: string, default: hello, description: What to say.}}
actions:
  shout:
    description: Say it loudly.
    additionalProperties: false
platforms:
  ubuntu-24.04-arm64: {{build-on: [ubuntu@24.04:amd64], build-for: [ubuntu@24.04:arm64]}}
parts:
  shared:
    plugin: dump
    source: {REPOSITORY}/lib
    organize: {{edgecloud: lib/edgecloud}}
"""

CHARM = """
import ops
from edgecloud import host

class PingerCharm(ops.CharmBase):
    def __init__(self, framework):
        super().__init__(framework)
        for name in ("install", "config_changed", "update_status", "shout_action"):
            framework.observe(getattr(self.on, name), self._on_any)

    def _on_any(self, event):
        host.this().run(("/usr/bin/hostname",), timeout_s=10)
        if self.config["greeting"] == "fail":
            raise RuntimeError("told to fail")
        self.unit.status = ops.ActiveStatus(str(self.config["greeting"]))
"""

BUNDLE = """
default-base: ubuntu@24.04
applications:
  greeter-a:
    charm: ../dist/pinger_ubuntu-24.04-arm64.charm
    num_units: 2
    to: [0, 1]
    constraints: arch=arm64
    options: {greeting: hello}
machines:
  "0": {constraints: arch=arm64}
  "1": {constraints: arch=arm64}
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip("\n"))
    return path


@pytest.fixture
def pinger(tmp_path):
    write(tmp_path / "charms/pinger/charmcraft.yaml", CHARMCRAFT)
    write(tmp_path / "charms/pinger/src/charm.py", CHARM)
    return tmp_path / "charms/pinger"


@pytest.fixture
def make_bundle(tmp_path, pinger):
    """Write the bundle with one thing replaced, and return its path."""

    def make(old="", new=""):
        assert old in BUNDLE
        return write(tmp_path / "bundles/small.yaml", BUNDLE.replace(old, new))

    return make


@pytest.fixture
def deployed(tmp_path, make_bundle):
    """The bundle, deployed but not settled."""
    with model.Model(tmp_path / "lab", seed=1) as juju:
        juju.deploy(bundle.read(make_bundle()))
        yield juju


@pytest.fixture
def settled(deployed):
    deployed.settle()
    return deployed
