"""Which nodes are disturbed on purpose right now, and until when that excuses them. Pure.

A monitor tells nobody of what such a disturbance is bound to cause, as long as this is said anew:
each word is good for a quarter of an hour or a little more, so that it ends by itself when nobody
says it any more. It ends for good when the plan's time for one node is over.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgecloud.interfaces import health_gate
from edgecloud.rollout import ledger, messages, plan

LEASE_S = 900
"""For how long a word is good at least."""
STEP_S = 600
"""How often it is said anew; each time wakes the monitor."""


def disturbed(
    rollout: ledger.Rollout | None, accepted: plan.Plan | None, now: int
) -> tuple[health_gate.Disturbance, ...]:
    """Return the nodes that hold a grant, each with the time until which that is an excuse."""
    if rollout is None or accepted is None:
        return ()
    return tuple(_disturbed(rollout, accepted, now))


def renew_after_s(said: tuple[health_gate.Disturbance, ...], now: int) -> int | None:
    """Return after how long this has to be said anew; None if there is nothing to say."""
    return STEP_S - now % STEP_S if said else None


def _disturbed(
    rollout: ledger.Rollout, accepted: plan.Plan, now: int
) -> Iterator[health_gate.Disturbance]:
    lease = now - now % STEP_S + STEP_S + LEASE_S  # The same for a while, so that it is no news.
    for name, entry in rollout.entries.items():
        until = min(lease, _last(entry, accepted))
        if entry.holds_slot and until > now:
            part = rollout.steps[min(entry.order_step, len(rollout.steps) - 1)].part
            yield health_gate.Disturbance(name, until, rollout.plan_id, part)


def _last(entry: ledger.Entry, accepted: plan.Plan) -> int:
    """Return when a node should be through at the latest, or should have begun."""
    if entry.status in messages.DISRUPTED:
        return entry.expires + accepted.deadlines.node_s
    return entry.expires
