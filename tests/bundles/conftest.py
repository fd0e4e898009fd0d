"""Whole sites in the lab, watched from the first hook on."""

import pathlib

import invariants
import pytest
import sites

from edgelab import model

REPOSITORY = pathlib.Path(__file__).parents[2]
CHARM = REPOSITORY / "charms" / "edge-microk8s"
SEEDS = range(20)
"""For what may go wrong in one order of hooks and not in another."""


def pytest_addoption(parser):
    parser.addoption(
        "--seeds", type=int, default=len(SEEDS), help="leave out the tests of higher seeds"
    )


def pytest_collection_modifyitems(config, items):
    """Leave out what belongs to seeds that are not wanted."""
    count = config.getoption("--seeds")
    unwanted = [item for item in items if _seed_of(item) >= count]
    config.hook.pytest_deselected(items=unwanted)
    items[:] = [item for item in items if _seed_of(item) < count]


def _seed_of(item):
    return item.callspec.params.get("seed", 0) if hasattr(item, "callspec") else 0


class Site(model.Model):
    """A model with one application of control planes, and somebody who watches it."""

    def __init__(self, folder, *, seed, pis=3):
        super().__init__(folder, seed=seed)
        self.watch = invariants.Watch(self)
        self.add_application("edge-microk8s", CHARM)
        for _ in range(pis):
            self.add_unit("edge-microk8s")

    def settle(self, **limits):
        """Settle, then check what must hold on a settled site."""
        super().settle(**limits)
        self.watch.settled()

    def leader(self):
        return self.applications["edge-microk8s"].leader

    def nodes(self):
        """The nodes of the one cluster, by host name: ready or not."""
        return {name: node.ready == "True" for name, node in self.cluster().nodes.items()}

    def voters(self):
        return self.cluster().voters()

    def cluster(self):
        """The cluster with the most nodes."""
        return max(self.world.clusters.values(), key=lambda cluster: len(cluster.nodes))

    def statuses(self):
        return {unit.name: unit.status.name for unit in self.units.values()}


@pytest.fixture
def make_site(tmp_path):
    yield from sites.making(Site, tmp_path)


@pytest.fixture(params=SEEDS, ids=lambda seed: f"seed-{seed}")
def seed(request):
    return request.param
