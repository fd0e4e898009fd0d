"""How instances reach the network: a bridge of the host, one of LXD's own, or macvlan.

Decided once, with the founder, and the same for all members; never the Fan, which current kernels
and Juju have left behind.
"""

from __future__ import annotations

import dataclasses

from edgecloud import host as machines
from edgecloud.host import files

AUTO = "auto"
MANAGED = "managed"
MACVLAN = "macvlan"

HOST_BRIDGE = "br0"
MANAGED_BRIDGE = "lxdbr0"
MANAGED_CONFIG = {"ipv4.nat": "true", "ipv6.address": "none"}
MACVLAN_NETWORK = "edgelan"


class NoNetworkError(Exception):
    """Instances would not reach the network; says what to set up."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What this machine has."""

    bridges: tuple[str, ...]
    """Bridges of the host, none of LXD's own."""
    uplink: str
    """The interface of the default route; empty if there is none."""


def gather(host: machines.Host) -> Facts:
    """Look up what this machine has."""
    found = (path.split("/")[4] for path in host.glob("/sys/class/net/*/bridge"))
    bridges = tuple(name for name in found if name != MANAGED_BRIDGE)
    return Facts(bridges, _uplink(files.read(host, "/proc/net/route")))


def decide(wish: str, facts: Facts, *, units: int) -> str:
    """Return how instances reach the network: ``managed``, ``macvlan``, or a bridge's name.

    Args:
        wish: the option.
        facts: what this machine has.
        units: of this application, planned.

    Raises NoNetworkError.
    """
    if wish == AUTO:
        if HOST_BRIDGE in facts.bridges:
            return HOST_BRIDGE
        if units == 1:
            return MANAGED
        raise NoNetworkError(_bridge_way(HOST_BRIDGE, facts))
    if wish not in (MANAGED, MACVLAN) and wish not in facts.bridges:
        raise NoNetworkError(_bridge_way(wish, facts))
    if wish == MACVLAN and not facts.uplink:
        raise NoNetworkError("network=macvlan: this machine has no default route to share")
    return wish


def check(decided: str, facts: Facts) -> None:
    """Raise NoNetworkError unless this machine has what the cluster decided on."""
    if decided not in (MANAGED, MACVLAN) and decided not in facts.bridges:
        raise NoNetworkError(_bridge_way(decided, facts))


def nic(decided: str) -> dict[str, str]:
    """Return the device by which an instance is on the network."""
    device = {"type": "nic", "name": "eth0"}
    if decided == MANAGED:
        return {**device, "network": MANAGED_BRIDGE}
    if decided == MACVLAN:
        return {**device, "network": MACVLAN_NETWORK}
    return {**device, "nictype": "bridged", "parent": decided}


def note(decided: str, *, units: int) -> str:
    """Return what an operator should know of the choice, or nothing."""
    if decided == MANAGED and units > 1:
        return "network=managed: instances on different machines do not reach each other"
    return ""


def _bridge_way(name: str, facts: Facts) -> str:
    uplink = facts.uplink or "eth0"
    return (
        f"no bridge {name}, by which instances on different machines reach each other: make it"
        f" with netplan ({name} over {uplink}; see docs/how-to/build-an-lxd-cloud.md), or set"
        " network=macvlan"
    )


def _uplink(routes: str) -> str:
    rows = (line.split() for line in routes.splitlines()[1:])
    return next((row[0] for row in rows if len(row) > 1 and row[1] == "00000000"), "")
