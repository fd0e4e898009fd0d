"""A monitor whose door an authority elsewhere signs for, with the real charm and real openssl."""

import pathlib
import time

import pytest

from edgelab import model

HERE = pathlib.Path(__file__).parent
MONITOR = HERE.parents[1] / "charms" / "edge-monitor"
AUTHORITY = HERE / "small_authority"
DOOR = "/etc/systemd/system/edge-monitor-door.service"
OWN = "server.crt:/etc/edge-monitor/tls/server.crt"
HOUR_S = 3600


@pytest.fixture
def site(tmp_path):
    # Certificates are made by this computer's clock.
    with model.Model(tmp_path / "lab", seed=3, start=time.time()) as made:
        made.add_application("edge-monitor", MONITOR)
        made.add_unit("edge-monitor")
        made.add_application("ca", AUTHORITY, config={"days": 1})
        made.add_unit("ca")
        made.settle()
        made.integrate("edge-monitor:certificates", "ca:certificates")
        made.settle()
        yield made


def door(site):
    return site.world.machines[site.units["edge-monitor/0"].machine].host().read(DOOR)


def files(site):
    host = site.world.machines[site.units["edge-monitor/0"].machine].host()
    return host.glob("/etc/edge-monitor/tls/signed-*.key")


def test_given_an_authority_when_related_then_its_certificate_is_shown_and_the_site_is_calm(site):
    assert OWN not in door(site)
    assert len(files(site)) == 1
    assert {unit.status.name for unit in site.units.values()} == {"active"}
    assert "certificate" not in site.units["edge-monitor/0"].status.message


def test_given_time_when_a_certificate_grows_old_then_another_is_there_and_the_old_key_is_gone(
    site,
):
    before, (key,) = door(site), files(site)
    # What it gives from now on outlasts what it gave before.
    site.set_config("ca", {"days": 30})

    # At one go: nothing that happens in between is of interest.
    site.advance_to(site.clock.now() + 17 * HOUR_S)
    site.settle()

    assert OWN not in door(site)
    assert door(site) != before
    assert len(files(site)) == 1
    assert files(site) != [key]


def test_given_an_authority_that_is_taken_away_when_it_goes_then_the_sites_own_is_shown(site):
    site.remove_application("ca")
    site.settle()

    assert OWN in door(site)
    assert files(site) == []
    assert site.units["edge-monitor/0"].status.name == "active"
