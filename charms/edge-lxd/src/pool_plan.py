"""Decide which nodes a unit hosts, what each is called, and where it is found. Pure.

LXD keeps the state: an instance says by its own keys to whom it belongs and which slot it fills,
so nothing has to be remembered. A node's address, once given, is read back from its instance.
"""

from __future__ import annotations

import hashlib
import ipaddress
import string
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgecloud.host import failures
from edgecloud.lxd_member.nodes import OWNER

SLOT = "user.edge.slot"
ADDRESS = "user.edge.address"
MADE_OF = "user.edge.made-of"
WHOLE = "user.edge.whole"
"""Set once an instance was made to the end. One without it is a torso that a power cut left."""

EACH = "each"
SPREAD = "spread"

_FIRST_PRIORITY = 1000


class NoAddressError(failures.WorkloadError):
    """The bridge has no room for another node."""


@dataclass(frozen=True)
class Ground:
    """What a node stands on: storage and network of this machine."""

    storage: str
    """The pool in which its disk lies."""
    nic: Mapping[str, str]
    """Its network device, as LXD's default profile has it."""
    subnet: str = ""
    """Of a bridge that LXD manages, with the bridge's own address; empty if the LAN gives them."""
    taken: frozenset[str] = frozenset()
    """Addresses in that subnet that are somebody else's."""


@dataclass(frozen=True)
class Present:
    """An instance of this unit's pool that is there."""

    name: str
    slot: int
    address: str = ""
    made_of: str = ""
    kind: str = ""
    """Container or virtual machine."""


@dataclass(frozen=True)
class Node:
    """A node that should be there."""

    name: str
    """Of the instance, of the machine in it, and in Kubernetes."""
    slot: int
    address: str
    """Fixed in a bridge of LXD's; empty where the LAN's name server gives it."""

    @property
    def hwaddr(self) -> str:
        """The same for ever, so that an address by DHCP stays the same, too."""
        digest = hashlib.sha256(self.name.encode()).hexdigest()
        return f"00:16:3e:{digest[:2]}:{digest[2:4]}:{digest[4:6]}"

    @property
    def priority(self) -> int:
        """The higher, the earlier it starts with the machine; the first slot comes first."""
        return _FIRST_PRIORITY - self.slot


@dataclass(frozen=True)
class Plan:
    """What to do with a pool."""

    nodes: tuple[Node, ...]
    """Those that there should be, in the order in which they start."""
    surplus: tuple[str, ...] = ()
    """Instances to be drained, taken out of the cluster and deleted, in this order."""


def share(
    total: int, placement: str, host: str, hosts: Collection[str], planned: int
) -> int | None:
    """Return how many nodes a unit hosts; None while that cannot be said, and all stays.

    Args:
        total: the option ``nodes``.
        placement: ``each`` hosts that many, or all units share them out: ``spread``.
        host: the unit that asks.
        hosts: the units that are known, this one included.
        planned: how many units there shall be.
    """
    if placement == EACH:
        return total
    if len(hosts) < planned:
        return None  # Those not yet met would get a share, and what this unit made would move.
    order = sorted(hosts, key=_number)
    even, more = divmod(total, len(order))
    return even + (1 if order.index(host) < more else 0)


def plan(
    unit: str,
    size: int,
    present: Iterable[Present],
    ground: Ground,
    *,
    spent: Collection[str] = (),
    replacing: Collection[str] = (),
) -> Plan:
    """Return which nodes there should be.

    Args:
        unit: whose pool it is.
        size: how many nodes.
        present: the instances of the pool.
        ground: what they stand on.
        spent: names that the cluster still knows; a node that was lost comes back under another.
        replacing: instances that stand beside the one they replace, or the other way round. They
            are neither counted nor touched.
    """
    settled = [one for one in present if one.name not in replacing]
    busy = {one.slot for one in present if one.name in replacing}
    by_slot: dict[int, Present] = {}
    surplus: list[Present] = []
    for one in sorted(settled, key=lambda one: (one.slot, one.name)):
        if one.slot > size or one.slot in by_slot or one.slot in busy:
            surplus.append(one)
        else:
            by_slot[one.slot] = one
    taken = set(ground.taken) | {one.address for one in present if one.address}
    nodes: list[Node] = []
    for slot in range(1, size + 1):
        if slot in by_slot:
            known = by_slot[slot]
            nodes.append(Node(known.name, slot, known.address or _address(ground.subnet, taken)))
        elif slot not in busy:
            made = node(unit, slot, ground.subnet, taken=taken, spent=spent)
            taken.add(made.address)
            nodes.append(made)
    surplus.sort(key=lambda one: (-one.slot, one.name))
    return Plan(tuple(nodes), tuple(one.name for one in surplus))


def node(
    unit: str, slot: int, subnet: str, *, taken: Collection[str], spent: Collection[str]
) -> Node:
    """Return a new node for a slot, under a name and an address that nobody has."""
    name = next(name for name in _names(unit, slot) if name not in spent)
    return Node(name, slot, _address(subnet, taken))


def hosted_as(unit: str, name: str) -> str:
    """Return what a node is called within its unit: ``edge-lxd-0-1a`` is ``1a``."""
    return name.removeprefix(_prefix(unit))


def instance_of(unit: str, hosted: str) -> str:
    """Return the instance of a node that is known by its name within the unit."""
    return f"{_prefix(unit)}{hosted}"


def free_address(subnet: str, taken: Collection[str]) -> str:
    """Return the last free address of a subnet, the one furthest from where people begin to count.

    Raises NoAddressError if there is none.
    """
    bridge = ipaddress.ip_interface(subnet)
    network = bridge.network
    for number in range(int(network.broadcast_address) - 1, int(network.network_address), -1):
        address = str(ipaddress.ip_address(number))
        if address not in taken and address != str(bridge.ip):
            return address
    raise NoAddressError(
        f"{network} has no address left: give LXD's bridge a larger subnet, or host fewer nodes"
    )


def config(unit: str, node: Node, made_of: str = "") -> dict[str, str | None]:
    """Return the keys that an instance has for itself; one that is None must not be there."""
    return {
        OWNER: unit,
        SLOT: str(node.slot),
        ADDRESS: node.address or None,
        **({MADE_OF: made_of} if made_of else {}),
        "boot.autostart": "true",
        "boot.autostart.priority": str(node.priority),
        "boot.stop.priority": str(node.slot),
    }


def devices(node: Node, ground: Ground) -> dict[str, dict[str, str]]:
    """Return the devices that an instance has for itself: its network interface."""
    nic = {**ground.nic, "name": "eth0", "hwaddr": node.hwaddr}
    if node.address:
        nic["ipv4.address"] = node.address
    return {"eth0": nic}


def outdated(present: Sequence[Present], made_of: str) -> tuple[str, ...]:
    """Return the instances that were made of something else than new ones are, if any can be."""
    return tuple(one.name for one in present if made_of and one.made_of not in ("", made_of))


def _address(subnet: str, taken: Collection[str]) -> str:
    return free_address(subnet, taken) if subnet else ""


def _prefix(unit: str) -> str:
    return f"{unit.replace('/', '-')}-"


def _names(unit: str, slot: int) -> Iterable[str]:
    letters = string.ascii_lowercase
    yield from (f"{_prefix(unit)}{slot}{letter}" for letter in letters)
    yield from (f"{_prefix(unit)}{slot}{first}{second}" for first in letters for second in letters)


def _number(unit: str) -> int:
    return int(unit.partition("/")[2])
