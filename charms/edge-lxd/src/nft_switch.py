"""Lead the clients of a port to one instance or another, with one atomic change of nftables.

Connections that are open stay with the instance that they began with; new ones go to the one that
the map names. The source address that an instance sees is this machine's own, because an instance
on the clients' own network would answer them past this machine otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgecloud import host as machines
from edgecloud.host import failures

NFT = "/usr/sbin/nft"
TABLE = "edge_switch"
FORWARDING = "/proc/sys/net/ipv4/ip_forward"

_TIMEOUT_S = 10

_SKELETON = f"""\
add table ip {TABLE}
add map ip {TABLE} active {{ type inet_service : ipv4_addr . inet_service ; }}
add set ip {TABLE} reached {{ type ipv4_addr . inet_service ; }}
add chain ip {TABLE} arriving {{ type nat hook prerouting priority dstnat ; }}
add chain ip {TABLE} own {{ type nat hook output priority -100 ; }}
add chain ip {TABLE} leaving {{ type nat hook postrouting priority srcnat ; }}
flush chain ip {TABLE} arriving
flush chain ip {TABLE} own
flush chain ip {TABLE} leaving
add rule ip {TABLE} arriving fib daddr type local dnat ip addr . port to tcp dport map @active
add rule ip {TABLE} own fib daddr type local ip daddr != 127.0.0.0/8 \
dnat ip addr . port to tcp dport map @active
add rule ip {TABLE} leaving ct status dnat ip daddr . tcp dport @reached masquerade
"""


class SwitchError(failures.WorkloadError):
    """Nftables refused or failed."""


@dataclass(frozen=True, order=True)
class Target:
    """Where a port leads."""

    address: str
    port: int


def point(host: machines.Host, targets: Mapping[int, Target]) -> None:
    """Have each port lead to its target and no other port anywhere, all in one transaction."""
    if targets:
        _forward(host)
    script = _SKELETON if not _is_there(host) else ""
    _run(host, script + _elements(targets))


def pointed(host: machines.Host) -> str:
    """Return the table as nftables has it; empty if it is not there."""
    try:
        command = (NFT, "list", "table", "ip", TABLE)
        return host.run(command, timeout_s=_TIMEOUT_S, check=False).stdout
    except failures.FAILURES as error:
        raise SwitchError(failures.explain(error, "nft list table")) from error


def remove(host: machines.Host) -> bool:
    """Take all of it away. Return whether anything was there."""
    if not _is_there(host):
        return False
    _run(host, f"delete table ip {TABLE}\n")
    return True


def _elements(targets: Mapping[int, Target]) -> str:
    """Return the lines that put targets in the place of whatever was there."""
    lines = [f"flush map ip {TABLE} active", f"flush set ip {TABLE} reached"]
    lines += [
        f"add element ip {TABLE} active {{ {port} : {target.address} . {target.port} }}"
        for port, target in sorted(targets.items())
    ]
    lines += [
        f"add element ip {TABLE} reached {{ {target.address} . {target.port} }}"
        for target in sorted(set(targets.values()))
    ]
    return "\n".join(lines) + "\n"


def _is_there(host: machines.Host) -> bool:
    return "@reached" in pointed(host)


def _forward(host: machines.Host) -> None:
    """Let this machine pass packets on; LXD does so only for bridges of its own."""
    try:
        host.run(("/usr/sbin/sysctl", "-qw", "net.ipv4.ip_forward=1"), timeout_s=_TIMEOUT_S)
    except failures.FAILURES as error:
        raise SwitchError(failures.explain(error, "sysctl")) from error


def _run(host: machines.Host, script: str) -> None:
    try:
        host.run((NFT, "-f", "-"), timeout_s=_TIMEOUT_S, stdin=script)
    except failures.FAILURES as error:
        raise SwitchError(failures.explain(error, "nft")) from error
