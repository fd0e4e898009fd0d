"""Carry the controller's order to the agent and the agent's report to the controller.

Both are whole states in files, so a hook that fails loses nothing: the next one carries the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecloud import host as machines
from edgecloud.agent import paths
from edgecloud.host import files
from edgecloud.interfaces import edge_component, node_upgrade
from edgecloud.rollout import messages

Verb = messages.Verb
Status = messages.Status

KUBERNETES = "kubernetes"
"""The kind of step, as orders name it, that takes a voter its way back."""

_BACK_S = 900
"""How long an offer must still be good when the agent is told to begin."""
_TOUCHING = frozenset({Verb.GRANT, Verb.ROLL_BACK})


class RelayError(Exception):
    """The controller says something that cannot be handed on."""


@dataclass(frozen=True)
class Outbox:
    """What the agent last said."""

    report: messages.Report
    state: str = ""
    problem: str = ""
    spoke: bool = False
    """Whether the agent has said anything at all."""


def outbox(host: machines.Host) -> Outbox:
    """Return what the agent last said."""
    said = files.read_state(host, paths.OUTBOX)
    if "report" not in said:
        return Outbox(messages.Report(ready=False))
    report = messages.read_report(said["report"])
    return Outbox(report, str(said.get("state", "")), str(said.get("problem", "")), spoke=True)


def wishes(
    order: messages.Order | None,
    report: messages.Report,
    component: edge_component.Component | None,
) -> edge_component.Wishes:
    """Return what the agent needs from the principal for an order. Pure."""
    if order is None or order.verb is Verb.FORGET:
        return edge_component.Wishes(busy=report.status in messages.DISRUPTED)
    ended = report.is_about(order.digest, order.part) and report.status in messages.SETTLED
    taken = report.seen >= order.stamp
    kind = order.part.partition("/")[0]
    is_voter = component is not None and bool(component.voter)
    return edge_component.Wishes(
        way_back=kind == KUBERNETES and is_voter and (not ended or order.verb is Verb.ROLL_BACK),
        busy=report.status in messages.DISRUPTED
        or (order.verb in _TOUCHING and not taken and not ended),
    )


def missing(
    published: node_upgrade.Published,
    component: edge_component.Component | None,
    now: float,
    *,
    alone: bool,
) -> str:
    """Return what has to come before the agent is told to begin; empty if nothing. Pure.

    Args:
        published: the order and what belongs to it.
        component: what the principal says of Kubernetes here.
        now: seconds since 1970 UTC.
        alone: whether this node is its whole cluster, and goes back by itself.
    """
    if published.order.verb is not Verb.PREPARE or alone:
        return ""
    from edgecloud.rollout import plan, route  # Only a site with a plan pays for it.

    accepted = plan.parse(published.plan)
    work = route.work(accepted, published.order.part, published.order.wave, published.member)
    if work.rollback != "rejoin":
        return ""
    until = component.way_back_until if component else None
    if until is None or until < now + max(_BACK_S, work.duration_s):
        return "an offer to join the cluster again, which is this voter's way back"
    return ""


def hand_on(host: machines.Host, published: node_upgrade.Published) -> bool:
    """Put an order into the agent's inbox. Return whether it is another than before."""
    from edgecloud.agent import exchange  # Only a site with a plan pays for these.
    from edgecloud.rollout import plan

    try:
        accepted = plan.parse(published.plan)
    except plan.PlanError as e:
        raise RelayError(f"the controller's plan cannot be read: {e}") from e
    if accepted.digest != published.order.digest:
        raise RelayError("the controller's order is bound to another plan than it came with")
    inbox = exchange.Inbox(published.order, accepted, published.member, published.signature)
    return exchange.write_inbox(host, inbox)


def ensure_signers(host: machines.Host, text: str) -> bool:
    """Ensure whose plans are trusted. Return whether anything changed."""
    if not text:
        return host.remove(paths.SIGNERS)
    return host.write(paths.SIGNERS, text)
