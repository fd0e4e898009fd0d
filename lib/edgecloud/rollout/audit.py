"""What happened, in a chain that nobody can rewrite without breaking it.

Each transition gives exactly one record; a record carries the hash of the one before, and its
writer puts it on disk before the effect that follows from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgecloud.rollout import ledger, state

GENESIS = "0" * 64


@dataclass(frozen=True)
class Record:
    """One link of the chain."""

    seq: int
    entry: Mapping[str, Any]
    prev: str
    hash: str


def node_transition(before: state.Node, after: state.Node) -> dict[str, Any] | None:
    """Return what there is to record of a step of a node; None if it changed no state."""
    if before.state is after.state:
        return None
    work = after.work or before.work
    return {
        "node": after.name,
        "digest": work.digest if work else "",
        "part": work.part if work else "",
        "from": before.state.value,
        "to": after.state.value,
        "reason": after.reason,
        "stamp": list(after.stamp),
    }


def site_transitions(before: ledger.Rollout, after: ledger.Rollout) -> list[dict[str, Any]]:
    """Return what there is to record of a decision: phases, waves, and each new order."""
    found = list[dict[str, Any]]()
    place = (before.phase, before.step, before.wave, before.paused)
    if place != (after.phase, after.step, after.wave, after.paused):
        found.append(
            {
                "from": f"{before.phase.value}/{before.step}/{before.wave}",
                "to": f"{after.phase.value}/{after.step}/{after.wave}",
                "paused": after.paused,
                "reason": after.reason,
            }
        )
    for name, entry in after.entries.items():
        if entry.verb and entry.stamp != before.entries[name].stamp:
            found.append({"order": entry.verb.value, "node": name, "stamp": list(entry.stamp)})
    return [{"digest": after.digest, "epoch": after.epoch, **each} for each in found]


def extend(last: Record | None, entry: Mapping[str, Any]) -> Record:
    """Return the next link after one."""
    seq, prev = (last.seq + 1, last.hash) if last else (1, GENESIS)
    return Record(seq, entry, prev, _hash(seq, entry, prev))


def first_bad(records: Iterable[Record]) -> int | None:
    """Return the number of the first link that does not hold; None if the chain is whole."""
    prev, expected = None, None
    for record in records:
        is_next = prev is None or (record.seq == expected and record.prev == prev)
        if not is_next or record.hash != _hash(record.seq, record.entry, record.prev):
            return record.seq
        prev, expected = record.hash, record.seq + 1
    return None


def _hash(seq: int, entry: Mapping[str, Any], prev: str) -> str:
    text = json.dumps([seq, prev, entry], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
