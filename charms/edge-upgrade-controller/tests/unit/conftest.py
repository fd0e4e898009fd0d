"""Sites of a few nodes, coordinated by the real charm."""

import pytest
import sites

from edgecloud import host as machines
from edgecloud.rollout import inventory


@pytest.fixture
def make_site(tmp_path):
    former = machines.this()
    made = []

    def make(**options):
        made.append(sites.Site(tmp_path / str(len(made)), **options))
        return made[-1]

    yield make
    machines.use(former)


@pytest.fixture
def site(make_site):
    return make_site()


@pytest.fixture
def members():
    """Return an inventory of control planes and workers."""

    def make(planes=3, workers=0, version="1.34.2"):
        found = [
            inventory.Member(f"pi-{n}", role="control-plane", voter=True, version=version)
            for n in range(planes)
        ]
        found += [
            inventory.Member(f"pi-{n}", version=version) for n in range(planes, planes + workers)
        ]
        return inventory.freeze(found)

    return make
