"""How instances reach the network, decided from what a machine has."""

import pytest

import site_network
from edgecloud import host

NOTHING = site_network.Facts((), "eth0")
BRIDGED = site_network.Facts(("br0",), "br0")


@pytest.mark.parametrize(
    ("wish", "facts", "units", "decided"),
    [
        ("auto", BRIDGED, 3, "br0"),
        ("auto", BRIDGED, 1, "br0"),
        ("auto", NOTHING, 1, "managed"),
        ("managed", NOTHING, 3, "managed"),
        ("macvlan", NOTHING, 3, "macvlan"),
        ("br0", BRIDGED, 3, "br0"),
    ],
)
def test_given_a_wish_when_decided_then_it_is_never_the_fan(wish, facts, units, decided):
    assert site_network.decide(wish, facts, units=units) == decided
    assert "fan" not in str(site_network.nic(decided))


@pytest.mark.parametrize(("wish", "units"), [("auto", 3), ("br1", 1)])
def test_given_no_bridge_when_decided_then_the_remedy_is_said(wish, units):
    with pytest.raises(site_network.NoNetworkError, match="netplan"):
        site_network.decide(wish, NOTHING, units=units)


def test_given_a_joiner_without_the_bridge_when_checked_then_it_is_refused():
    site_network.check("br0", BRIDGED)
    with pytest.raises(site_network.NoNetworkError):
        site_network.check("br0", NOTHING)


def test_given_no_default_route_when_macvlan_is_wanted_then_refused():
    with pytest.raises(site_network.NoNetworkError, match="no default route"):
        site_network.decide("macvlan", site_network.Facts((), ""), units=1)


def test_given_a_machine_when_gathered_then_bridges_of_lxd_do_not_count(tmp_path):
    machine = host.LocalHost(tmp_path)
    for name in ("br0", "lxdbr0"):
        machine.write(f"/sys/class/net/{name}/bridge/stp_state", "0\n")
    machine.write("/proc/net/route", "Iface Destination\neth0 00010000\nend0 00000000 0101\n")

    assert site_network.gather(machine) == site_network.Facts(("br0",), "end0")
