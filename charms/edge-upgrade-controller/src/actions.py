"""What an operator can ask of a site: each action is a function that returns at once.

An action records what is wanted; whatever follows from that is done by the nodes, later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import books as site_books
import coordination
import gates
import site_options
import site_status
from edgecloud.host import failures
from edgecloud.rollout import audit, intent, inventory, ledger, messages, outlook, plan, progress
from edgecloud.twin import rehearsal, saved, text

Results = dict[str, str]
Books = site_books.Books


class ActionError(failures.WorkloadError):
    """The action was refused; the message says why and what to do."""


@dataclass(frozen=True)
class Context:
    """What the actions act on."""

    books: Books
    options: site_options.SiteOptions
    members: inventory.Inventory
    params: Mapping[str, Any]
    facts: site_status.Facts
    budgets: dict[str, tuple[str, ...]] | None = None
    """For each node the disruption budgets that hold its pods; None if nobody looked."""
    has_monitor: bool = False
    now: int = 0

    @property
    def rollout(self) -> ledger.Rollout:
        """The rollout at hand."""
        if self.books.rollout is None:
            raise ActionError("there is no plan yet")
        return self.books.rollout


@dataclass(frozen=True)
class Outcome:
    """What an action answers, and the books if it changed them."""

    results: Results = field(default_factory=dict[str, str])
    books: Books | None = None


def refusals(
    accepted: plan.Plan,
    options: site_options.SiteOptions,
    members: inventory.Inventory,
    *,
    has_monitor: bool,
) -> list[str]:
    """Return why this site does not take a plan, besides what the core says."""
    return [
        *site_options.limit_problems(options, accepted, members),
        *gates.problems(accepted.gates, has_monitor=has_monitor),
    ]


def _plan(context: Context) -> Outcome:
    """Show what a plan would do; nothing comes of it."""
    accepted, members = _wanted(context), context.members
    results = {"digest": accepted.digest, "verdict": _verdict(context, accepted)}
    if not intent.acceptance_problems(accepted, members, context.now):
        found = outlook.outlook(accepted, members, context.now)
        is_json = context.params["format"] == "json"
        results["outlook"] = json.dumps(found) if is_json else "\n".join(outlook.lines(found))
    return Outcome(results)


def _verdict(context: Context, accepted: plan.Plan) -> str:
    """Return what `start` would say, by the same rules."""
    rollout = context.books.rollout
    if rollout and rollout.digest == accepted.digest:
        if rollout.phase is ledger.Phase.COMPLETED:
            return "it is completed already"
        if rollout.phase not in ledger.TERMINAL:
            return "it is under way already"
    problems = refusals(
        accepted, context.options, context.members, has_monitor=context.has_monitor
    )
    try:
        coordination.accept(context.books, accepted, context.members, context.now)
    except intent.IntentError as e:
        problems.insert(0, str(e))
    return "; ".join(problems) or "can start"


def _start(context: Context) -> Outcome:
    accepted, digest = _wanted(context), _digest(context)
    if digest != accepted.digest:
        raise ActionError(f"the option plan has another digest: {accepted.digest}")
    rollout = context.books.rollout
    if rollout and rollout.digest == digest and rollout.phase is ledger.Phase.COMPLETED:
        return Outcome({"result": "it is completed already"})
    problems = refusals(
        accepted, context.options, context.members, has_monitor=context.has_monitor
    )
    if problems:
        raise ActionError("; ".join(problems))
    books = coordination.accept(context.books, accepted, context.members, context.now)
    news = "accepted" if books is not context.books else "it is under way already"
    return Outcome({"result": news, "digest": digest}, books)


def _wanted(context: Context) -> plan.Plan:
    written = str(context.params.get("plan") or context.options.plan)
    if not written.strip():
        raise ActionError("set the option plan first: juju config APP plan=@FILE")
    return site_options.read_plan(written)


def _rehearse(context: Context) -> Outcome:
    """Run the plan on a twin of this site; what came of it is recorded."""
    accepted, members = _wanted(context), context.members
    problems = refusals(accepted, context.options, members, has_monitor=context.has_monitor)
    if problems:
        raise ActionError("; ".join(problems))
    seed = int(context.params.get("seed", accepted.rehearsal.seed))
    report = rehearsal.rehearse(accepted, members, context.now, seed=seed, budgets=context.budgets)
    results = {
        "verdict": report.verdict or "nothing speaks against it",
        "report": "\n".join(list(text.lines(report))[1:-1]),
        "plan-digest": accepted.digest,
        "rehearsal-digest": report.digest,
    }
    if context.params["save"]:
        results |= {
            "inventory": saved.write(members, context.budgets),
            "plan": plan.canonical(accepted),
        }
    of, now = report.of, context.now
    record = site_books.Rehearsed(
        of.plan, of.members, of.seed, of.core, report.digest, report.verdict, now
    )
    return Outcome(results, coordination.rehearsed(context.books, record, now))


def _pause(context: Context) -> Outcome:
    paused = intent.pause(context.rollout, str(context.params["reason"]))
    return _changed(context, paused, f"paused{_ending_first(paused)}")


def _ending(aborted: ledger.Rollout) -> str:
    """Say what an abort does: who ends first, and who goes back then."""
    told = f"{aborted.phase.value}, mode {aborted.mode}{_ending_first(aborted)}"
    if aborted.mode not in ("rollback-wave", "rollback-all"):
        return told
    names = progress.goes_back(aborted)
    return f"{told}; {', '.join(names) if names else 'no upgraded node'} will go back"


def _ending_first(rollout: ledger.Rollout) -> str:
    """Say which nodes are in the middle of something."""
    busy = [name for name, entry in rollout.entries.items() if entry.holds_slot]
    return f"; {', '.join(busy)} will end first" if busy else ""


def _resume(context: Context) -> Outcome:
    return _changed(context, intent.resume(context.rollout, _digest(context)), "resumed")


def _abort(context: Context) -> Outcome:
    mode = str(context.params["mode"])
    aborted = intent.abort(context.rollout, _digest(context), mode)
    return _changed(context, aborted, _ending(aborted))


def _rollback(context: Context) -> Outcome:
    """Abort and take nodes back, unless the datastore has moved on for good."""
    rollout, mode = context.rollout, f"rollback-{context.params['scope']}"
    if rollout.phase in ledger.TERMINAL:
        raise ActionError(
            f"the rollout is {rollout.phase.value}: a node's way back ends with its plan; "
            "restore a backup, or go forward with another plan"
        )
    upgraded = [name for name, entry in rollout.entries.items() if entry.step > rollout.step]
    final = [name for name in upgraded if progress.is_past_return(rollout, name)]
    if final:
        raise ActionError(
            f"past the point of no return: {', '.join(final)} cannot go back, because most "
            "control planes run the new minor; restore a backup, or go forward"
        )
    aborted = intent.abort(rollout, _digest(context), mode)
    return _changed(context, aborted, _ending(aborted))


def _approve(context: Context) -> Outcome:
    rollout, wave = context.rollout, int(context.params["wave"])
    accepted = context.books.accepted
    specs = (accepted.canary, *accepted.waves) if accepted else ()
    if wave >= len(specs):
        raise ActionError(f"the plan has the waves 0 to {len(specs) - 1}")
    if specs[wave].require != "approval":
        raise ActionError(f"wave {wave} ({specs[wave].name}) asks for no approval")
    approved = intent.approve(rollout, _digest(context), rollout.step, wave)
    return _changed(context, approved, f"wave {wave} of this step may begin")


def _retry(context: Context) -> Outcome:
    name = str(context.params["node"])
    report = context.facts.sight.reports.get(name)
    is_quarantined = report is not None and report.status is messages.Status.QUARANTINED
    asked = intent.retry(context.rollout, name, is_quarantined=is_quarantined)
    return _changed(context, asked, f"{name} is tried once more")


def _release_node(context: Context) -> Outcome:
    name = str(context.params["node"])
    if not context.params["confirm"]:
        raise ActionError(f"{name} would be forgotten by this plan; say confirm=true")
    return _changed(context, intent.release(context.rollout, name), f"{name} is released")


def _status(context: Context) -> Outcome:
    found = site_status.table(context.facts)
    wanted = str(context.params["node"])
    if wanted:
        if wanted not in found["nodes"]:
            raise ActionError(f"{wanted} is not part of a plan")
        found = {**found, "nodes": {wanted: found["nodes"][wanted]}}
    if context.params["format"] == "json":
        return Outcome({"status": json.dumps(found, sort_keys=True)})
    return Outcome({"status": site_status.as_text(found)})


def _verify_audit(context: Context) -> Outcome:
    chain = context.books.chain
    bad = audit.first_bad(chain)
    if bad is not None:
        raise ActionError(f"the audit chain does not hold from record {bad} on")
    if not chain:
        return Outcome({"result": "whole", "records": "none yet"})
    first, last = chain[0], chain[-1]
    return Outcome({"result": "whole", "records": f"{first.seq} to {last.seq}", "head": last.hash})


def _digest(context: Context) -> str:
    return str(context.params["plan-digest"])


def _changed(context: Context, rollout: ledger.Rollout, result: str) -> Outcome:
    books = coordination.change(context.books, rollout, context.now, cause=result)
    return Outcome({"result": result}, books)


ACTIONS: Mapping[str, Callable[[Context], Outcome]] = {
    "abort": _abort,
    "approve": _approve,
    "pause": _pause,
    "plan": _plan,
    "rehearse": _rehearse,
    "release-node": _release_node,
    "resume": _resume,
    "retry": _retry,
    "rollback": _rollback,
    "start": _start,
    "status": _status,
    "verify-audit": _verify_audit,
}
READ_ONLY = frozenset({"plan", "status", "verify-audit"})
"""Actions that any unit can run; the others write, and only a leader may."""


def run(name: str, context: Context, *, is_leader: bool) -> Outcome:
    """Run an action; raise :class:`ActionError` if it is refused."""
    if name not in READ_ONLY and not is_leader:
        raise ActionError("only the leader writes: run it on APP/leader")
    try:
        return ACTIONS[name](context)
    except (intent.IntentError, plan.PlanError) as e:
        raise ActionError(str(e)) from e
