"""The command line of the daemon's own program, ``lxd``: what the API cannot do."""

from __future__ import annotations

import base64
import json
import math

from edgelab.pi import files
from edgelab.pi.lxd import daemon, state
from edgelab.pi.process import Process

_JOIN_S = 3.0


def run(process: Process) -> int:
    """Run ``lxd``."""
    words = process.argv[1:]
    if process.machine.lxd is None:
        process.fail("Error: there is no LXD")
    if words[:1] == ["waitready"]:
        return _wait_ready(process)
    if words == ["init", "--preseed"]:
        return _join(process)
    if words[:1] == ["sql"]:
        process.say(f"-- {words[1]} database\nBEGIN TRANSACTION;\nCOMMIT;")
        return 0
    if words[:2] == ["cluster", "recover-from-quorum-loss"]:
        return _recover_quorum(process)
    process.fail(f"Error: unknown command {words[:1]}")


def _wait_ready(process: Process) -> int:
    if daemon.serves(process.machine):
        return 0
    limit = next((word for word in process.argv if word.startswith("--timeout=")), "")
    process.spend(float(limit.partition("=")[2] or math.inf))
    process.fail("Error: LXD still not running after the timeout")


def _join(process: Process) -> int:
    """Become a member by a token. What the daemon held before is forgotten without a word."""
    wanted = json.loads(process.stdin or "{}")["cluster"]
    content = json.loads(base64.b64decode(wanted["cluster_token"]))
    machine, world = process.machine, process.world
    site = _site_of(process, content)
    process.spend(_JOIN_S)
    token = next((one for one in site.tokens.values() if one.secret == content["secret"]), None)
    if token is None:
        process.fail("Error: Failed to join cluster: No matching cluster join operation found")
    if token.expires_at <= machine.now():
        process.fail("Error: Failed to join cluster: Token has expired")
    del site.tokens[token.operation]
    assert machine.lxd is not None
    world.lxd_sites.pop(machine.lxd.site)
    name, address = token.name, str(wanted["server_address"])
    site.members[name] = state.Member(name, machine.id, address, daemon.version(machine))
    site.own[name] = {"core.https_address": address, "cluster.https_address": address}
    if len(site.voters) < state.VOTERS:
        site.voters.append(name)
    machine.lxd.site, machine.lxd.member = site.id, name
    files.write(machine, f"{daemon.FOLDER}/cluster.crt", daemon.certificate(site.fingerprint))
    _take_over(site, name, wanted.get("member_config", []))
    daemon.sync(world)
    return 0


def _site_of(process: Process, content: state.Json) -> state.Site:
    """Return the cluster that a token is of, as far as one of its addresses answers."""
    for address in content["addresses"]:
        other = process.world.machine_at(address.rpartition(":")[0])
        if other is None or other.lxd is None or not process.world.reaches(process.machine, other):
            continue
        found = state.of(other)[1]
        if found.fingerprint == content["fingerprint"] and state.is_quorate(
            process.world, found, other
        ):
            return found
    process.fail("Error: Failed to join cluster: Failed to connect to any of the addresses")


def _take_over(site: state.Site, name: str, config: list[dict[str, str]]) -> None:
    """Make every pool and network of the cluster on the new member, with its own keys."""
    kinds = {"storage-pool": "storage-pools", "network": "networks"}
    for document in site.objects.values():
        if "locations" in document:
            document["locations"].append(name)
            document["own"][name] = {}
    for one in config:
        document = site.objects[f"{kinds[one['entity']]}/{one['name']}"]
        document["own"][name][one["key"]] = one["value"]


def _recover_quorum(process: Process) -> int:
    machine = process.machine
    lxd, site = state.of(machine)
    if lxd.running:
        process.fail("Error: The LXD daemon is running, please stop it first.")
    site.voters = [lxd.member]
    return 0
