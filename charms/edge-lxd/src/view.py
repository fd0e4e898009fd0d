"""How the cluster looks from this machine, now."""

from __future__ import annotations

import dataclasses

from edgecloud import host as machines
from edgecloud.lxd import client, cluster, daemon, errors, server

LOOK_S = 5.0
"""A daemon without a quorum takes longer than this to say so."""


@dataclasses.dataclass(frozen=True)
class View:
    """What this machine's daemon says."""

    name: str
    """The member's name; empty while this daemon is in no cluster."""
    fingerprint: str
    """Of the certificate that it shows: the cluster's, once there is one."""
    version: str
    drivers: tuple[str, ...] = ()
    """Kinds of pools that it can make."""
    members: tuple[cluster.Member, ...] = ()
    quorate: bool = True
    """Whether the cluster's database answers. The daemon itself does so without it, too."""

    @property
    def clustered(self) -> bool:
        """Whether this daemon is in a cluster."""
        return bool(self.name)

    def member(self, name: str) -> cluster.Member | None:
        """Return a member by its name."""
        return next((one for one in self.members if one.name == name), None)

    def member_status(self, name: str) -> cluster.Status:
        """Return how a member is."""
        found = self.member(name)
        return cluster.Status.UNKNOWN if found is None else found.status

    def is_online(self, name: str) -> bool:
        """Return whether a member answers; one that is evacuated does."""
        found = self.member(name)
        return found is not None and found.status in (
            cluster.Status.ONLINE,
            cluster.Status.EVACUATED,
        )

    def survives_without(self, name: str) -> bool:
        """Return whether a majority of the voters answers when this member is gone, too."""
        others = [one for one in self.members if one.name != name]
        voters = [one for one in others if one.votes]
        # Who was just started shows as offline until its first heartbeat, though it answers.
        alive = [one for one in voters if one.name == self.name or self.is_online(one.name)]
        return not others or 2 * len(alive) > len(voters)


def connect(host: machines.Host) -> client.Client | None:
    """Return a client of this machine's daemon; None if no daemon serves."""
    found = daemon.find(host)
    return None if found is None else daemon.connect(host, found)


def look(host: machines.Host) -> View | None:
    """Return how the cluster looks; None if this machine's daemon does not answer."""
    lxd = connect(host)
    if lxd is None:
        return None
    try:
        found = server.get(lxd)
    except errors.LxdError:
        return None
    alone = View("", found.fingerprint, found.version, found.storage_drivers)
    if not found.clustered:
        return alone
    clustered = dataclasses.replace(alone, name=found.name)
    try:
        members = cluster.members(lxd, timeout_s=LOOK_S)
    except errors.LxdError:
        return dataclasses.replace(clustered, quorate=False)
    return dataclasses.replace(clustered, members=members)
