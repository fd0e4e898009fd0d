"""When a site has to be looked at again though nobody says anything: at the next deadline. Pure.

A wake-up costs a small board more than a decision. So there is one when time alone changes what
:func:`edgecloud.rollout.site.decide` returns, and besides that a few, for what is seen only when
it is asked: gates, and a clock that was put right.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgecloud.rollout import (
    holds,
    ledger,
    listen,
    messages,
    plan,
    progress,
    route,
    staging,
    window,
)

Phase = ledger.Phase
Status = messages.Status

HELD_S = 120
"""How soon a gate is asked again that holds the rollout up."""
WATCHED_S = 300
"""How soon a gate that lets through is asked again, and whether the clock may be trusted now."""
SELDOM_S = 900
IDLE_S = 3600
"""While no node is disturbed or soaks, and none may be yet."""

_ENDED = ledger.TERMINAL - {Phase.COMPLETED_WITH_DEBT}


def next_wake(site: ledger.Site, accepted: plan.Plan, now: int) -> int | None:
    """Return the moment at which to look again; None if nothing comes with time.

    Args:
        site: the ledger as it was decided now, and what was seen.
        accepted: the plan.
        now: the time of that decision.
    """
    if site.rollout.phase in _ENDED:
        return None
    fits, moments = _fits(site, accepted, now), list[int]()
    deadline = _next_deadline(site, accepted, now, fits)
    if deadline:
        moments.append(deadline)
    left_s = window.remaining(accepted.calendar, now)
    if left_s and accepted.calendar.windows:
        moments.append(now + left_s)  # Whoever asks is told at once that it has closed.
    patience_s = _patience_s(site, accepted, now, fits)
    if patience_s:
        moments.append(now + patience_s)
    return min(moments, default=None)


def next_deadline(site: ledger.Site, accepted: plan.Plan, now: int) -> int:
    """Return the first moment at which time alone may change the decision; 0 if there is none."""
    return _next_deadline(site, accepted, now, _fits(site, accepted, now))


def _next_deadline(site: ledger.Site, accepted: plan.Plan, now: int, fits: set[int]) -> int:
    moments = (*_deadlines(site, accepted), *fits)
    return min((moment for moment in moments if moment > now), default=0)


def _deadlines(site: ledger.Site, accepted: plan.Plan) -> Iterator[int]:
    """Yield the moments, past ones too, at which a decision may come out differently."""
    rollout = site.rollout
    yield accepted.expires
    yield staging.next_day(rollout, accepted)
    if rollout.phase is Phase.SCHEDULED:
        yield accepted.not_before
    for name, entry in rollout.entries.items():
        if entry.released:
            continue
        if entry.verb in (messages.Verb.GRANT, messages.Verb.ROLL_BACK) and not _is_used(
            site, name, entry
        ):
            yield entry.expires
        if listen.silent_for(site, name, 0) >= 0:
            since = site.sight.silent.get(name, rollout.accepted_at)
            yield since + accepted.offline.grace_s


def _is_used(site: ledger.Site, name: str, entry: ledger.Entry) -> bool:
    """Return whether a node has taken its grant up, so that its end changes nothing."""
    report = site.sight.reports.get(name)
    return entry.holds_slot and report is not None and report.seen >= entry.granted


def _fits(site: ledger.Site, accepted: plan.Plan, now: int) -> set[int]:
    """Return when the calendar lets the nodes go that are still to go: now, or some time."""
    rollout, last = site.rollout, len(site.rollout.steps) - 1
    needs = {
        route.duration_s(
            accepted, rollout.members[name], rollout.steps[min(entry.step, last)].kind
        )
        for name, entry in rollout.entries.items()
        if _may_go(rollout, entry)
    }
    return {window.next_fit(accepted.calendar, now, needed) or 0 for needed in needs}


def _may_go(rollout: ledger.Rollout, entry: ledger.Entry) -> bool:
    """Return whether a node is to go forward or back, some time."""
    if entry.released or entry.holds_slot or entry.debt:
        return False
    if entry.status is Status.REGRESSED or rollout.phase is Phase.ROLLING_BACK:
        return True
    return progress.is_owed(rollout, entry) and not rollout.paused


def _patience_s(site: ledger.Site, accepted: plan.Plan, now: int, fits: set[int]) -> int:
    """Return after how long to look again in any case; 0 if there is nothing to look for."""
    rollout, is_quiet = site.rollout, progress.is_over(site.rollout)
    is_after = now >= accepted.expires or rollout.phase is Phase.COMPLETED_WITH_DEBT
    if is_quiet and (rollout.paused or (is_after and not fits)):
        return 0
    if not site.sight.clock_trusted:
        return WATCHED_S
    if rollout.phase is Phase.ACTIVE and accepted.gates and not rollout.paused:
        if now in fits or progress.has_settled(rollout):
            return WATCHED_S if _are_open(site, accepted) else HELD_S
        if not is_quiet:
            return WATCHED_S
    is_waiting = rollout.phase is Phase.SCHEDULED or now not in fits
    return IDLE_S if is_quiet and is_waiting else SELDOM_S


def _are_open(site: ledger.Site, accepted: plan.Plan) -> bool:
    return all(
        holds.lets_through(gate.on_unknown, site.sight.gates.get(gate.name))
        for gate in accepted.gates
    )
