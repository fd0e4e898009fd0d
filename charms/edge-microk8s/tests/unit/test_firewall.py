import hypothesis
import pytest
from hypothesis import strategies

import firewall
from edgelab import pi
from edgelab.pi import firewall as filters

MEMBERS = strategies.lists(strategies.ip_addresses(v=4).map(str), min_size=1, max_size=8)


@pytest.fixture
def machine(tmp_path):
    return pi.World(tmp_path).add_machine("0", address="10.0.0.1")


def test_given_members_when_ensured_then_strangers_are_shut_out_of_two_ports_only(machine):
    assert firewall.ensure(machine.host(), ["10.0.0.1", "10.0.0.2"])

    assert filters.admits(machine, "10.0.0.2", 25000)
    assert not filters.admits(machine, "10.0.0.9", 25000)
    assert not filters.admits(machine, "10.0.0.9", 19001)
    assert filters.admits(machine, "10.0.0.9", 16443)


def test_given_the_same_members_when_ensured_again_then_no_process_is_started(machine):
    firewall.ensure(machine.host(), ["10.0.0.1", "10.0.0.2"])
    calls = len(machine.world.calls)

    assert not firewall.ensure(machine.host(), ["10.0.0.2", "10.0.0.1", "10.0.0.1"])
    assert len(machine.world.calls) == calls


def test_given_a_member_that_left_when_ensured_then_it_is_shut_out(machine):
    firewall.ensure(machine.host(), ["10.0.0.1", "10.0.0.2"])

    assert firewall.ensure(machine.host(), ["10.0.0.1"])

    assert not filters.admits(machine, "10.0.0.2", 25000)


def test_given_no_members_when_ensured_then_nothing_is_touched(machine):
    assert not firewall.ensure(machine.host(), [])
    assert machine.nft == {}


def test_given_members_nobody_knows_any_more_when_ensured_then_nobody_is_shut_out(machine):
    firewall.ensure(machine.host(), ["10.0.0.1"])

    firewall.ensure(machine.host(), [])

    assert filters.admits(machine, "10.0.0.9", 25000)


def test_given_both_families_when_rendered_then_each_has_its_rule_and_loopback_comes_first():
    lines = [line.strip() for line in firewall.render(["fd00::2", "10.0.0.2"]).splitlines()]

    assert lines.index("iif lo accept") < lines.index(
        "ip saddr { 10.0.0.2 } tcp dport { 19001, 25000 } accept"
    )
    assert "ip6 saddr { fd00::2 } tcp dport { 19001, 25000 } accept" in lines


def test_given_an_address_that_brings_more_when_rendered_then_it_is_none():
    with pytest.raises(firewall.FirewallError, match="not an address: fe80"):
        firewall.render(["fe80::1%a } accept\nip6 saddr { fe80::2"])


def test_given_names_instead_of_addresses_when_rendered_then_all_are_named():
    with pytest.raises(firewall.FirewallError, match=r"not an address: pi-1, pi-2"):
        firewall.render(["pi-2", "10.0.0.1", "pi-1"])


@hypothesis.given(MEMBERS, strategies.randoms(use_true_random=False))
def test_given_any_order_when_rendered_then_the_rules_are_the_same(members, random):
    shuffled = [*members, members[0]]
    random.shuffle(shuffled)

    assert firewall.render(shuffled) == firewall.render(members)


def test_given_a_restart_when_back_then_the_unit_that_loads_the_rules_is_enabled(machine):
    firewall.ensure(machine.host(), ["10.0.0.1"])

    assert machine.units["edge-microk8s-firewall.service"].enabled
    assert machine.host().path(firewall.RULES).stat().st_mode & 0o777 == 0o600


def test_given_rules_that_nft_refuses_when_ensured_then_the_next_hook_tries_again(machine):
    machine.faults.add(pi.Fault((firewall.NFT,), pi.fail(1, "syntax error")))
    with pytest.raises(firewall.FirewallError, match="syntax error"):
        firewall.ensure(machine.host(), ["10.0.0.1"])

    assert firewall.ensure(machine.host(), ["10.0.0.1"])


def test_given_no_nft_when_ensured_then_the_package_is_named(machine):
    machine.path(firewall.NFT).unlink()

    with pytest.raises(firewall.FirewallError, match="nftables"):
        firewall.ensure(machine.host(), ["10.0.0.1"])


def test_given_rules_when_removed_then_everybody_is_admitted_and_nothing_is_left(machine):
    firewall.ensure(machine.host(), ["10.0.0.1"])

    assert firewall.remove(machine.host())

    assert filters.admits(machine, "10.0.0.9", 25000)
    assert not machine.host().exists(firewall.RULES)
    assert not firewall.remove(machine.host())
