import pytest

from edgelab import pi


@pytest.fixture
def raspberry(tmp_path):
    """Return a simulated Pi as charm code sees it."""
    return pi.World(tmp_path, pi.Clock()).add_machine("0").host()
