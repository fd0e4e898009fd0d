"""One seeded bug, at least, for every invariant that is the core's: what each search must catch.

I28 (no secret in what is published) is the agent's and the charms': its bugs are sown there. I10,
I11 and I16 are the core's as far as it gives the orders; the bytes themselves are the agent's.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass, replace

from edgecloud.rollout import (
    audit,
    availability,
    grant,
    holds,
    intent,
    ledger,
    listen,
    messages,
    moves,
    node,
    orders,
    progress,
    resume,
    route,
    site,
    skew,
    staging,
    state,
    window,
)
from tests.rollout import cases, judges, sites

State = state.State


@dataclass(frozen=True)
class Mutant:
    invariant: str
    what: str
    seed: Callable
    """Patches the core by pytest's monkeypatch."""
    catch: Callable[[], str]
    """Returns the violation that it finds."""


def searched(members, kinds="", **changes):
    return lambda: judges.search(cases.case("mutant", members, kinds, **{"faults": 1, **changes}))


def put(module, name, replacement):
    return lambda patch: patch.setattr(module, name, replacement)


def table(mapping, key, replacement):
    return lambda patch: patch.setitem(mapping, key, replacement)


def both(*seeds):
    def seed(patch):
        for each in seeds:
            each(patch)

    return seed


def _to(where):
    return lambda box, facts, now: replace(box, state=where)


def _straight_on(box, event):
    granted = replace(box, stamp=event.order.stamp, expires=event.order.expires)
    return replace(granted, state=State.DRAINING)


def _any_epoch(box, facts, now):
    return "" if box.work and window.fits(box.work.calendar, now, box.work.duration_s) else "no"


def _naive_opening(tz, ordinal, start):
    winter = window.zoneinfo.ZoneInfo(tz).utcoffset(window.dt.datetime(2030, 1, 1))
    wall = window.dt.datetime.combine(
        window.dt.date.fromordinal(ordinal), window.dt.time.fromisoformat(start)
    )
    return int((wall - winter).replace(tzinfo=window.UTC).timestamp())


def _before_the_gap(zone, wall, low, high):
    return high


def _all_windows(calendar, now):
    return 10**6


def _hosted_first(accepted, chosen):
    return sorted(REAL_WAY(accepted, chosen), key=lambda each: each[0] is not route.Kind.HOSTED)


TWO = {"limits": {"max-unavailable": 2, "per-domain": 2}}
REAL_NODE_TRANSITION = audit.node_transition
REAL_WAY = route._kubernetes

MUTANTS = (
    Mutant(
        "I1",
        "does not count what is unavailable",
        put(grant, "budget_blocker", lambda a, n: ""),
        searched(cases.WORKERS),
    ),
    Mutant(
        "I1",
        "counts its own grants only",
        put(availability, "is_down", lambda *a: False),
        searched(cases.WORKERS, "user"),
    ),
    Mutant(
        "I1",
        "forgets a grant that nobody answered",
        put(ledger.Entry, "holds_slot", property(lambda entry: False)),
        searched(cases.WORKERS),
    ),
    Mutant(
        "I1",
        "frees a slot by a report older than its grant",
        put(listen, "is_slot_free", lambda e, r: r.status not in messages.DISRUPTED),
        searched(cases.WORKERS),
    ),
    Mutant(
        "I2",
        "does not count by failure domain",
        put(grant, "domain_blocker", lambda a, n: ""),
        searched(cases.MIXED, limits={"max-unavailable": 2}, **cases.ALONE),
    ),
    Mutant(
        "I3",
        "does not ask the voters",
        put(grant, "quorum_blocker", lambda a, n: ""),
        searched(cases.PLANES, **TWO),
    ),
    Mutant(
        "I3",
        "takes half for a majority",
        put(availability, "majority", lambda n: n // 2),
        searched(cases.PLANES, **TWO),
    ),
    Mutant(
        "I4",
        "does not look at versions",
        put(grant, "skew_blocker", lambda *a, **k: ""),
        searched(cases.BEHIND, select={"exclude": ["z"]}, **cases.ALONE),
    ),
    Mutant(
        "I4",
        "leaves nodes in LXD behind until the last minor",
        both(
            put(route, "_must_follow", lambda hosted, minor, following: following is None),
            put(grant, "skew_blocker", lambda *a, **k: ""),
        ),
        searched(cases.AGED, targets=sites.kubernetes("1.35", "1.36"), **cases.ALONE),
    ),
    Mutant(
        "I5",
        "plans and takes the way without the minors between",
        both(
            put(skew, "route", lambda c, t: (t,)),
            put(node, "skips_a_minor", lambda *a: False),
            put(grant, "skew_blocker", lambda *a, **k: ""),
        ),
        searched(cases.LATE, targets=sites.kubernetes("1.34", "1.35"), **cases.ALONE),
    ),
    Mutant(
        "I6",
        "lets workers go with control planes",
        put(grant, "order_blocker", lambda *a, **k: ""),
        searched(cases.PATCH, targets=sites.kubernetes("1.34"), **TWO, **cases.ALONE),
    ),
    Mutant(
        "I6",
        "makes nodes in LXD anew while a control plane that was away may still go back",
        put(grant, "planes_behind", lambda *a: 0),
        searched(cases.HOSTS, "away regress", faults=2, **cases.ALONE),
    ),
    Mutant(
        "I6",
        "makes nodes in LXD anew before the control planes moved",
        both(
            put(route, "_kubernetes", _hosted_first),
            put(grant, "_newcomer_blocker", lambda *a: ""),
        ),
        searched(cases.HOSTS, **cases.ALONE),
    ),
    Mutant(
        "I7",
        "leaves its cordon",
        put(moves, "must_uncordon", lambda box: False),
        searched(cases.PAIR),
    ),
    Mutant(
        "I7",
        "calls a node quarantined while it is still cordoned",
        put(state, "status", lambda box: state._STATUS.get(box.state, messages.Status.DISRUPTED)),
        searched(cases.PAIR, "fail", faults=2),
    ),
    Mutant(
        "I8",
        "takes every cordon for its own",
        put(node, "is_theirs", lambda *a: False),
        searched(cases.PAIR, "user"),
    ),
    Mutant(
        "I9",
        "applies again after a cut",
        table(resume._BY_STATE, State.APPLYING, lambda b, f, n: b),
        searched(cases.PAIR, "cut"),
    ),
    Mutant(
        "I9",
        "forgets what failed",
        put(orders, "is_burnt", lambda box: False),
        judges.burnt_artefact,
    ),
    Mutant(
        "I10",
        "stages again when a trial boot is cut short",
        table(resume._BY_STATE, State.VALIDATING, _to(State.STAGING)),
        searched(cases.PAIR, "cut", targets=cases.OS),
    ),
    Mutant(
        "I11",
        "commits whatever came up",
        table(resume._BY_STATE, State.REBOOTING, _to(State.COMMITTING)),
        searched(cases.PAIR, "cut", targets=cases.OS),
    ),
    Mutant(
        "I12",
        "believes that it went back",
        put(node, "is_back", lambda *a: True),
        searched(cases.PAIR, "fail", faults=2),
    ),
    Mutant(
        "I13",
        "reverts a voter",
        put(route, "rollback_kind", lambda *a: "revert"),
        searched(cases.PLANES, "fail"),
    ),
    Mutant(
        "I14",
        "the site does not look at the window",
        both(
            put(availability, "window", types.SimpleNamespace(remaining=_all_windows)),
            put(holds, "window", types.SimpleNamespace(remaining=_all_windows)),
        ),
        searched(cases.WORKERS, times=cases.RACE, races_time=True),
    ),
    Mutant(
        "I14",
        "the node does not look at the window",
        put(moves, "window", types.SimpleNamespace(fits=lambda *a: True)),
        searched(cases.PAIR, times=cases.RACE, races_time=True),
    ),
    Mutant(
        "I14",
        "trusts any clock",
        put(holds, "site_blockers", lambda *a: []),
        searched(cases.WORKERS, "clock"),
    ),
    Mutant(
        "I15", "keeps one offset all year", put(window, "opens", _naive_opening), judges.madrid
    ),
    Mutant(
        "I15", "opens late after a gap", put(window, "_gap_end", _before_the_gap), judges.madrid
    ),
    Mutant(
        "I16",
        "takes any plan for the one that was ordered",
        put(orders, "is_for", lambda *a: True),
        searched(cases.PAIR, "tampered"),
    ),
    Mutant(
        "I16",
        "does not compare what it staged",
        table(node._AFTER, State.STAGING, lambda b, w, e: replace(b, state=State.WAITING)),
        searched(cases.PAIR, "fail"),
    ),
    Mutant(
        "I17",
        "takes any order for news",
        put(orders, "is_news", lambda *a: True),
        searched(cases.PAIR, "late"),
    ),
    Mutant(
        "I17",
        "takes up a grant that expired",
        put(moves, "begin_blocker", _any_epoch),
        searched(
            cases.PAIR, times=(cases.NIGHT, cases.NIGHT + 3600, cases.LAZY[2]), races_time=True
        ),
    ),
    Mutant(
        "I17",
        "prepares for a generation that was replaced",
        put(orders, "refusal", lambda *a: ""),
        judges.old_generation,
    ),
    Mutant(
        "I18",
        "opens a wave before the one before has ended",
        both(
            put(progress, "has_settled", lambda rollout: True),
            put(progress, "has_canary_passed", lambda rollout: True),
        ),
        searched(cases.WORKERS),
    ),
    Mutant(
        "I18",
        "does without its canary",
        put(progress, "has_canary_passed", lambda rollout: True),
        searched(
            cases.PICKED,
            "away",
            offline={"grace": "60s", "counts-unavailable": False},
            canary={"name": "canary", "size": "1", "where": {"pick": "yes"}},
        ),
    ),
    Mutant(
        "I19",
        "does not count failures",
        put(holds, "too_many_failures", lambda *a: ""),
        searched(
            cases.WORKERS,
            "fail",
            waves=[{"name": "rest", "min-success": 1}],
            canary={"name": "canary", "size": "2", "min-success": 1},
        ),
    ),
    Mutant(
        "I19",
        "does not count failures in a row",
        put(listen, "failed_in_a_row", lambda *a: 0),
        searched(
            cases.WORKERS,
            "fail",
            abort={"node-failures": 3, "consecutive": 1},
            waves=[{"name": "rest", "min-success": 1}],
            canary={"name": "canary", "size": "2", "min-success": 1},
        ),
    ),
    Mutant(
        "I19",
        "goes on where a drain ends the plan",
        put(progress, "drain_problem", lambda *a: ""),
        searched(
            cases.WORKERS,
            "fail",
            drain={"on-block": "abort"},
            abort={"node-failures": 3},
            waves=[{"name": "rest", "min-success": 1}],
            canary={"name": "canary", "size": "2", "min-success": 1},
        ),
    ),
    Mutant(
        "I20",
        "takes silence for consent",
        put(holds, "lets_through", lambda u, verdict: verdict is not ledger.Verdict.FAIL),
        searched(cases.WORKERS, "gate", **cases.ALERTS),
    ),
    Mutant(
        "I21",
        "goes on while paused",
        put(holds, "is_paused", lambda rollout: False),
        searched(cases.PAIR, "pause"),
    ),
    Mutant(
        "I21",
        "leaves a grant standing",
        put(site, "should_withdraw", lambda *a: False),
        searched(cases.PAIR, "pause"),
    ),
    Mutant(
        "I22",
        "waits for the coordinator before it uncordons",
        put(
            node,
            "pending",
            lambda box: (
                ()
                if box.state is State.UNCORDONING
                else tuple(filter(None, [state.EFFECTS.get(box.state)]))
            ),
        ),
        searched(cases.PAIR),
    ),
    Mutant(
        "I23",
        "forgets who was away",
        put(progress, "is_owed", lambda *a: False),
        searched(cases.WORKERS, "away", offline={"grace": "60s", "counts-unavailable": False}),
    ),
    Mutant(
        "I24",
        "never frees a slot",
        put(listen, "is_slot_free", lambda *a: False),
        searched(cases.WORKERS),
    ),
    Mutant(
        "I25",
        "links records to nothing",
        put(audit, "_hash", lambda seq, entry, prev: f"{seq}"),
        judges.audit_chain,
    ),
    Mutant(
        "I25",
        "does not record a failure",
        put(
            audit,
            "node_transition",
            lambda before, after: (
                None if after.state is State.ROLLING_BACK else REAL_NODE_TRANSITION(before, after)
            ),
        ),
        judges.audit_chain,
    ),
    Mutant(
        "I26",
        "does not look at the floors again",
        table(orders._ANSWERS, messages.Verb.GRANT, _straight_on),
        searched(cases.PAIR),
    ),
    Mutant(
        "I26",
        "stages while a floor tells it to wait",
        put(node, "postponed", lambda box, reason: replace(box, state=State.STAGING)),
        searched(cases.PAIR, "fail"),
    ),
    Mutant(
        "I26",
        "lets all nodes fetch at once",
        put(staging, "at_once_blocker", lambda account: ""),
        searched(cases.WORKERS, limits={"staging": 1}),
    ),
    Mutant(
        "I26",
        "counts no day's bytes",
        put(staging, "day_blocker", lambda *a: ""),
        searched(cases.WORKERS, targets=cases.SIZED, limits={"daily-mib": 250}),
    ),
    Mutant(
        "I27",
        "does not let the coordinator's node go last",
        put(grant, "order_blocker", lambda *a, **k: ""),
        searched(cases.HOME),
    ),
    Mutant(
        "I29",
        "changes plans in the middle",
        put(orders, "can_change_plan", lambda box: True),
        searched(cases.PAIR, "second"),
    ),
    Mutant(
        "I29",
        "does not see another tool",
        put(holds, "site_blockers", lambda *a: []),
        searched(cases.WORKERS, "foreign"),
    ),
    Mutant(
        "I29",
        "takes a second plan beside the first",
        put(intent, "succession_problems", lambda *a: []),
        judges.second_plan,
    ),
    Mutant(
        "I30",
        "starts what was not rehearsed",
        put(intent, "rehearsal_problems", lambda *a: []),
        judges.drifted_site,
    ),
)
ELSEWHERE = {
    "I28": "lib/tests/agent/test_microk8s.py::"
    "test_given_a_seeded_bug_that_tells_a_token_when_all_is_searched_then_it_is_found"
}
"""The core handles no secret: the bugs of this kind are sown in the agent."""
