"""The machines inside instances: booted by LXD, gone with their host, back in their order."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import shutil
import typing
from collections.abc import Iterable, Iterator

from edgelab.pi import files
from edgelab.pi.lxd import state

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds

RUNNING, STOPPED = "Running", "Stopped"

LAST = "volatile.last_state.power"
"""Whether an instance ran when its host went down."""

_UNITS = {"KiB": 1, "MiB": 1024, "GiB": 1024**2}
_LAN = ipaddress.ip_network("10.20.128.0/17")
"""Where the router of the site has addresses for who asks it for one."""


def key_of(document: state.Json) -> str:
    """Return where an instance is among the objects of its database."""
    return f"instances/{document['project']}/{document['name']}"


def expanded(site: state.Site, document: state.Json, part: str) -> state.Json:
    """Return the keys or the devices of an instance, with those of its profiles."""
    found: state.Json = {}
    for name in document["profiles"]:
        profile = site.objects.get(f"profiles/{document['project']}/{name}", {})
        found.update(profile.get(part, {}))
    return {**found, **document[part]}


def find(world: worlds.World, site: state.Site, document: state.Json) -> machines.Machine | None:
    """Return the machine in an instance; None if it never ran, or has nothing in it."""
    here, key = {one.machine for one in site.members.values()}, key_of(document)
    found = (one for one in world.machines.values() if one.container_of in here)
    return next((one for one in found if one.instance == key), None)


def start(host: machines.Machine, site: state.Site, document: state.Json) -> None:
    """Boot an instance on a host. What was made of nothing has nothing that could boot."""
    document["status"] = RUNNING
    document["config"].pop(LAST, None)
    inside = find(host.world, site, document)
    if inside is None:
        if document.get("made_of") != "image":
            return
        inside = _make(host, site, document)
    inside.container_of = host.id
    _fit(inside, site, document)
    host.log("lxd.daemon", f"started {document['name']}")
    inside.power_on()


def stop(world: worlds.World, site: state.Site, document: state.Json) -> None:
    """Take an instance out of service; its disk stays."""
    document["status"] = STOPPED
    inside = find(world, site, document)
    if inside is not None:
        world.machines[inside.container_of or ""].log("lxd.daemon", f"stopped {document['name']}")
        inside.power_off()


def notice(world: worlds.World, site: state.Site) -> None:
    """Have the database know of instances that went down by themselves, as LXD does."""
    for document in site.objects.values():
        if document.get("status") != RUNNING or "profiles" not in document:
            continue
        inside = find(world, site, document)
        if inside is not None and not inside.powered:
            document["status"] = STOPPED


def delete(world: worlds.World, site: state.Site, document: state.Json) -> None:
    """Take the machine in an instance away, disk and all."""
    inside = find(world, site, document)
    if inside is not None:
        world.remove_machine(inside.id)
        shutil.rmtree(inside.root, ignore_errors=True)


def rename(world: worlds.World, site: state.Site, document: state.Json, name: str) -> None:
    """Give an instance another name, and so its machine."""
    inside = find(world, site, document)
    document["name"] = name
    if inside is not None:
        inside.instance, inside.hostname = key_of(document), name


def go_down(host: machines.Machine) -> None:
    """Stop all instances of a host whose daemon ends, and remember which of them ran."""
    daemon, site = state.of(host)
    daemon.waking = True
    for document in on(site, daemon.member):
        if document["status"] == RUNNING:
            stop(host.world, site, document)
            document["config"][LAST] = "RUNNING"


def wake(host: machines.Machine) -> None:
    """Start what starts by itself once the daemon of a host has its database, in its order."""
    daemon, site = state.of(host)
    if not daemon.waking or not state.is_quorate(host.world, site, host):
        return
    daemon.waking = False
    member = site.members[daemon.member]
    if member.evacuated:
        return
    for document in sorted(on(site, member.name), key=lambda one: _rank(site, one)):
        config = expanded(site, document, "config")
        ran = config.get(LAST) == "RUNNING"
        if document["status"] != RUNNING and _is_true(config.get("boot.autostart"), default=ran):
            start(host, site, document)


def on(site: state.Site, member: str) -> list[state.Json]:
    """Return the instances on a member, by name."""
    found = (one for key, one in sorted(site.objects.items()) if key.startswith("instances/"))
    return [one for one in found if one["location"] == member]


def remove_all(host: machines.Machine) -> None:
    """Take away every instance of a host whose LXD is removed."""
    for inside in list(host.world.machines.values()):
        if inside.container_of == host.id and inside.instance:
            host.world.remove_machine(inside.id)
            shutil.rmtree(inside.root, ignore_errors=True)


def leases(world: worlds.World, site: state.Site, network: str) -> Iterator[state.Json]:
    """Yield the addresses that a bridge of LXD's gave away."""
    for key, document in sorted(site.objects.items()):
        nic = _nic(site, document) if key.startswith("instances/") else {}
        inside = find(world, site, document) if nic.get("network") == network else None
        if inside is not None:
            yield {
                "hostname": document["name"],
                "address": inside.address,
                "hwaddr": nic.get("hwaddr", ""),
                "type": "static" if "ipv4.address" in nic else "dynamic",
                "location": document["location"],
            }


def shown(world: worlds.World, site: state.Site, document: state.Json) -> state.Json:
    """Return the network of an instance as LXD sees it from outside."""
    inside = find(world, site, document)
    if inside is None or not inside.powered:
        return {}
    address = {"family": "inet", "address": inside.address, "netmask": "24", "scope": "global"}
    return {"eth0": {"addresses": [address], "hwaddr": _nic(site, document).get("hwaddr", "")}}


def _make(host: machines.Machine, site: state.Site, document: state.Json) -> machines.Machine:
    world, name = host.world, str(document["name"])
    place = name if document["project"] == "default" else f"{document['project']}/{name}"
    made = world.add_machine(
        f"{host.id}/{place}",
        hostname=name,
        address=_address(world, site, document),
        container_of=host.id,
        instance=key_of(document),
        arch=host.arch,
        model=host.model,
        uplink=host.uplink,
        release=_release(document),
        drives=[],
        powered=False,
        boots=0,
    )
    return made


def _fit(inside: machines.Machine, site: state.Site, document: state.Json) -> None:
    """Let the machine be what the keys and devices of its instance make of it."""
    host = inside.world.machines[inside.container_of or ""]
    config, nic = expanded(site, document, "config"), _nic(site, document)
    inside.cores = int(config.get("limits.cpu") or host.cores)
    inside.mem_kb = _kilobytes(config.get("limits.memory", "")) or host.mem_kb
    inside.address = nic.get("ipv4.address", inside.address)
    inside.is_apart = nic.get("nictype") == "macvlan" or _kind(site, nic) == "macvlan"
    paths = [str(one.get("path", "")) for one in expanded(site, document, "devices").values()]
    if "/dev/kmsg" in paths:
        files.write(inside, "/dev/kmsg", "")


def _address(world: worlds.World, site: state.Site, document: state.Json) -> str:
    """Return the address that an instance is promised, or gets from whoever gives them."""
    nic = _nic(site, document)
    if "ipv4.address" in nic:
        return str(nic["ipv4.address"])
    network = site.objects.get(f"networks/{nic.get('network', '')}", {})
    subnet = network.get("config", {}).get("ipv4.address", "none")
    pool = _LAN if "/" not in subnet else ipaddress.ip_interface(subnet).network
    taken = {address for one in world.machines.values() for address in one.addresses()}
    known = str(nic.get("hwaddr") or f"{site.id}/{key_of(document)}")
    drawn = int(hashlib.sha256(known.encode()).hexdigest(), 16)
    for step in range(pool.num_addresses - 2):
        address = str(pool[2 + (drawn + step) % (pool.num_addresses - 3)])
        if address not in taken:
            return address
    raise RuntimeError(f"{pool} has no address left")


def _nic(site: state.Site, document: state.Json) -> state.Json:
    devices: Iterable[state.Json] = expanded(site, document, "devices").values()
    nics = [one for one in devices if one.get("type") == "nic"]
    return nics[0] if nics else {}


def _kind(site: state.Site, nic: state.Json) -> str:
    return str(site.objects.get(f"networks/{nic.get('network', '')}", {}).get("type", ""))


def _release(document: state.Json) -> str:
    found = re.search(r"ubuntu@(\d+\.\d+)", str(document.get("image", "")))
    return found.group(1) if found else "24.04"


def _rank(site: state.Site, document: state.Json) -> tuple[int, str]:
    config = expanded(site, document, "config")
    return -int(config.get("boot.autostart.priority") or 0), str(document["name"])


def _is_true(text: str | None, *, default: bool) -> bool:
    return default if text is None else text.lower() in ("true", "1", "yes", "on")


def _kilobytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)(KiB|MiB|GiB)", text)
    return int(found.group(1)) * _UNITS[found.group(2)] if found else 0
