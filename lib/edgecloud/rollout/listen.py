"""What the coordinator learns from its nodes' reports, and from their silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgecloud.rollout import ledger, messages, plan, route

Status = messages.Status


def hear(site: ledger.Site, accepted: plan.Plan, now: int) -> dict[str, ledger.Entry]:
    """Return every entry of the ledger after the reports at hand."""
    rollout, reports, silent = site.rollout, site.sight.reports, site.sight.silent
    heard, parts = dict[str, ledger.Entry](), [step.part for step in rollout.steps]
    for name, entry in rollout.entries.items():
        report = reports.get(name)
        learnt = _absorb(rollout, parts, name, entry, report) if report else entry
        is_heard = report is not None and name not in silent
        is_away = not is_heard and silent_for(site, name, now) >= accepted.offline.grace_s
        heard[name] = learnt if learnt.debt == is_away else replace(learnt, debt=is_away)
    return heard


def failed_in_a_row(rollout: ledger.Rollout, heard: ledger.Entries, accepted: plan.Plan) -> int:
    """Return how many nodes have failed with none between them that came up well.

    A node counts when it comes to its soak, so a long one hides no failure after it. Of those
    that are heard in the same moment nobody knows the order; the good news counts as the older.
    """
    if not accepted.abort.consecutive:
        return 0
    pairs = [(rollout.entries[name], after) for name, after in heard.items()]
    fresh = sum(after.failed and not before.failed for before, after in pairs)
    has_ended = any(_came_up(before, after) for before, after in pairs)
    return (0 if has_ended else rollout.row) + fresh


def _came_up(before: ledger.Entry, after: ledger.Entry) -> bool:
    """Return whether a grant that was in use has ended with an upgraded node."""
    is_well = after.status in (Status.SOAKING, Status.DONE)
    return before.holds_slot and not after.holds_slot and is_well


def silent_for(site: ledger.Site, name: str, now: int) -> int:
    """Return for how long a node has not been heard; -1 if it is heard."""
    since = site.sight.silent.get(name)
    if since is None and name not in site.sight.reports:
        since = site.rollout.accepted_at
    return -1 if since is None else max(0, now - since)


def is_slot_free(entry: ledger.Entry, report: messages.Report) -> bool:
    """Return whether a node has acted on its grant, or on its withdrawal, and is at rest again."""
    return report.seen >= entry.granted and report.status not in messages.DISRUPTED


def _absorb(
    rollout: ledger.Rollout,
    parts: Sequence[str],
    name: str,
    entry: ledger.Entry,
    report: messages.Report,
) -> ledger.Entry:
    changes: dict[str, object] = {}  # Not by calling the alias, which costs more than all else.
    if entry.granted != messages.NEVER and is_slot_free(entry, report):
        changes["granted"] = messages.NEVER
    part = parts[min(entry.order_step, len(parts) - 1)]
    status = report.status if report.is_about(rollout.digest, part) else Status.IDLE
    if status is not entry.status:
        changes["status"] = status
    has_seen = report.seen >= entry.stamp
    if has_seen and entry.order_step == entry.step < len(parts):
        _note_outcome(rollout, name, entry, status, changes)
    elif status in messages.FAILURES and not entry.failed and (has_seen or not entry.token):
        changes["failed"] = True  # Of a node that is tried again, the old failure is no news.
    return ledger.altered(entry, changes) if changes else entry


def _note_outcome(
    rollout: ledger.Rollout,
    name: str,
    entry: ledger.Entry,
    status: Status,
    changes: dict[str, object],
) -> None:
    if status is Status.DONE:
        changes["step"], changes["failed"] = next_step(rollout, name, entry.step + 1), False
    elif status is Status.SKIPPED and not entry.skipped:
        changes["skipped"] = True
    elif status in messages.FAILURES and not entry.failed:
        changes["failed"] = True


def next_step(rollout: ledger.Rollout, name: str, start: int) -> int:
    """Return the first step from one on that concerns a node; past the last if none does."""
    member = rollout.members[name]
    ahead = (step.index for step in rollout.steps[start:] if route.concerns(step, member))
    return next(ahead, len(rollout.steps))
