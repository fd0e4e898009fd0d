"""The books of a site: all that the coordinator must not forget, as the peers' databag holds it.

Nothing else is kept anywhere, so a new leader goes on from here. The audit chain is cut at its old
end; what is left of it still proves that no link in it was changed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from edgecloud.rollout import audit, gating, ledger, plan

KEPT_RECORDS = 200
KEPT_PLANS = 32

_NONE = gating.Held()
_LINK = tuple(field.name for field in fields(audit.Record))


@dataclass(frozen=True)
class Rehearsed:
    """The last rehearsal: what it was of, and what came of it."""

    plan: str = ""
    members: str = ""
    seed: int = 0
    core: str = ""
    digest: str = ""
    verdict: str = ""
    """Empty if nothing spoke against the plan."""
    at: int = 0


@dataclass(frozen=True)
class Books:
    """What is written down; a site that never had a plan has empty ones."""

    rollout: ledger.Rollout | None = None
    accepted: plan.Plan | None = None
    signature: str = ""
    source: str = ""
    """The digest of the option's text if the accepted plan is what that says; else empty."""
    chain: tuple[audit.Record, ...] = ()
    tally: tuple[tuple[str, int], ...] = ()
    """How many records there ever were of each order, and of each status that a node came to:
    the chain is cut at its old end, and counters must not be."""
    held: gating.Held = _NONE
    """For how long gates have held something back."""
    whys: tuple[tuple[str, str], ...] = ()
    """Why nodes failed or were left out, or a gate ended the plan, as was said then."""
    finished: tuple[str, ...] = ()
    """The plans that were carried out, newest last; others may depend on them."""
    leader: str = ""
    """The unit that wrote last. Another one begins a new epoch before it writes."""
    rehearsed: Rehearsed | None = None
    problem: str = ""
    """Why the accepted plan cannot be read by this revision; never written."""


def read(bag: Mapping[str, str]) -> Books:
    """Return the books that a databag holds."""
    chain = tuple(audit.Record(*link) for link in json.loads(bag.get("chain") or "[]"))
    found = Books(
        signature=bag.get("signature", ""),
        source=bag.get("source", ""),
        chain=chain,
        tally=tuple(sorted(json.loads(bag.get("tally") or "{}").items())),
        held=gating.read(json.loads(bag.get("held") or "{}")),
        whys=tuple(sorted(json.loads(bag.get("whys") or "{}").items())),
        finished=tuple(json.loads(bag.get("finished") or "[]")),
        leader=bag.get("leader", ""),
        rehearsed=_rehearsed(bag.get("rehearsed", "")),
    )
    if not bag.get("rollout"):
        return found
    try:
        accepted = plan.parse(bag.get("plan", ""))
        rollout = ledger.read(json.loads(bag["rollout"]))
    except (plan.PlanError, KeyError, ValueError, TypeError) as e:
        return replace(found, problem=f"the accepted plan cannot be read: {e}")
    if rollout.digest != accepted.digest:
        return replace(found, problem="this revision reads another digest out of the plan")
    return replace(found, rollout=rollout, accepted=accepted)


def write(books: Books) -> dict[str, str]:
    """Return the databag that holds these books; what is empty is an empty text."""
    return {
        "rollout": _text(ledger.write(books.rollout)) if books.rollout else "",
        "plan": plan.canonical(books.accepted) if books.accepted else "",
        "signature": books.signature,
        "source": books.source,
        "chain": _text([[getattr(link, name) for name in _LINK] for link in books.chain]),
        "tally": _text(dict(books.tally)) if books.tally else "",
        "held": _text(gating.write(books.held)) if books.held != _NONE else "",
        "whys": _text(dict(books.whys)) if books.whys else "",
        "finished": _text(books.finished),
        "leader": books.leader,
        "rehearsed": _text(asdict(books.rehearsed)) if books.rehearsed else "",
    }


def note(books: Books, entries: Iterable[Mapping[str, Any]], now: int) -> Books:
    """Add records to the audit chain."""
    chain, tally = books.chain, Counter(dict(books.tally))
    for entry in entries:
        if "node" in entry:
            tally[str(entry.get("order") or entry.get("to"))] += 1
        link = audit.extend(chain[-1] if chain else None, {"at": now, **entry})
        chain = (*chain, link)
    return replace(books, chain=chain[-KEPT_RECORDS:], tally=tuple(sorted(tally.items())))


def _rehearsed(text: str) -> Rehearsed | None:
    """Return the rehearsal that a text holds; fields of a newer charm are left aside."""
    known = {each.name for each in fields(Rehearsed)}
    values = {name: value for name, value in json.loads(text or "{}").items() if name in known}
    return Rehearsed(**values) if values else None


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
