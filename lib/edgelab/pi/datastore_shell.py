"""``dqlite``, the shell of the datastore: members, leader, and repair of a lost quorum."""

from __future__ import annotations

import json
import re
import shlex
import typing

from edgelab.pi import cluster as clusters
from edgelab.pi import datastore, files, paths, services
from edgelab.pi.process import Process

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

_ENTRY = re.compile(r"Address:\s*(\S+)\s+ID:\s*(\d+)\s+Role:\s*(\d)")


def run(process: Process) -> int:
    """Run one command of the shell."""
    words = process.argv[1:]
    statement = shlex.split(words[-1]) if words else []
    if not statement or not statement[0].startswith("."):
        process.fail("Error: no such table")
    if statement[0] == ".reconfigure":
        return _reconfigure(process, statement[1:])
    process.take("datastore-query")
    try:
        lead = datastore.leader_seen_by(process.machine)
    except datastore.NoLeader:
        process.spend(4.0)
        process.fail(
            "Error: failed to create dqlite client: no available dqlite leader server found"
        )
    found = datastore.cluster_of(process.machine)
    assert found is not None
    if statement[0] == ".leader":
        process.say(lead.address)
    elif statement[0] == ".cluster":
        _list(process, found, as_json="json" in words)
    elif statement[0] == ".remove":
        return _remove(process, found, statement[1:])
    else:
        process.fail(f"Error: unknown command {statement[0]}")
    return 0


def _list(process: Process, found: clusters.Cluster, *, as_json: bool) -> None:
    if as_json:
        rows = [
            {"ID": item.id, "Address": item.address, "Role": clusters.ROLE_NUMBERS[item.role]}
            for item in found.members
        ]
        process.say(json.dumps(rows))
        return
    for item in found.members:
        process.say(f"{item.id:x}|{item.address}|{item.role}")


def _remove(process: Process, found: clusters.Cluster, words: list[str]) -> int:
    member = next((item for item in found.members if words == [item.address]), None)
    if member is None:
        process.fail(f"Error: no node has address {' '.join(words)}")
    try:
        datastore.remove(found, member, process.world)
    except datastore.NoLeader:
        process.fail("Error: cannot remove the only voter")
    return 0


def _reconfigure(process: Process, words: list[str]) -> int:
    """Write a new member list into a stopped node's data, as the repair of a quorum needs it."""
    machine = process.machine
    if len(words) != 2:
        process.fail("Error: bad command format, should be: .reconfigure <dir> <cluster.yaml>")
    if services.is_active(machine, "k8s-dqlite"):
        process.fail("Error: the database is in use")
    listed = _ENTRY.findall(files.read(machine, words[1]))
    own = _ENTRY.search(files.read(machine, f"{words[0].rstrip('/')}/info.yaml"))
    if not listed or own is None:
        process.fail("Error: failed to read the cluster configuration")
    if own[2] not in [number for _, number, _ in listed]:
        process.fail("Error: this node is not in the new configuration")
    _rewrite(machine, listed)
    process.say("OK")
    return 0


def _rewrite(machine: machines.Machine, listed: list[tuple[str, str, str]]) -> None:
    found = datastore.cluster_of(machine)
    if found is None:
        return
    names = {str(number): role for role, number in clusters.ROLE_NUMBERS.items()}
    kept: list[clusters.Member] = []
    for address, number, role in listed:
        member = found.member(int(number))
        if member is not None:
            member.address, member.role = address, names[role]
            kept.append(member)
    newest = max(item.index for item in found.members)
    own = datastore.own_member(machine)
    if own is not None and own.index < newest:
        found.regressions.append(f"{machine.id}@{machine.world.clock.now():.0f}")
    found.members, found.leader = kept, 0
    files.write(machine, f"{paths.BACKEND}/cluster.yaml", datastore.member_list(found), 0o660)
    machine.world.touch()
