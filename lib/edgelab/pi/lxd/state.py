"""What LXD remembers: each database, alone or of a cluster, and each machine's part in one."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds

Json = dict[str, Any]

VOTERS = 3


@dataclasses.dataclass
class Member:
    """A member as the database has it."""

    name: str
    machine: str
    address: str
    version: str
    evacuated: bool = False
    config: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    failure_domain: str = "default"


@dataclasses.dataclass
class Token:
    """A token that nobody has used yet: lets a member join, or trusts a client."""

    operation: str
    kind: str
    name: str
    secret: str
    expires_at: float
    projects: list[str] | None = None


@dataclasses.dataclass
class Site:
    """One database. A daemon by itself has one, too, with one member of the name "none"."""

    id: str
    fingerprint: str
    clustered: bool = False
    members: dict[str, Member] = dataclasses.field(default_factory=dict[str, Member])
    voters: list[str] = dataclasses.field(default_factory=list[str])
    tokens: dict[str, Token] = dataclasses.field(default_factory=dict[str, Token])
    config: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    own: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict[str, dict[str, str]])
    """Keys that each member has for itself."""
    objects: dict[str, Json] = dataclasses.field(default_factory=dict[str, Json])
    """Documents by collection and name: ``profiles/default/default``."""


@dataclasses.dataclass
class Daemon:
    """A machine's own part: which database, under which name."""

    site: str
    member: str = "none"
    running: bool = True
    waking: bool = False
    """Whether it has not started yet what starts with it."""
    hung: bool = False
    """It neither serves nor heeds signals until it is ended by force."""
    expelled: bool = False
    """Removed by force: it never serves again until it is wiped."""


def of(machine: machines.Machine) -> tuple[Daemon, Site]:
    """Return a machine's daemon and its database. The machine has one."""
    assert machine.lxd is not None
    return machine.lxd, machine.world.lxd_sites[machine.lxd.site]


def machine_of(world: worlds.World, member: Member) -> machines.Machine | None:
    """Return the machine of a member, if it is still there and was not set up anew."""
    found = world.machines.get(member.machine)
    if found is None or found.lxd is None or found.lxd.member != member.name:
        return None
    return found


def alive(world: worlds.World, site: Site, asker: machines.Machine) -> set[str]:
    """Return the members whose daemons answer a machine."""
    found: set[str] = set()
    for member in site.members.values():
        machine = machine_of(world, member)
        if machine is None or machine.lxd is None or machine.lxd.site != site.id:
            continue
        if world.reaches(asker, machine) and machine.lxd.running and not machine.lxd.expelled:
            found.add(member.name)
    return found


def is_quorate(world: worlds.World, site: Site, asker: machines.Machine) -> bool:
    """Return whether a majority of the voters answers, as seen from a machine."""
    if not site.clustered:
        return True
    answering = alive(world, site, asker)
    return 2 * len(answering & set(site.voters)) > len(site.voters)


def rebalance(world: worlds.World, site: Site, asker: machines.Machine) -> None:
    """Let others vote in the place of members that went or do not answer."""
    answering = alive(world, site, asker)
    site.voters = [name for name in site.voters if name in site.members]
    for name in sorted(answering - set(site.voters)):
        dead = next((one for one in site.voters if one not in answering), None)
        if dead is not None:
            site.voters.remove(dead)
        if len(site.voters) < VOTERS:
            site.voters.append(name)


def is_blocked(site: Site, member: Member) -> bool:
    """Return whether a member waits because others still run an older release."""
    return any(one.version < member.version for one in site.members.values())
