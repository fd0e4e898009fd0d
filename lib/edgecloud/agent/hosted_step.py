"""A step of the nodes that live on this LXD member and have no agent: each is replaced.

The unit of ``edge-lxd`` does it, one node after the other and each beside the old one; how, and
what it gives up after how long, is its to decide. This only says what is wished and waits for the
answer, wake-up by wake-up. While it waits nothing is out of service: the old nodes serve.
"""

from __future__ import annotations

from edgecloud.agent import context as contexts
from edgecloud.agent.context import Context, EffectError, Look, NotYetError
from edgecloud.lxd_member import renewal

_FORMER = renewal.KIND
"""What runs while not all nodes are what was wished for last."""


def _wish(context: Context) -> renewal.Wish:
    node, work = context.node, context.work
    revision = work.target.removeprefix(f"{renewal.KIND}:{work.version}").removeprefix(":")
    attempt = f"{node.owner}/{node.expires}"  # Each has a grant of its own.
    return renewal.Wish(attempt, work.version, revision)


def _look(context: Context) -> Look:
    said = renewal.answer(context.machine)
    running = (said.reached if said else context.node.prior) or _FORMER
    return Look(running=running, default=running, staged=context.node.target)


def _check(context: Context) -> None:
    said = renewal.answer(context.machine)
    if said is None:
        why = "edge-lxd has not said yet how the nodes are that live here"
        raise EffectError(why, passes=True)
    if said.hindrance and said.reached != context.node.target:
        raise EffectError(said.hindrance)


def _back_up(context: Context) -> None:
    """Leave the wish where it is found as soon as it counts; the old nodes are the way back."""
    renewal.want(context.machine, _wish(context))


def _apply(context: Context) -> None:
    wanted, said = _wish(context), renewal.answer(context.machine)
    renewal.want(context.machine, wanted)
    if said is None:
        raise EffectError("edge-lxd has left this machine")
    if said.reached == wanted.target:
        return
    if said.wish == wanted and said.failed:
        raise EffectError(said.failed)
    if said.wish != wanted and context.machine.now() >= context.work.expires:
        raise EffectError("edge-lxd had not taken it up when the plan expired")
    raise NotYetError("the nodes that live here are being replaced")


def _roll_back(context: Context) -> None:
    """Leave everything as it is: what was not replaced stays, and nothing else is still there."""
    said = renewal.answer(context.machine)
    if said is not None and said.reached == context.node.target:
        raise EffectError("the nodes that lived here before are gone")


def _reboot(context: Context) -> None:
    raise EffectError("a step of hosted nodes reboots nothing")


DRIVER = contexts.Driver(
    look=_look,
    check=_check,
    stage=contexts.nothing,
    back_up=_back_up,
    apply=_apply,
    roll_back=_roll_back,
    reboot=_reboot,
    commit=contexts.nothing,
)
