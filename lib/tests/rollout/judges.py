"""Checks that return what is wrong, so that the same one judges the core and its mutants."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import replace

from edgecloud.rollout import audit, intent, inventory, messages, route, state, window
from edgecloud.rollout import node as nodes
from edgecloud.twin import box as world
from tests.rollout import search as searching
from tests.rollout import sites

YEAR = sites.at("2030-01-01T00:00:00")
MINUTES = 366 * 24 * 60


def search(case) -> str:
    return searching.Search(case).run().violation


def year(tz: str, wanted: window.Window) -> str:
    """Compare a year of openings with a walk by the minute that knows only the wall clock."""
    getattr(window.opens, "cache_clear", int)()
    truth = brute_force(tz, wanted)
    claimed = list(window.spans(wanted, YEAR, YEAR + MINUTES * 60))
    opening = [start for start, _ in claimed if start >= YEAR]
    if opening != truth:
        odd = sorted(set(opening) ^ set(truth))[0]
        when = dt.datetime.fromtimestamp(odd, dt.timezone.utc)
        return f"I15 {tz} {wanted.start}: differs at {when}"
    if any(end - start != wanted.length_s for start, end in claimed):
        return "I15 a window is longer or shorter than it says"
    return ""


def brute_force(tz: str, wanted: window.Window) -> list[int]:
    """Return every first minute of a local day at which the clock has reached the start."""
    zone, found, opened = zoneinfo.ZoneInfo(tz), [], set()
    hour, minute = (int(part) for part in wanted.start.split(":"))
    days = {window.DAYS.index(day) for day in wanted.days}
    for moment in range(YEAR - 86400, YEAR + MINUTES * 60, 60):
        local = dt.datetime.fromtimestamp(moment, zone)
        for day in (local.toordinal() - 1, local.toordinal()):
            if day in opened or (day - 1) % 7 not in days:
                continue
            if (local.toordinal(), local.hour, local.minute) >= (day, hour, minute):
                opened.add(day)
                found.append(moment)
    return [moment for moment in found if moment >= YEAR]


def madrid() -> str:
    return year("Europe/Madrid", window.Window("02:30", 3600, "Europe/Madrid"))


def burnt_artefact() -> str:
    """A repaired plan that still brings what failed is refused by the node itself."""
    accepted, member = sites.make(id="p2"), sites.workers("b")[0]
    work = route.work(accepted, "kubernetes/1.35", 0, member)
    box = world.fresh("b", "1.34.2", "old")
    box = replace(box, node=replace(box.node, burnt=(work.target,)))
    order = messages.Order((1, 1), messages.Verb.PREPARE, work.digest, work.part)
    after = world.order(box, order, work, 0)
    return "" if after.node.state is state.State.FAILED_SAFE else "I9 tries what failed before"


def old_generation() -> str:
    member = sites.workers("b")[0]
    new, old = (sites.make(generation=number) for number in (2, 1))
    box = world.fresh("b", "1.34.2", "old")
    for serial, accepted in enumerate((new, old), start=1):
        work = route.work(accepted, "kubernetes/1.35", 0, member)
        order = messages.Order((1, serial), messages.Verb.PREPARE, work.digest, work.part)
        box = world.order(box, order, work, 0)
    generation = box.node.work.generation if box.node.work else 0
    return "" if generation == 2 else "I17 prepares for an old generation"


def audit_chain() -> str:
    """Every transition of an upgrade that fails has one record, and no record can be changed."""
    box, records = world.fresh("b", "1.34.2", "old"), []
    for before, after in failing_upgrade(box):
        entry = audit.node_transition(before, after)
        if (entry is None) != (before.state is after.state):
            return "I25 a transition without a record"
        if entry:
            records.append(audit.extend(records[-1] if records else None, entry))
    if audit.first_bad(records) is not None:
        return "I25 the chain does not verify"
    for index in range(len(records)):
        forged = replace(records[index], entry={**records[index].entry, "reason": "forged"})
        if audit.first_bad([*records[:index], forged, *records[index + 1 :]]) is None:
            return "I25 a forged record verifies"
    return ""


def failing_upgrade(box):
    """Yield each node before and after the events of an upgrade that is taken back."""
    accepted, member = sites.make(), sites.workers("b")[0]
    work = route.work(accepted, "kubernetes/1.35", 0, member)
    for serial, verb in ((1, messages.Verb.PREPARE), (2, messages.Verb.GRANT)):
        order = messages.Order((1, serial), verb, work.digest, work.part, expires=900)
        event = state.Ordered(order, work, world.facts(box), 0)
        moved = world.order(box, order, work, 0)
        yield box.node, nodes.step(box.node, event)[0]
        box = moved
        while box.pending:
            moved = _next(box)
            yield box.node, moved.node
            box = moved


def _next(box):
    wanted = "fails (failed)" if box.node.state is state.State.VALIDATING else "done"
    return next(after for label, _, after in world.outcomes(box, 0) if label == wanted)


def second_plan() -> str:
    members = sites.frozen(sites.workers("b", "c"))
    current = intent.accept(sites.make(), members, 0)
    try:
        intent.accept(sites.make(id="p2"), members, 0, current=current)
    except intent.IntentError:
        return ""
    return "I29 two plans own one node"


def drifted_site() -> str:
    accepted = sites.make(rehearsal={"required": True})
    members = sites.frozen(sites.workers("b", "c"))
    rehearsal = intent.Rehearsal(accepted.digest, inventory.digest(members))
    grown = sites.frozen(sites.workers("b", "c", "d"))
    intent.accept(accepted, members, 0, rehearsal=rehearsal)
    try:
        intent.accept(accepted, grown, 0, rehearsal=rehearsal)
    except intent.IntentError:
        return ""
    return "I30 starts on another site than was rehearsed"
