"""What a machine that is an LXD member does around its own reboot, besides what every one does.

The Kubernetes nodes that live here are cordoned and drained as this machine's own would be. Then
the member is evacuated: what runs here is stopped and stays here. After the reboot it is put back
into service. A note on disk says that it was this agent that took the member out: one that was
out of service before stays so. LXD and Kubernetes are asked each time how things are, so every
part may be begun again after a power cut.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping

from edgecloud import host
from edgecloud.agent import draining, kube, paths
from edgecloud.agent import settings as machine_settings
from edgecloud.agent.context import Context, EffectError
from edgecloud.host import failures, files, kubectl
from edgecloud.lxd import client, cluster, daemon, errors
from edgecloud.lxd_member import evacuation, nodes
from edgecloud.rollout import state

NOTE = f"{paths.HOME}/lxd-member.json"

Effect = state.Effect
Settings = machine_settings.Settings
_Step = Callable[[Context], None]

_FAILURES = (EffectError, errors.LxdError, failures.WorkloadError, *failures.FAILURES)
_SERVING = (cluster.Status.ONLINE, cluster.Status.EVACUATED)
_NOWHERE = "none"
"""What LXD says of where an instance is if there is no cluster."""
_TAKEN_OUT, _WAS_OUT = "taken-out", "was-out"
_PAUSE_S = 5


@dataclasses.dataclass(frozen=True)
class _Member:
    """This machine's LXD, as it is now."""

    lxd: client.Client
    name: str = _NOWHERE
    status: cluster.Status = cluster.Status.ONLINE
    others: tuple[cluster.Member, ...] = ()


def perform(context: Context, effect: Effect) -> None:
    """Do a member's share of an effect; raise :class:`EffectError` if it does not succeed."""
    share = _SHARES.get(effect)
    if share is None:
        return
    try:
        share(context)
    except errors.LxdError as e:
        raise EffectError(f"LXD: {e}") from e


def _check(context: Context) -> None:
    """Refuse a grant while another member does not answer, or a node could not be drained."""
    if context.node.state is state.State.PREFLIGHT:
        return  # It may be the turn of another member just now.
    member = _look(context)
    if member.status not in _SERVING:
        raise EffectError("the other members of LXD do not hear from this one")
    silent = [one.name for one in member.others if one.status not in _SERVING]
    if silent:
        raise EffectError(f"LXD does not hear from {', '.join(silent)}: one member at a time")
    for inside, place in _nodes(member, context.settings):
        if not inside.exists(place.kubeconfig):
            raise EffectError(f"{place.node}, which lives here, has no account to drain it by yet")


def _cordon(context: Context) -> None:
    for inside, place in _nodes(_look(context), context.settings):
        kube.cordon(inside, place, context.node.owner)


def _drain(context: Context) -> None:
    """Empty the nodes that live here, then have nothing run here."""
    member = _look(context)
    for inside, place in _nodes(member, context.settings):
        # Where this machine's own node was somebody else's to cordon, these were not cordoned yet.
        kube.cordon(inside, place, context.node.owner)
        draining.drain(inside, place, context.plan.drain)
    _take_out(context.machine, member)


def _validate(context: Context) -> None:
    """Put the member back, and wait until the nodes that live here are Ready.

    Only a system that was found well comes here. That Kubernetes does not answer is no objection
    to it: the control plane may be what is away.
    """
    limit_s = context.plan.deadlines.validate_s
    _await(context, limit_s, _put_back)
    with contextlib.suppress(kubectl.KubectlError):
        _await(context, limit_s, _see_ready)


def _uncordon(context: Context) -> None:
    """Put the member back, and take our cordon and our taint off the nodes that live here."""
    limit_s = context.plan.deadlines.uncordon_s
    _await(context, limit_s, _put_back)
    _await(context, limit_s, _free_nodes)


def _isolate(context: Context) -> None:
    """Put the member back, with our taint in the place of our cordon on each node.

    What lives here lives nowhere else: out of service it would be away until somebody comes.
    """
    _put_back(context)
    for inside, place in _nodes(_look(context), context.settings):
        kube.quarantine(inside, place, context.node.owner, context.node.reason)


def _look(context: Context) -> _Member:
    found = daemon.find(context.machine)
    if found is None:
        raise EffectError("LXD does not answer on this machine")
    lxd = daemon.connect(context.machine, found)
    name = cluster.own_name(lxd)
    if not name:
        return _Member(lxd)
    members = cluster.members(lxd)
    status = next((one.status for one in members if one.name == name), cluster.Status.UNKNOWN)
    return _Member(lxd, name, status, tuple(one for one in members if one.name != name))


def _nodes(member: _Member, settings: Settings) -> Iterator[tuple[host.Host, Settings]]:
    """Yield each node that runs here and has joined: the machine in it, and its place."""
    for node in nodes.running(member.lxd, member.name):
        inside = nodes.inside(member.lxd, node)
        if nodes.has_joined(inside):
            access = nodes.KUBECONFIG
            yield (
                inside,
                dataclasses.replace(settings, node=node.name, kubeconfig=access, worker=True),
            )


def _take_out(machine: host.Host, member: _Member) -> None:
    """Evacuate the member, once it is on disk who did it; or stop all, where there is no other."""
    if not files.read_state(machine, NOTE):
        was_out = member.status is cluster.Status.EVACUATED
        files.write_state(machine, NOTE, {"member": _WAS_OUT if was_out else _TAKEN_OUT})
    if not member.others:
        evacuation.stop(member.lxd, member.name)
        return
    # A release that ignores the mode asks each instance; nodes say themselves that they stay.
    knows = member.lxd.has("clustering_evacuation_mode")
    evacuation.evacuate(
        member.lxd, member.name, mode=evacuation.STOP if knows else evacuation.HERE
    )


def _put_back(context: Context) -> None:
    """Put the member back into service, if it was this agent that took it out."""
    said = files.read_state(context.machine, NOTE).get("member")
    if said == _TAKEN_OUT:
        member = _look(context)
        if member.others:
            evacuation.restore(member.lxd, member.name)
        else:
            evacuation.start(member.lxd, member.name)
        status = _look(context).status
        if status is not cluster.Status.ONLINE:
            raise EffectError(f"LXD says that this member is {status.value.lower() or 'unknown'}")
    context.machine.remove(NOTE)


def _see_ready(context: Context) -> None:
    for inside, place in _nodes(_look(context), context.settings):
        if not kube.look(inside, place).ready:
            raise EffectError(f"{place.node}, which lives here, is not ready")


def _free_nodes(context: Context) -> None:
    for inside, place in _nodes(_look(context), context.settings):
        kube.uncordon(inside, place, context.node.owner)


def _await(context: Context, limit_s: float, step: _Step) -> None:
    """Take a step until it succeeds; after a boot, much comes up later than this agent."""
    began = context.machine.now()
    while True:
        try:
            return step(context)
        except _FAILURES:
            if context.machine.now() - began >= limit_s:
                raise
        context.sleep(_PAUSE_S)


_SHARES: Mapping[Effect, _Step] = {
    Effect.CHECK: _check,
    Effect.CORDON: _cordon,
    Effect.DRAIN: _drain,
    Effect.VALIDATE: _validate,
    Effect.UNCORDON: _uncordon,
    Effect.TAINT: _isolate,
}
