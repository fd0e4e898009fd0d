"""dqlite: members, quorum, leader and roles, as raft and go-dqlite decide them."""

from __future__ import annotations

import itertools
import math
import typing

from edgelab.pi import cluster as clusters
from edgelab.pi import durations, files, firewall, paths, services
from edgelab.pi.cluster import SPARE, STANDBY, VOTER, Cluster, Member

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds

_VOTERS, _STANDBYS = 3, 3
PORT = 19001
_LOOPBACK = "127.0.0.1"


class NoLeader(Exception):  # noqa: N818 - the tool's own words are "no available dqlite leader"
    """No member can be reached that leads a majority."""


def found(machine: machines.Machine, address: str = _LOOPBACK) -> Cluster:
    """Begin a cluster of one on this machine."""
    world = machine.world
    cluster = Cluster(id=world.random_hex("cluster", 16))
    for name in ("ca_key", "service_account_key", "callback_token", "cluster_key"):
        setattr(cluster, name, world.random_hex(name, 64))
    world.clusters[cluster.id] = cluster
    member = enrol(machine, cluster, address, VOTER)
    cluster.leader = member.id
    return cluster


def enrol(machine: machines.Machine, cluster: Cluster, address: str, role: str) -> Member:
    """Make the machine a member of a cluster's datastore."""
    assert machine.node is not None
    number = int(machine.world.random_hex("member", 15), 16)
    member = Member(number, f"{address}:{PORT}", role, machine.id)
    cluster.members.append(member)
    machine.node.cluster, machine.node.member = cluster.id, number
    cluster.roles_due = machine.world.clock.now() + durations.ROLES_EVERY
    write_info(machine, member)
    return member


def cluster_of(machine: machines.Machine) -> Cluster | None:
    """Return the cluster that the machine believes to be in."""
    return None if machine.node is None else machine.world.clusters.get(machine.node.cluster)


def own_member(machine: machines.Machine) -> Member | None:
    """Return the member that this machine is, if it is in its cluster's list."""
    cluster = cluster_of(machine)
    if cluster is None or machine.node is None:
        return None
    return cluster.member(machine.node.member)


def answers(world: worlds.World, cluster: Cluster, member: Member) -> machines.Machine | None:
    """Return the machine of a member that runs, holds this member's data, and has its address."""
    machine = world.machines.get(member.machine)
    if machine is None or machine.node is None or not services.is_active(machine, "k8s-dqlite"):
        return None
    if member.ip not in (_LOOPBACK, *machine.addresses()):
        return None  # It cannot listen where the others look for it.
    node = machine.node
    return machine if (node.cluster, node.member) == (cluster.id, member.id) else None


def leader(world: worlds.World, cluster: Cluster) -> Member | None:
    """Return the member that leads a majority of voters: the present leader, if it still can."""
    voters = cluster.voters()
    needed = len(voters) // 2 + 1
    for candidate in sorted(voters, key=lambda item: (item.id != cluster.leader, item.id)):
        if len(_followers(world, cluster, candidate, voters)) >= needed:
            cluster.leader = candidate.id
            return candidate
    return None


def leader_seen_by(machine: machines.Machine) -> Member:
    """Return the leader, as seen from this machine. Raises :class:`NoLeader`."""
    cluster, own = cluster_of(machine), own_member(machine)
    if cluster is None or own is None or answers(machine.world, cluster, own) is None:
        raise NoLeader
    found = leader(machine.world, cluster)
    at = None if found is None else answers(machine.world, cluster, found)
    if found is None or at is None or not _connects(machine.world, machine, at):
        raise NoLeader
    return found


def remove(cluster: Cluster, member: Member, world: worlds.World) -> None:
    """Take a member out of the raft configuration, which must keep a voter.

    Raises:
        NoLeader: it is the only voter, and others would be left without one.
    """
    if [member] == cluster.voters() and len(cluster.members) > 1:
        raise NoLeader
    cluster.members = [item for item in cluster.members if item.id != member.id]
    cluster.roles_due = min(cluster.roles_due, world.clock.now() + durations.ROLES_EVERY)
    if cluster.leader == member.id:
        cluster.leader = 0
    refresh_files(world, cluster)


def background(world: worlds.World) -> float:
    """Recompute the roles of clusters for which it is time."""
    due = math.inf
    for cluster in list(world.clusters.values()):
        if not any(_holds(world, cluster, member) for member in cluster.members):
            continue
        due = min(due, _keep_roles(world, cluster))
    return due


def _keep_roles(world: worlds.World, cluster: Cluster) -> float:
    now = world.clock.now()
    lead = leader(world, cluster)
    if lead is None:
        return math.inf
    wanted = roles(world, cluster, lead)
    if wanted == {member.id: member.role for member in cluster.members}:
        cluster.roles_due = math.inf
        refresh_files(world, cluster)
        return math.inf
    if math.isinf(cluster.roles_due):
        cluster.roles_due = now + durations.ROLES_EVERY
    if cluster.roles_due > now:
        return cluster.roles_due
    for member in cluster.members:
        member.role = wanted[member.id]
    cluster.roles_due = math.inf
    refresh_files(world, cluster)
    world.touch()
    return math.inf


def roles(world: worlds.World, cluster: Cluster, lead: Member) -> dict[int, str]:
    """Return the roles that the leader gives at its next round."""
    at = world.machines[lead.machine]
    online = {item.id for item in cluster.members if _seen(world, cluster, at, item)}
    now = {item.id: item.role for item in cluster.members}
    if len(cluster.members) < 3:
        return {number: VOTER if number == lead.id else SPARE for number in now}
    domains = {item.id: _domain(world, item) for item in cluster.members}
    _promote(now, online, domains, VOTER, _VOTERS, (STANDBY, SPARE))
    _demote_offline(now, online)
    _spread(now, online, domains, lead)
    _promote(now, online, domains, STANDBY, _STANDBYS, (SPARE,))
    return now


def quorum_slack(world: worlds.World, cluster: Cluster) -> int:
    """Return how many more voters may fail; negative without a quorum."""
    voters = cluster.voters()
    alive = [item for item in voters if answers(world, cluster, item) is not None]
    if leader(world, cluster) is None:
        return -1
    return len(alive) - (len(voters) // 2 + 1)


def write_info(machine: machines.Machine, member: Member) -> None:
    """Write ``info.yaml``, which tells a member who it is."""
    number = clusters.ROLE_NUMBERS[member.role]
    text = f"Address: {member.address}\nID: {member.id}\nRole: {number}\n"
    if files.read(machine, f"{paths.BACKEND}/info.yaml") != text:
        files.write(machine, f"{paths.BACKEND}/info.yaml", text, 0o660)


def refresh_files(world: worlds.World, cluster: Cluster) -> None:
    """Let each member that sees the leader write down the list of members."""
    lead = leader(world, cluster)
    if lead is None:
        return
    text = member_list(cluster)
    for member in cluster.members:
        machine = answers(world, cluster, member)
        if machine is not None and _connects(world, machine, world.machines[lead.machine]):
            member.index = cluster.version
            if files.read(machine, f"{paths.BACKEND}/cluster.yaml") != text:
                files.write(machine, f"{paths.BACKEND}/cluster.yaml", text, 0o660)
            if files.exists(machine, f"{paths.BACKEND}/info.yaml"):
                write_info(machine, member)


def member_list(cluster: Cluster) -> str:
    """Return ``cluster.yaml``."""
    numbers = clusters.ROLE_NUMBERS
    return "".join(
        f"- Address: {item.address}\n  ID: {item.id}\n  Role: {numbers[item.role]}\n"
        for item in cluster.members
    )


def _followers(
    world: worlds.World, cluster: Cluster, candidate: Member, voters: list[Member]
) -> list[Member]:
    at = answers(world, cluster, candidate)
    return [item for item in voters if at is not None and _seen(world, cluster, at, item)]


def _seen(world: worlds.World, cluster: Cluster, at: machines.Machine, member: Member) -> bool:
    other = answers(world, cluster, member)
    return other is not None and _connects(world, at, other)


def _connects(world: worlds.World, one: machines.Machine, other: machines.Machine) -> bool:
    """Return whether two members can talk: the network is there, and no packet filter forbids."""
    if not world.reaches(one, other):
        return False
    return one is other or (
        firewall.admits(other, one.address, PORT) and firewall.admits(one, other.address, PORT)
    )


def _holds(world: worlds.World, cluster: Cluster, member: Member) -> bool:
    machine = world.machines.get(member.machine)
    return machine is not None and machine.node is not None and machine.node.cluster == cluster.id


def _domain(world: worlds.World, member: Member) -> str:
    machine = world.machines.get(member.machine)
    return (
        "" if machine is None else files.read(machine, f"{paths.BACKEND}/failure-domain").strip()
    )


def _promote(
    now: dict[int, str],
    online: set[int],
    domains: dict[int, str],
    role: str,
    target: int,
    donors: tuple[str, ...],
) -> None:
    """Fill a role with online members, those of a domain without the role first."""
    while sum(now[number] == role for number in online) < target:
        held = {domains[number] for number in online if now[number] == role}
        free = [number for number in now if number in online and now[number] in donors]
        if not free:
            return
        best = min(free, key=lambda item: (domains[item] in held, donors.index(now[item])))
        now[best] = role


def _demote_offline(now: dict[int, str], online: set[int]) -> None:
    """Demote voters and standbys that are away, but voters only when enough are there."""
    enough = sum(now[number] == VOTER for number in online) >= _VOTERS
    for number in now:
        if number not in online and (now[number] == STANDBY or (now[number] == VOTER and enough)):
            now[number] = SPARE


def _spread(now: dict[int, str], online: set[int], domains: dict[int, str], lead: Member) -> None:
    """Move votes so that every online domain has one, as far as there are votes."""
    for giver, taker in itertools.permutations(sorted(online), 2):
        voters = [number for number in now if now[number] == VOTER]
        crowded = sum(domains[number] == domains[giver] for number in voters) > 1
        bare = all(domains[number] != domains[taker] for number in voters)
        if giver in voters and giver != lead.id and taker not in voters and crowded and bare:
            now[giver], now[taker] = now[taker], VOTER


def forget_lone(world: worlds.World, identifier: str) -> None:
    """Drop a cluster to which no machine holds any more."""
    found = world.clusters.get(identifier)
    if found is not None and not any(
        machine.node is not None and machine.node.cluster == identifier
        for machine in world.machines.values()
    ):
        del world.clusters[identifier]


def revive(machine: machines.Machine, identifier: str, number: int) -> Cluster:
    """Return a cluster of one that lives again, because its old data came back."""
    cluster = Cluster(id=identifier, leader=number)
    cluster.members.append(Member(number, f"{_LOOPBACK}:{PORT}", VOTER, machine.id))
    machine.world.clusters[identifier] = cluster
    return cluster


def connects(machine: machines.Machine, member: Member) -> bool:
    """Return whether a machine can talk to a member, itself a member or not."""
    other = machine.world.machines.get(member.machine)
    return other is not None and _connects(machine.world, machine, other)


def hand_over(machine: machines.Machine) -> None:
    """Give leadership and vote to others, as a member does that is stopped in an orderly way."""
    write_segments(machine)
    cluster, own = cluster_of(machine), own_member(machine)
    if cluster is None or own is None or leader(machine.world, cluster) is None:
        return
    world = machine.world
    others = [item for item in cluster.members if item.id != own.id]
    online = [item for item in others if _seen(world, cluster, machine, item)]
    heir = next((item for item in online if item.role != VOTER), None)
    if own.role == VOTER and heir is not None:
        own.role, heir.role = SPARE, VOTER
    if cluster.leader == own.id:
        cluster.leader = next((item.id for item in online if item.role == VOTER), own.id)
    refresh_files(world, cluster)


def wake(machine: machines.Machine) -> None:
    """Let the survivors notice again who is silent, once a kubelite among them is restarted."""
    cluster = cluster_of(machine)
    if cluster is not None and not paths.is_worker(machine):
        cluster.wedged = False


def write_segments(machine: machines.Machine) -> None:
    """Name the log's segments after the last entry that this member has."""
    own = own_member(machine)
    if own is None:
        return
    folder = machine.path(paths.BACKEND)
    for path in [*folder.glob("0*-0*"), *folder.glob("snapshot-*"), *folder.glob("open-*")]:
        path.unlink()
    for name in (f"{1:016d}-{own.index:016d}", f"snapshot-1-{own.index}-1", "open-1"):
        files.write(machine, f"{paths.BACKEND}/{name}", f"{own.index}\n", 0o600)
    files.write(machine, f"{paths.BACKEND}/snapshot-1-{own.index}-1.meta", "\n", 0o600)


def read_segments(machine: machines.Machine) -> None:
    """Take up the log that lies on disk, which may be another member's copy of it."""
    own = own_member(machine)
    names = [path.name for path in machine.path(paths.BACKEND).glob("0*-0*")]
    if own is not None and names:
        own.index = max(int(name.partition("-")[2]) for name in names)
