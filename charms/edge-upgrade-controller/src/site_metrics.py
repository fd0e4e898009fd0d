"""Say in numbers where a site's upgrade stands, for its monitor. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import books
import site_status
from edgecloud.metrics import exposition
from edgecloud.metrics import site_upgrade as names
from edgecloud.rollout import audit, availability, ledger, messages, plan, waves, window

MOST_MEMBERS = 64
"""More than that nobody reads on a page, and each costs series."""
LONGEST = 200
"""Of a text that is a label."""

_COUNTDOWN = re.compile(r"\d+ s of a window with \d+ s left")
_GATES = {ledger.Verdict.PASS: 1, ledger.Verdict.FAIL: 0}


def text(facts: site_status.Facts, kept: books.Books) -> str:
    """Return the whole text file."""
    samples = [*_of_chain(kept.chain), *_of_tally(dict(kept.tally)), *_of_gates(kept)]
    if facts.rollout is not None and facts.accepted is not None:
        samples += _of_rollout(facts.rollout)
        samples += _of_members(facts, facts.rollout)
        samples += _of_site(facts, facts.rollout, facts.accepted)
    return exposition.write(samples)


def _of_chain(chain: Sequence[audit.Record]) -> Iterator[exposition.Sample]:
    if chain:
        yield names.CHANGED.at(float(chain[-1].entry.get("at", 0)))
        yield names.RECORDS.at(chain[-1].seq)
        yield names.INTACT.at(audit.first_bad(chain) is None)


def _of_tally(tally: Mapping[str, int]) -> Iterator[exposition.Sample]:
    """Yield counters, at 0 too: what is not there yet cannot be seen to grow."""
    if tally:
        for verb in messages.Verb:
            yield names.ORDERS.at(tally.get(verb.value, 0), verb=verb.value)
        for status in messages.SETTLED:
            yield names.OUTCOMES.at(tally.get(status.value, 0), status=status.value)


def _of_gates(kept: books.Books) -> Iterator[exposition.Sample]:
    """Yield for how long each gate has held, those of the plan that never did among them."""
    gates = dict.fromkeys((gate.name for gate in kept.accepted.gates) if kept.accepted else (), 0)
    for name, taken_s in {**gates, **dict(kept.held.seconds)}.items():
        yield names.GATE_BLOCKED.at(taken_s, gate=name)


def _of_rollout(rollout: ledger.Rollout) -> Iterator[exposition.Sample]:
    entries = rollout.entries.values()
    if rollout.step < len(rollout.steps):
        yield names.STEP.at(1, part=rollout.steps[rollout.step].part)
        yield names.WAVE.at(rollout.wave)
        yield names.WAVES.at(len(rollout.waves))
    there = [entry for entry in entries if not entry.released]
    yield names.PLAN.at(
        1, plan=rollout.plan_id, generation=str(rollout.generation), digest=rollout.digest[:12]
    )
    for phase in ledger.Phase:
        yield names.PHASE.at(rollout.phase is phase, phase=phase.value)
    statuses = Counter(entry.status for entry in there)
    for status in messages.Status:
        yield names.NODES.at(statuses[status], status=status.value)
    yield names.PAUSED.at(bool(rollout.paused))
    yield names.DONE.at(sum(entry.step >= len(rollout.steps) for entry in there))
    yield names.GRANTED.at(sum(entry.holds_slot for entry in there))
    yield names.FAILED.at(sum(entry.failed for entry in there))
    yield names.QUARANTINED.at(statuses[messages.Status.QUARANTINED])
    yield names.DEBT.at(sum(entry.debt for entry in there))


def _of_members(facts: site_status.Facts, rollout: ledger.Rollout) -> Iterator[exposition.Sample]:
    """Yield each node's place, and why it waits, in words that stay the same while they hold."""
    waves_of = {name: str(number) for number, wave in enumerate(rollout.waves) for name in wave}
    for name in list(rollout.entries)[:MOST_MEMBERS]:
        state = site_status.state(facts, rollout, name)
        yield names.MEMBER.at(1, member=name, wave=waves_of.get(name, ""), state=state)
        for reason in sorted({_lasting(reason) for reason in facts.waiting.get(name, ())}):
            yield names.WAITS.at(1, member=name, reason=reason)


def _lasting(reason: str) -> str:
    """Return a reason without what counts down: each number would be a series of its own."""
    return _COUNTDOWN.sub("more of a window than is left", reason)[:LONGEST]


def _of_site(
    facts: site_status.Facts, rollout: ledger.Rollout, accepted: plan.Plan
) -> Iterator[exposition.Sample]:
    site = ledger.Site(rollout, facts.sight)
    account = availability.count(site, accepted, rollout.entries, facts.now)
    yield names.UNAVAILABLE.at(len(account.taken))
    yield names.BUDGET.at(waves.count(accepted.limits.max_unavailable, account.total))
    if facts.sight.voters:
        answering = len(facts.sight.answering & facts.sight.voters)
        yield names.VOTERS.at(answering)
        yield names.SLACK.at(answering - availability.majority(len(facts.sight.voters)))
    minors = [
        minor.minor for name in rollout.members if (minor := availability.minor_of(site, name))
    ]
    if minors:
        yield names.SKEW.at(max(minors) - min(minors))
    for name, since in facts.sight.silent.items():
        if name in rollout.entries:
            yield names.SILENT.at(since, member=name)
    for name, verdict in facts.sight.gates.items():
        yield names.GATE.at(_GATES.get(verdict, -1), gate=name)
    for gate in accepted.gates:
        asks, when = gate.query[:LONGEST], ", ".join(gate.when)
        yield names.GATE_INFO.at(1, gate=gate.name, kind=gate.type, asks=asks, when=when)
    remaining = window.remaining(accepted.calendar, facts.now)
    yield names.WINDOW.at(remaining > 0)
    if accepted.calendar.windows:
        yield names.REMAINING.at(remaining)
