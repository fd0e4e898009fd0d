"""Carry the controller's order to the agent and the agent's report to the controller.

Both are whole states in files, so a hook that fails loses nothing: the next one carries the same.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass

from edgecloud import host as machines
from edgecloud.agent import paths
from edgecloud.host import files
from edgecloud.interfaces import edge_component, node_upgrade
from edgecloud.lxd_member import renewal
from edgecloud.rollout import messages, skew

if typing.TYPE_CHECKING:
    from edgecloud.rollout import route

Verb = messages.Verb
Status = messages.Status

KUBERNETES = "kubernetes"
"""The kind of step, as orders name it, that takes a voter its way back."""

HOSTED = "hosted"
"""The kind of step that disturbs nothing of this machine: nodes in LXD are replaced beside it."""

_BACK_S = 900
"""How long an offer must still be good when the agent is told to begin."""
_WISHING = "applying"
"""The state in which an agent waits for what it wished."""
_TOUCHING = frozenset({Verb.GRANT, Verb.ROLL_BACK})
_BEGINNING = frozenset({Verb.PREPARE, Verb.ROLL_BACK})
_MAY_GO_BACK = messages.DISRUPTED | {Status.SOAKING, Status.REGRESSED}


class RelayError(Exception):
    """The controller says something that cannot be handed on."""


@dataclass(frozen=True)
class Outbox:
    """What the agent last said."""

    report: messages.Report
    state: str = ""
    problem: str = ""
    awaits: str = ""
    """What its effect waits for, which goes on without it."""
    spoke: bool = False
    """Whether the agent has said anything at all."""


def outbox(host: machines.Host) -> Outbox:
    """Return what the agent last said."""
    said = files.read_state(host, paths.OUTBOX)
    silent = messages.Report(ready=False)
    if "report" not in said:
        return Outbox(silent)
    try:
        report = messages.read_report(said["report"])
    except (ValueError, TypeError, KeyError):
        return Outbox(silent, problem="the agent's report is one that this charm cannot read")
    state, problem, awaits = (str(said.get(name, "")) for name in ("state", "problem", "awaits"))
    return Outbox(report, state, problem, awaits, spoke=True)


def work(published: node_upgrade.Published) -> route.Work:
    """Return what an order means for this node. Raises RelayError if nobody here can tell."""
    from edgecloud.rollout import plan, route  # Only a site with a plan pays for these.

    order = published.order
    try:
        return route.work(plan.parse(published.plan), order.part, order.wave, published.member)
    except (plan.PlanError, ValueError) as e:
        raise RelayError(f"the controller's plan cannot be read: {e}") from e


def wishes(
    order: messages.Order | None,
    report: messages.Report,
    component: edge_component.Component | None,
    now: float,
    *,
    rejoins: bool,
    alone: bool,
) -> edge_component.Wishes:
    """Return what the agent needs from the principal. Pure.

    A way back that is needed stays asked for whatever becomes of the order: while the node is
    disturbed or watched, its agent may need it with the controller gone.

    Args:
        order: what the controller says now, if anything.
        report: what the agent last said.
        component: what the principal says of Kubernetes here.
        now: seconds since 1970 UTC.
        rejoins: whether a node goes back from this order by joining anew.
        alone: whether this node is its whole cluster, and goes back by itself.
    """
    is_plane = component is not None and component.role == skew.CONTROL_PLANE
    is_kubernetes = report.part.partition("/")[0] == KUBERNETES
    needs = is_plane and is_kubernetes and not alone and report.status in _MAY_GO_BACK
    disturbed = report.status in messages.DISRUPTED and not is_hosted(report.part)
    if order is None or order.verb is Verb.FORGET:
        return edge_component.Wishes(way_back=needs, busy=disturbed)
    is_about = report.is_about(order.digest, order.part)
    ended = is_about and report.status in messages.SETTLED - {Status.REGRESSED}
    coming = rejoins and not alone and (not ended or order.verb is Verb.ROLL_BACK)
    unread = report.seen < order.stamp and (not order.expires or now < order.expires)
    return edge_component.Wishes(
        way_back=needs or coming,
        busy=disturbed
        or (order.verb in _TOUCHING and unread and not ended and not is_hosted(order.part)),
    )


def hosted_wish(host: machines.Host, said: Outbox) -> edge_component.HostedWish | None:
    """Return what the agent wants of the nodes in LXD; None unless it waits for that now."""
    if said.state != _WISHING or not is_hosted(said.report.part):
        return None
    found = renewal.wish(host)
    return edge_component.HostedWish(found.id, found.version, found.revision)


def is_hosted(part: str) -> bool:
    """Return whether a step is about the nodes that live in LXD here."""
    return part.partition("/")[0] == HOSTED


def missing(
    verb: Verb,
    component: edge_component.Component | None,
    now: float,
    *,
    rejoins: bool,
    alone: bool,
    duration_s: int,
) -> str:
    """Return what has to come before the agent is told; empty if nothing. Pure.

    Args:
        verb: what the agent would be told.
        component: what the principal says of Kubernetes here.
        now: seconds since 1970 UTC.
        rejoins: whether a node goes back from this order by joining anew.
        alone: whether this node is its whole cluster, and goes back by itself.
        duration_s: how long the node is expected to be disturbed.
    """
    if verb not in _BEGINNING or alone or not rejoins:
        return ""
    until = component.way_back_until if component else None
    if until is None or until < now + max(_BACK_S, duration_s):
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
