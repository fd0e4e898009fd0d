"""The site's own authority, with the real openssl."""

import time

import pytest

import authority
from edgelab import pi

DAY_S = 86400


@pytest.fixture
def host(world):
    return world.add_machine("0").host()


def openssl(host, *words):
    return host.run(("/usr/bin/openssl", *words), timeout_s=60).stdout


def test_given_nothing_when_ensured_then_a_client_that_trusts_the_authority_trusts_the_door(host):
    assert authority.ensure(host, {"10.0.0.5", "pi-1"}) is True

    text = openssl(host, "x509", "-noout", "-text", "-in", authority.CERTIFICATE)
    assert "IP Address:10.0.0.5, DNS:pi-1" in text
    assert "OK" in openssl(host, "verify", "-CAfile", authority.CA, authority.CERTIFICATE)


def test_given_a_certificate_when_ensured_then_it_stays(host):
    authority.ensure(host, {"10.0.0.5"})

    assert authority.ensure(host, {"10.0.0.5"}) is False


def test_given_another_address_when_ensured_then_the_same_authority_signs_anew(host):
    authority.ensure(host, {"10.0.0.5"})
    before = host.read(authority.CA)

    assert authority.ensure(host, {"10.0.0.6"}) is True
    assert host.read(authority.CA) == before


@pytest.mark.parametrize(("days", "renewed"), [(200, False), (300, True)])
def test_given_time_passes_when_ensured_then_the_certificate_is_renewed_long_before_its_end(
    tmp_path, days, renewed
):
    # openssl signs by this computer's clock.
    world = pi.World(tmp_path / "now", pi.Clock(time.time()))
    host = world.add_machine("0").host()
    authority.ensure(host, {"10.0.0.5"})

    world.clock.advance(days * DAY_S)

    assert authority.ensure(host, {"10.0.0.5"}) is renewed


def test_given_keys_when_made_then_only_root_may_read_them(host):
    authority.ensure(host, {"10.0.0.5"})

    modes = {host.path(path).stat().st_mode & 0o777 for path in (authority.KEY, authority.CA_KEY)}
    assert modes == {0o600}


def test_given_openssl_that_fails_when_ensured_then_its_words_are_kept(host):
    host.machine.faults.add(pi.Fault(("openssl", "genpkey"), pi.fail(1, "no entropy")))

    with pytest.raises(authority.AuthorityError, match="no entropy"):
        authority.ensure(host, {"10.0.0.5"})
