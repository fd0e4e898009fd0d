"""The way back of a voter: leave, be installed anew at the former build, join again.

Every stretch of the way is written down when it ends, and can be walked again. The offer to join
was fetched before anything was touched, so the way needs neither controller nor uplink.
"""

from __future__ import annotations

import json
import re

from edgecloud import host
from edgecloud.agent import ballast, paths, snap_step, snapd, staged
from edgecloud.agent.context import Context, EffectError
from edgecloud.host import failures, files, rejoin_offer, snap

NAME = "microk8s"
MICROK8S = "/snap/bin/microk8s"
DQLITE = "/snap/microk8s/current/bin/dqlite"
BACKEND = "/var/snap/microk8s/current/var/kubernetes/backend"
CERTS = f"{BACKEND}/cluster.crt", f"{BACKEND}/cluster.key"

_INIT = "$SNAP/bin/cluster-agent init --config-file -"
_ADDRESS = re.compile(r"Address:\s*(\S+)")
_LEAVE_S = 300
_QUERY_S = 60
_JOIN_S = 600
_PAUSE_S = 10


def member_addresses(machine: host.Host) -> list[str]:
    """Return the addresses of the datastore's members, as this node last heard."""
    return _ADDRESS.findall(files.read(machine, f"{BACKEND}/cluster.yaml"))


def carry_out(context: Context) -> None:
    """Go on where the way was left, to its end."""
    machine = context.machine
    walked = files.read_state(machine, paths.RETREAT) or _set_out(context)
    for name, stretch in _WAY:
        if name not in walked["done"]:
            stretch(context, walked["own"])
            walked["done"].append(name)
            files.write_state(machine, paths.RETREAT, walked)
    machine.remove(paths.RETREAT)


def _set_out(context: Context) -> dict[str, list[str]]:
    machine = context.machine
    if not rejoin_offer.read(machine).urls:
        raise EffectError("no offer to join again is left, so this node stays where it is")
    snap_step.give_up(context, NAME)
    revision = context.node.prior.partition(":")[2]
    file = staged.find(machine, NAME, revision)
    if not file:
        raise EffectError(f"{context.node.prior} is not on the disk to be installed again")
    staged.verify(machine, file)  # Once this node has left, nothing else is there to install.
    ballast.drop(machine)
    staged.forget(machine, keep=(file,))
    own = _ADDRESS.findall(files.read(machine, f"{BACKEND}/info.yaml"))
    walked: dict[str, list[str]] = {"own": own, "done": []}
    files.write_state(machine, paths.RETREAT, dict(walked))
    return walked


def _leave(context: Context, own: list[str]) -> None:
    """Leave in order; where MicroK8s is too ill for that, have the datastore forget this node."""
    machine = context.machine
    try:
        machine.run((MICROK8S, "leave"), timeout_s=_LEAVE_S)
        return
    except failures.FAILURES as e:
        if "not acting as a node" in failures.explain(e, "microk8s leave"):
            return
    if own and not _is_forgotten(machine, own[0]):
        raise EffectError("the others could not be told that this node leaves")


def _is_forgotten(machine: host.Host, address: str) -> bool:
    base = (DQLITE, "-s", f"file://{BACKEND}/cluster.yaml", "-c", CERTS[0], "-k", CERTS[1])
    command = (*base, "-f", "json", "k8s")
    try:
        machine.run((*command, f".remove {address}"), timeout_s=_QUERY_S, check=False)
        listed = machine.run((*command, ".cluster"), timeout_s=_QUERY_S).stdout
        return address not in [str(row.get("Address")) for row in json.loads(listed)]
    except (*failures.FAILURES, ValueError):
        return False


def _purge(context: Context, own: list[str]) -> None:
    try:
        snap.remove(context.machine, NAME)
    except snap.SnapError as e:
        raise EffectError(str(e)) from e


def _install(context: Context, own: list[str]) -> None:
    machine, prior = context.machine, context.node.prior
    snapd.settle(machine, NAME, context.plan.deadlines.apply_s)
    if snap_step.look(machine, NAME, "").running != prior:
        file = staged.find(machine, NAME, prior.partition(":")[2])
        staged.verify(machine, file)
        try:
            snapd.install(machine, file, classic=True, timeout_s=context.plan.deadlines.apply_s)
            snap.hold(machine, NAME)
        except snap.SnapError as e:
            raise EffectError(str(e)) from e


def _join(context: Context, own: list[str]) -> None:
    """Join by the first address that answers, over standard input: an argument is no secret."""
    machine = context.machine
    problem = "no address of the cluster was offered"
    for url in rejoin_offer.read(machine).urls:
        if len(member_addresses(machine)) > 1:
            return
        wish = json.dumps({"version": "0.2.0", "join": {"url": url, "worker": False}})
        command = (snap.SNAP, "run", "--shell", f"{NAME}.daemon-cluster-agent", "-c", _INIT)
        try:
            machine.run(command, timeout_s=_JOIN_S, stdin=wish)
        except failures.FAILURES as e:
            secret = url.partition("/")[2].partition("/")[0] or url
            problem = failures.explain(e, "microk8s join").replace(secret, "…")
            continue
        if _has_joined(context):
            return
        problem = "the node joined but no other member is seen"
    if len(member_addresses(machine)) < 2:
        raise EffectError(problem)


def _has_joined(context: Context) -> bool:
    """Wait a little for the list of members, which comes after the answer."""
    for _ in range(6):
        if len(member_addresses(context.machine)) > 1:
            return True
        context.sleep(_PAUSE_S)
    return False


_WAY = (("leave", _leave), ("purge", _purge), ("install", _install), ("join", _join))
