"""How a site's books change: by a plan, an operator's intent, a new leader, and time. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import books as site_books
from edgecloud.interfaces import node_upgrade
from edgecloud.rollout import audit, gating, intent, inventory, ledger, messages, plan, site, wake

Books = site_books.Books
Phase = ledger.Phase


@dataclass(frozen=True)
class Decided:
    """The books to write, and why each node waits."""

    books: Books
    waiting: Mapping[str, tuple[str, ...]]


def lead(books: Books, unit: str, now: int) -> Books:
    """Begin a new epoch if another unit wrote last, so that its late orders are refused."""
    if books.leader == unit:
        return books
    led = replace(books, leader=unit)
    if books.rollout is None:
        return led
    rollout = intent.lead(books.rollout)
    return change(led, rollout, now, cause=f"{unit} leads")


def outrank(books: Books, reports: Mapping[str, node_upgrade.NodeReport], now: int) -> Books:
    """Begin an epoch above all that nodes have obeyed, if that was not given by these books.

    A controller that was deployed anew counts from one; nodes that obeyed the former one would
    take its orders for old ones.
    """
    rollout = books.rollout
    if rollout is None:
        return books
    seen = [(said.epoch or 0, said.serial or 0) for said in reports.values()]
    highest = max(seen, default=(0, 0))
    if highest <= (rollout.epoch, rollout.serial):
        return books
    risen = replace(rollout, epoch=highest[0] + 1)
    return change(books, risen, now, cause="nodes obeyed another controller before")


def accept(books: Books, accepted: plan.Plan, members: inventory.Inventory, now: int) -> Books:
    """Freeze plan and inventory; raise :class:`intent.IntentError` if that may not be."""
    rollout = intent.accept(
        accepted,
        members,
        now,
        current=books.rollout,
        rehearsal=_rehearsal(books, accepted),
        finished=books.finished,
    )
    if rollout is books.rollout:
        return books
    before = books.rollout
    if before is not None and before.phase not in ledger.TERMINAL:
        ended = intent.supersede(before, accepted.id)
        books = change(books, ended, now, cause="superseded")
    cause = {
        "accepted": accepted.id,
        "digest": accepted.digest,
        "members": inventory.digest(members),
    }
    signature = accepted.signature.value if accepted.signature else ""
    noted = site_books.note(books, [cause], now)
    return replace(noted, rollout=rollout, accepted=accepted, signature=signature, whys=())


def _rehearsal(books: Books, accepted: plan.Plan) -> intent.Rehearsal | None:
    """Return the rehearsal that counts; raise if there is one of this plan that does not."""
    found = books.rehearsed
    if found is None or not accepted.rehearsal.required:
        return None
    if found.plan == accepted.digest:
        problem = _void(found, accepted)
        if problem:
            raise intent.IntentError(f"{problem}; run the action rehearse")
    return intent.Rehearsal(found.plan, found.members)


def _void(found: site_books.Rehearsed, accepted: plan.Plan) -> str:
    """Return why a rehearsal of this plan does not count."""
    from edgecloud.twin import rehearsal  # Only such a plan needs it.

    if found.verdict:
        return f"its rehearsal speaks against it: {found.verdict}"
    if found.seed != accepted.rehearsal.seed:
        return f"it was rehearsed with the seed {found.seed}, not its own"
    return "this charm was refreshed since the rehearsal" if found.core != rehearsal.core() else ""


def rehearsed(books: Books, found: site_books.Rehearsed, now: int) -> Books:
    """Record a rehearsal, and what came of it."""
    entry = {"rehearsed": found.plan, "rehearsal": found.digest, "verdict": found.verdict}
    return replace(site_books.note(books, [entry], now), rehearsed=found)


def change(books: Books, rollout: ledger.Rollout, now: int, *, cause: str) -> Books:
    """Record an intent: the rollout as it is from now on, and what or who asked for it."""
    if rollout == books.rollout or books.rollout is None:
        return books
    entries = audit.site_transitions(books.rollout, rollout)
    asked = {"digest": rollout.digest, "epoch": rollout.epoch, "cause": cause}
    return replace(site_books.note(books, [asked, *entries], now), rollout=rollout)


def decide(
    books: Books, sight: ledger.Sight, now: int, said: Mapping[str, str] | None = None
) -> Decided:
    """Let the core decide, and record what it decided.

    Args:
        books: as they are.
        sight: what is seen of the site.
        now: seconds since 1970 UTC.
        said: why gates do not pass, by ``gate NAME``: kept if the plan ends by one.
    """
    before = books.rollout
    if before is None or books.accepted is None:
        return Decided(books, {})
    found = site.decide(ledger.Site(before, sight), books.accepted, now)
    entries = [
        *_heard(before, found.rollout, sight),
        *audit.site_transitions(before, found.rollout),
    ]
    whys = _whys(books, found.rollout, sight, said or {})
    after = replace(site_books.note(books, entries, now), rollout=found.rollout, whys=whys)
    return Decided(_finish(after), found.waiting)


def time_gates(books: Books, sight: ledger.Sight, now: int) -> Books:
    """Count for how long gates have held back what the books decided."""
    if books.rollout is None or books.accepted is None:
        return books
    gates = gating.holding(ledger.Site(books.rollout, sight), books.accepted, now)
    return replace(books, held=gating.advance(books.held, gates, now))


def _whys(
    books: Books, after: ledger.Rollout, sight: ledger.Sight, said: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """Return why each node failed or was skipped, and the gate that ended it, as they said it."""
    known = dict(books.whys)
    if books.rollout is not None and books.rollout.reason != after.reason:
        known |= {gate: why for gate, why in said.items() if after.reason == f"{gate} failed"}
    for name, entry in after.entries.items():
        report = sight.reports.get(name)
        if not (entry.failed or entry.skipped):
            known.pop(name, None)
        elif report is not None and report.reason and report.status in messages.SETTLED:
            known[name] = report.reason
    return tuple(sorted(known.items()))


def _heard(
    before: ledger.Rollout, after: ledger.Rollout, sight: ledger.Sight
) -> list[dict[str, str]]:
    """Return a record of each node that came to another class of state, with its chain's head."""
    return [
        {
            "digest": after.digest,
            "node": name,
            "from": before.entries[name].status.value,
            "to": entry.status.value,
            "head": sight.reports[name].head if name in sight.reports else "",
            "reason": sight.reports[name].reason if name in sight.reports else "",
        }
        for name, entry in after.entries.items()
        if entry.status is not before.entries[name].status
    ]


def _finish(books: Books) -> Books:
    rollout = books.rollout
    if rollout is None or rollout.phase is not Phase.COMPLETED:
        return books
    if rollout.plan_id in books.finished:
        return books
    finished = (*books.finished, rollout.plan_id)[-site_books.KEPT_PLANS :]
    return replace(books, finished=finished)


def is_under_way(books: Books) -> bool:
    """Return whether a rollout is not over yet."""
    return books.rollout is not None and books.rollout.phase not in ledger.TERMINAL


def may_grant(books: Books) -> bool:
    """Return whether a node may still be granted: also one that was away when the rest ended."""
    return is_under_way(books) or (
        books.rollout is not None and books.rollout.phase is Phase.COMPLETED_WITH_DEBT
    )


def wake_after_s(books: Books, sight: ledger.Sight, now: int) -> int | None:
    """Return when to look again if nobody says anything before; None if there is no need."""
    if books.rollout is None or books.accepted is None:
        return None
    moment = wake.next_wake(ledger.Site(books.rollout, sight), books.accepted, now)
    return None if moment is None else moment - now
