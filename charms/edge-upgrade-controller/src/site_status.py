"""Say in one line where a site stands, and in a table why each node waits. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgecloud.rollout import availability, ledger, messages, plan, progress, waves

ACTIVE = "active"
BLOCKED = "blocked"
WAITING = "waiting"
LONGEST = 120
"""As much of a message as `juju status` shows in its table."""

Phase = ledger.Phase
MENDED_BY_OPERATOR = frozenset({Phase.HELD, Phase.PARTIAL, Phase.EXPIRED, Phase.ROLLED_BACK})
_NONE = ledger.Sight()


@dataclass(frozen=True)
class Facts:
    """What is known at the end of a hook."""

    is_leader: bool = True
    has_peers: bool = True
    has_nodes: bool = True
    nodes: int = 0
    problems: tuple[str, ...] = ()
    """What an operator has to mend: options, a plan that is refused, two nodes of one name."""
    rollout: ledger.Rollout | None = None
    accepted: plan.Plan | None = None
    sight: ledger.Sight = _NONE
    waiting: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    offered: plan.Plan | None = None
    """The plan of the option, if it is not the one at hand."""
    obstacle: str = ""
    """Why that plan may not begin now."""
    now: int = 0
    doing: Mapping[str, str] = field(default_factory=dict[str, str])
    """What each disturbed node last said that it does."""
    whys: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why nodes of the plan failed or were skipped, or which gate ended it."""
    said: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why gates do not pass now, by ``gate NAME``."""


@dataclass(frozen=True)
class Line:
    """A status and its message."""

    status: str
    message: str


def judge(facts: Facts) -> Line:
    """Return the line for a unit."""
    line = _judge(facts)
    return Line(line.status, line.message[:LONGEST])


def _judge(facts: Facts) -> Line:
    if not facts.has_peers:
        return Line(WAITING, "starting")
    if facts.rollout and facts.rollout.phase not in ledger.TERMINAL:
        text = place(facts)
        return (
            Line(BLOCKED, f"{facts.problems[0]}; {text}") if facts.problems else Line(ACTIVE, text)
        )
    if facts.problems:
        return Line(BLOCKED, "; ".join(facts.problems))
    if not facts.has_nodes:
        return Line(BLOCKED, "missing relation: nodes")
    if not facts.is_leader:
        return Line(ACTIVE, "standing by")
    return _at_rest(facts)


def _at_rest(facts: Facts) -> Line:
    """Return the line of a site on which no rollout is under way."""
    if facts.offered:
        name = f"{facts.offered.id} ({facts.offered.digest[:12]})"
        if facts.obstacle:
            return Line(BLOCKED, f"{name} cannot start: {facts.obstacle}")
        return Line(ACTIVE, f"{name} can start; {_nodes(facts)}")
    if facts.rollout is None:
        return Line(ACTIVE, f"no plan; {_nodes(facts)}")
    text = f"{facts.rollout.plan_id} {_ending(facts)}"
    if facts.rollout.phase in MENDED_BY_OPERATOR:
        return Line(BLOCKED, text)
    return Line(ACTIVE, text)


def _nodes(facts: Facts) -> str:
    return "1 node" if facts.nodes == 1 else f"{facts.nodes} nodes"


def _ending(facts: Facts) -> str:
    """Return how a rollout ended, and what the first node that failed said of it."""
    rollout = facts.rollout
    if rollout is None or not rollout.reason:
        return rollout.phase.value if rollout else ""
    failed = (name for name in facts.whys if f"{name} failed" in rollout.reason)
    first = next(failed, "")
    why = f" ({facts.whys[first]})" if first else ""
    return f"{rollout.phase.value}: {rollout.reason}{why}"


def place(facts: Facts) -> str:
    """Return where a rollout stands: ``wave 2/4: 3 of 7 done, pi-5 draining (1/1 …)``."""
    rollout = facts.rollout
    if rollout is None:
        return ""
    if rollout.phase is not Phase.ACTIVE:
        return f"{rollout.plan_id} {_ending(facts)}"
    names = rollout.waves[rollout.wave]
    done = sum(rollout.entries[name].step > rollout.step for name in names)
    wave = f"wave {rollout.wave}/{len(rollout.waves) - 1}" if rollout.wave else "canary"
    text = f"{wave}: {done} of {len(names)} done"
    paused = f"paused ({rollout.paused}), " if rollout.paused else ""
    return f"{paused}{text}{_doing(facts, rollout)}"


def _doing(facts: Facts, rollout: ledger.Rollout) -> str:
    busy = [name for name, entry in rollout.entries.items() if entry.holds_slot]
    if busy:
        shown = f"{busy[0]} {_class(facts, busy[0])}" + (" and others" if busy[1:] else "")
        return f", {shown}{_unavailable(facts, rollout)}"
    soaking = [n for n in rollout.waves[rollout.wave] if _class(facts, n) == "soaking"]
    if soaking:
        return f", {soaking[0]} soaking"
    if not progress.has_canary_passed(rollout) and progress.has_settled(rollout):
        return ", no canary is left: abort it, and start a new generation"
    reason = next((reasons[0] for reasons in facts.waiting.values() if reasons), "")
    why = next((f" ({facts.said[gate]})" for gate in facts.said if f"{gate}:" in reason), "")
    return f", waiting: {reason}{why}" if reason and not rollout.paused else ""


def _class(facts: Facts, name: str) -> str:
    report = facts.sight.reports.get(name)
    if report is None:
        return "not heard"
    if report.status in messages.DISRUPTED and facts.doing.get(name):
        return facts.doing[name]
    is_begun = report.status is not messages.Status.WAITING
    return report.status.value if is_begun else "granted"


def state(facts: Facts, rollout: ledger.Rollout, name: str) -> str:
    """Return what a node does, in one word or two."""
    entry, report = rollout.entries[name], facts.sight.reports.get(name)
    if entry.released:
        return "released"
    return _class(facts, name) if entry.holds_slot or not report else report.status.value


def _unavailable(facts: Facts, rollout: ledger.Rollout) -> str:
    if facts.accepted is None or facts.sight.blind:
        return ""
    site = ledger.Site(rollout, facts.sight)
    account = availability.count(site, facts.accepted, rollout.entries, facts.now)
    most = waves.count(facts.accepted.limits.max_unavailable, account.total)
    return f" ({len(account.taken)}/{most} unavailable)"


def table(facts: Facts) -> dict[str, Any]:
    """Return everything there is to say of a rollout, node by node."""
    rollout = facts.rollout
    if rollout is None:
        return {"summary": judge(facts).message, "nodes": {}}
    parts = [step.part for step in rollout.steps]
    return {
        "summary": judge(facts).message,
        "plan": rollout.plan_id,
        "digest": rollout.digest,
        "phase": rollout.phase.value,
        "step": parts[rollout.step] if rollout.step < len(parts) else "",
        "wave": rollout.wave,
        "paused": rollout.paused,
        "gates": {name: verdict.value for name, verdict in facts.sight.gates.items()},
        "gates-say": {gate.removeprefix("gate "): why for gate, why in facts.said.items()},
        "nodes": {name: _row(facts, rollout, name) for name in rollout.entries},
    }


def _row(facts: Facts, rollout: ledger.Rollout, name: str) -> dict[str, Any]:
    entry, report = rollout.entries[name], facts.sight.reports.get(name)
    marks = ("failed", "skipped", "debt", "released")
    return {
        "status": state(facts, rollout, name),
        "version": report.version if report else "",
        "order": entry.verb.value if entry.verb else "none",
        "marks": [mark for mark in marks if getattr(entry, mark)],
        "waits-for": list(facts.waiting.get(name, ())),
        "why": facts.whys.get(name, ""),
        "says": report.reason if report else "",
    }


def as_text(found: Mapping[str, Any]) -> str:
    """Return a table as lines for a terminal."""
    lines = [str(found["summary"])]
    if found.get("plan"):
        step = [f"step {found['step']}"] if found["step"] else []
        lines.append(", ".join([f"plan {found['plan']} ({found['digest'][:12]})", *step]))
    for name, verdict in found.get("gates", {}).items():
        why = found["gates-say"].get(name)
        lines.append(f"gate {name}: {verdict}" + (f" ({why})" if why else ""))
    for name, row in found["nodes"].items():
        words = [row["status"], row["version"], *row["marks"]]
        lines.append(f"{name:<16} {', '.join(word for word in words if word)}")
        lines += [f"{'':<16}   waits: {reason}" for reason in row["waits-for"]]
        lines += [f"{'':<16}   because: {row['why']}"] if row["why"] else []
        says = row["says"] if row["says"] != row["why"] else ""
        lines += [f"{'':<16}   says: {says}"] if says else []
    return "\n".join(lines)
