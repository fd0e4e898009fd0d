"""Which gates hold a rollout back right now, and for how long each ever has. Pure.

A gate holds if the same site would go on were this gate to pass, all the others passing too. One
that does not pass while no window is open, or while the budget is taken, holds nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from edgecloud.rollout import holds, ledger, plan, site

WRITTEN_S = 240
"""How old a count may be that is written down: what is written more often wakes more hooks."""
LONGEST_S = 5400
"""Nobody knows what held between two looks further apart: Juju looks once an hour at the least."""
KEPT_GATES = 32


@dataclass(frozen=True)
class Held:
    """For how long gates have held something back, counted up to a moment."""

    at: int = 0
    gates: tuple[str, ...] = ()
    """Those that held from that moment on."""
    seconds: tuple[tuple[str, int], ...] = ()
    """What each gate ever took, up to that moment; the last that held is the last."""


def holding(of: ledger.Site, accepted: plan.Plan, now: int) -> tuple[str, ...]:
    """Return the gates that hold something back, given the rollout as it was decided."""
    closed = [
        gate.name
        for gate in accepted.gates
        if not holds.lets_through(gate.on_unknown, of.sight.gates.get(gate.name))
    ]
    if not closed or of.rollout.phase in ledger.TERMINAL - {ledger.Phase.COMPLETED_WITH_DEBT}:
        return ()
    free = _moves(of, accepted, now, "")
    return tuple(sorted(name for name in closed if _moves(of, accepted, now, name) != free))


def _moves(of: ledger.Site, accepted: plan.Plan, now: int, closed: str) -> tuple[object, ...]:
    """Return what a decision would set going if all gates passed, or all but one."""
    verdicts = {gate.name: ledger.Verdict.PASS for gate in accepted.gates if gate.name != closed}
    if closed in of.sight.gates:
        verdicts[closed] = of.sight.gates[closed]
    decided = site.decide(replace(of, sight=replace(of.sight, gates=verdicts)), accepted, now)
    after = decided.rollout
    return (decided.granted, after.phase, after.step, after.wave)


def advance(held: Held, gates: Collection[str], now: int) -> Held:
    """Return the count after a look at a site: the time since the last one, counted just once.

    Args:
        held: as it was written down.
        gates: those that hold now.
        now: seconds since 1970 UTC; where clocks disagree or are set, it may be less than before.
    """
    names, passed_s = tuple(sorted(gates)), min(max(0, now - held.at), LONGEST_S)
    is_recent = 0 <= now - held.at < WRITTEN_S
    if names == held.gates and (is_recent or not names):
        return held  # Nothing is lost: this time is counted with the next look.
    seconds = dict(held.seconds)
    for name in held.gates:
        seconds[name] = seconds.pop(name, 0) + passed_s
    for name in names:
        seconds[name] = seconds.pop(name, 0)
    return Held(now, names, tuple(seconds.items())[-KEPT_GATES:])


def write(held: Held) -> Mapping[str, object]:
    """Return a count as JSON knows it."""
    return {"at": held.at, "gates": held.gates, "seconds": held.seconds}


def read(document: Mapping[str, object]) -> Held:
    """Return the count that :func:`write` wrote."""
    at, gates, seconds = (document.get(name) for name in ("at", "gates", "seconds"))
    if not (isinstance(at, int) and isinstance(gates, list) and isinstance(seconds, list)):
        return Held()
    return Held(at, tuple(gates), tuple((name, taken) for name, taken in seconds))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
