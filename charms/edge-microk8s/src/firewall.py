"""The packet filter that lets only members reach the cluster agent and the datastore.

Whoever reaches port 25000 with a token gets the cluster's keys, and the agent asks for nothing
else. Everything but these two ports is left to the user's own rules.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from edgecloud import host as hosts
from edgecloud.host import failures, files, systemd

NFT = "/usr/sbin/nft"
RULES = "/etc/edge-microk8s/firewall.nft"
UNIT = "edge-microk8s-firewall"
TABLE = "edge_microk8s"

AGENT_PORT = 25000
DATASTORE_PORT = 19001

_TIMEOUT_S = 30

_SERVICE = f"""\
[Unit]
Description=Let only members of the cluster reach its agent and datastore
After=nftables.service
Before=snap.microk8s.daemon-cluster-agent.service snap.microk8s.daemon-k8s-dqlite.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={NFT} -f {RULES}

[Install]
WantedBy=multi-user.target
"""

# The first line makes the second one work where there is no such table yet.
_CLEAR = f"table inet {TABLE}\ndelete table inet {TABLE}\n"


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class FirewallError(failures.WorkloadError):
    """The packet filter could not be set."""


def render(members: Iterable[str]) -> str:
    """Return the rules that admit these addresses, and nobody else, to the two ports.

    An empty list means that the members are not known: then nothing is shut, because a member
    that cannot reach the others costs the cluster its majority.

    Raises:
        FirewallError: naming every member that is no address.
    """
    addresses = _addresses(members)
    if not addresses:
        return _CLEAR
    ports = f"tcp dport {{ {DATASTORE_PORT}, {AGENT_PORT} }}"
    rules = ["type filter hook input priority -10; policy accept;", "iif lo accept"]
    for family, version in (("ip", 4), ("ip6", 6)):
        admitted = ", ".join(str(item) for item in addresses if item.version == version)
        if admitted:
            rules.append(f"{family} saddr {{ {admitted} }} {ports} accept")
    rules.append(f"{ports} drop")
    body = "".join(f"    {rule}\n" for rule in rules)
    return f"{_CLEAR}table inet {TABLE} {{\n  chain input {{\n{body}  }}\n}}\n"


def ensure(host: hosts.Host, members: Iterable[str]) -> bool:
    """Ensure that only members are admitted, now and after a restart of the machine.

    Pass this machine's own address as well, and those that are about to join.

    Returns:
        Whether anything changed.

    Raises:
        FirewallError: a member is no address, or nft refused the rules.
    """
    wanted = render(members)
    if wanted == (files.read(host, RULES) or _CLEAR):
        return False
    _apply(host, wanted)
    host.write(RULES, wanted, mode=0o600)
    try:
        systemd.ensure_service(host, UNIT, _SERVICE)
    except systemd.SystemdError as e:
        raise FirewallError(str(e)) from e
    return True


def remove(host: hosts.Host) -> bool:
    """Admit everybody again. Return whether anything was there."""
    if not host.exists(RULES):
        return False
    try:
        systemd.remove_service(host, UNIT)
    except systemd.SystemdError as e:
        raise FirewallError(str(e)) from e
    _apply(host, _CLEAR)
    return host.remove(RULES)


def _apply(host: hosts.Host, rules: str) -> None:
    try:
        host.run((NFT, "-f", "-"), timeout_s=_TIMEOUT_S, stdin=rules)
    except FileNotFoundError as e:
        raise FirewallError("nft is missing: install the package nftables") from e
    except failures.FAILURES as e:
        raise FirewallError(failures.explain(e, "nft")) from e


def _addresses(members: Iterable[str]) -> list[_Address]:
    """Return the members' addresses, each once, in order."""
    found = {member: _address(member) for member in members}
    wrong = sorted(member for member, address in found.items() if address is None)
    if wrong:
        raise FirewallError(f"not an address: {', '.join(wrong)}")
    addresses = {address for address in found.values() if address is not None}
    return sorted(addresses, key=lambda item: (item.version, int(item)))


def _address(text: str) -> _Address | None:
    if "%" in text:
        return None  # Behind it, in version 6, may stand anything: even a further rule.
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
