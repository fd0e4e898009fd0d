"""What an operator, a leader or a newer plan may ask of a rollout; each is recorded, not done.

Every function returns the ledger to write, or raises :class:`IntentError` with the reason. Asking
twice for the same thing changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from edgecloud.rollout import (
    inventory,
    ledger,
    listen,
    messages,
    plan,
    progress,
    route,
    staging,
    waves,
)

Phase = ledger.Phase
Rollout = ledger.Rollout
MODES = ("hold", "rollback-failed", "rollback-wave", "rollback-all")


class IntentError(Exception):
    """Something that cannot be asked of a rollout now."""


@dataclass(frozen=True)
class Rehearsal:
    """What a rehearsal was of; any drift since then voids it."""

    plan: str
    members: str


def accept(
    accepted: plan.Plan,
    members: inventory.Inventory,
    now: int,
    *,
    current: Rollout | None = None,
    rehearsal: Rehearsal | None = None,
    finished: Iterable[str] = (),
) -> Rollout:
    """Freeze plan and inventory, and schedule the rollout; the same plan again is no news."""
    if current and current.digest == accepted.digest and current.phase not in ledger.TERMINAL:
        return current
    problems = [
        *acceptance_problems(accepted, members, now),
        *succession_problems(accepted, current),
        *rehearsal_problems(accepted, members, rehearsal),
        *(f"depends on {i}, which is not done" for i in accepted.depends_on if i not in finished),
    ]
    if problems:
        raise IntentError("; ".join(problems))
    blank = Rollout(
        plan_id=accepted.id,
        generation=accepted.generation,
        digest=accepted.digest,
        accepted_at=now,
        members=members,
        steps=route.steps(accepted, members),
        waves=(),
        entries={},
        epoch=current.epoch if current else 1,
        serial=current.serial if current else 0,
        day=current.day if current else 0,
        day_mib=current.day_mib if current else 0,
    )
    names = route.selected(accepted, members)
    entries = {name: ledger.Entry(step=listen.next_step(blank, name, 0)) for name in names}
    return replace(blank, entries=entries)


def acceptance_problems(accepted: plan.Plan, members: inventory.Inventory, now: int) -> list[str]:
    """Return why a plan cannot begin on these members at this time."""
    found = route.problems(accepted, members)
    if now >= accepted.expires:
        found.append("the plan expired")
    if not found:
        steps = route.steps(accepted, members)
        parts = [waves.assign(accepted, members, step) for step in steps]
        found += waves.problems(parts, steps, members)
        found += staging.problems(accepted, members, steps)
    return found


def succession_problems(accepted: plan.Plan, current: Rollout | None) -> list[str]:
    """Return why a plan may not follow the one at hand: one site has one plan."""
    if current is None:
        return []
    if accepted.id == current.plan_id and accepted.generation < current.generation:
        return [f"generation {current.generation} of {current.plan_id} is newer"]
    if current.phase in ledger.TERMINAL:
        return []
    if accepted.id == current.plan_id and accepted.generation == current.generation:
        return [f"{current.plan_id} changed without a new generation"]
    if current.plan_id not in (accepted.supersedes, accepted.id):
        return [f"{current.plan_id} is under way; name it in supersedes, or abort it"]
    if current.phase is not Phase.SCHEDULED and not (current.paused and progress.is_over(current)):
        return [f"{current.plan_id} has begun; pause it, and wait until no node is disturbed"]
    return []


def rehearsal_problems(
    accepted: plan.Plan, members: inventory.Inventory, rehearsal: Rehearsal | None
) -> list[str]:
    """Return why what was rehearsed is not what would be carried out."""
    if not accepted.rehearsal.required:
        return []
    if rehearsal is None:
        return ["the plan must be rehearsed first"]
    if rehearsal.plan != accepted.digest:
        return ["another plan was rehearsed"]
    if rehearsal.members != inventory.digest(members):
        return ["the site changed since the rehearsal"]
    return []


def lead(rollout: Rollout) -> Rollout:
    """Begin a new epoch, as every new leader does before it decides anything."""
    return replace(rollout, epoch=rollout.epoch + 1)


def pause(rollout: Rollout, reason: str) -> Rollout:
    """Begin nothing more until somebody resumes it."""
    _must_run(rollout)
    return replace(rollout, paused=rollout.paused or reason or "by an operator")


def resume(rollout: Rollout, digest: str) -> Rollout:
    """Go on; every gate is asked again before the next node."""
    _must_match(rollout, digest)
    return replace(rollout, paused="")


def abort(rollout: Rollout, digest: str, mode: str) -> Rollout:
    """End the rollout; once nodes go back, only an abort that holds stops them."""
    _must_match(rollout, digest)
    if mode not in MODES:
        raise IntentError(f"mode must be one of {', '.join(MODES)}")
    if rollout.phase is Phase.SCHEDULED:
        return replace(rollout, phase=Phase.CANCELLED, reason="cancelled before it began")
    if rollout.phase in ledger.TERMINAL or (
        rollout.phase is Phase.ABORTING and rollout.mode == mode
    ):
        return rollout
    if rollout.phase is Phase.ROLLING_BACK and mode == rollout.mode:
        return rollout
    return progress.abort(rollout, mode, Phase.HELD, "aborted by an operator")


def approve(rollout: Rollout, digest: str, step: int, wave: int) -> Rollout:
    """Let a wave through that asks for it."""
    _must_match(rollout, digest)
    _must_run(rollout)
    return replace(rollout, approved=tuple(sorted({*rollout.approved, (step, wave)})))


def retry(rollout: Rollout, name: str, *, is_quarantined: bool = False) -> Rollout:
    """Try a node once more, even with an artefact that failed on it.

    Args:
        rollout: as it is.
        name: of the node.
        is_quarantined: whether it is out of use, since this plan or one before it.
    """
    entry = _entry(rollout, name)
    if rollout.phase not in (Phase.ACTIVE, Phase.COMPLETED_WITH_DEBT):
        raise IntentError(f"the rollout is {rollout.phase.value}; start a plan for it")
    is_late = progress.is_owed(rollout, entry) and entry.step < rollout.step
    is_lost = is_quarantined and progress.is_owed(rollout, entry)
    if not (entry.failed or entry.skipped or is_late or is_lost):
        raise IntentError(f"{name} has not failed")
    asked = replace(rollout, serial=rollout.serial + 1)
    again = replace(
        entry,
        failed=False,
        skipped=False,
        verb=None,
        stamp=(asked.epoch, asked.serial),  # So that what it reported before is older than this.
        token=entry.token + 1,
    )
    return _with(asked, name, again)


def release(rollout: Rollout, name: str) -> Rollout:
    """Forget a machine that will never return."""
    entry = _entry(rollout, name)
    return _with(rollout, name, replace(entry, released=True, granted=messages.NEVER))


def supersede(rollout: Rollout, by: str) -> Rollout:
    """End a rollout that a newer plan takes the place of."""
    if rollout.phase in ledger.TERMINAL:
        return rollout
    return replace(rollout, phase=Phase.SUPERSEDED, reason=f"superseded by {by}")


def _must_match(rollout: Rollout, digest: str) -> None:
    if digest != rollout.digest:
        raise IntentError("the digest is not that of the plan under way")


def _must_run(rollout: Rollout) -> None:
    if rollout.phase in ledger.TERMINAL:
        raise IntentError(f"the rollout is {rollout.phase.value}")


def _entry(rollout: Rollout, name: str) -> ledger.Entry:
    if name not in rollout.entries:
        raise IntentError(f"{name} is not part of the plan")
    return rollout.entries[name]


def _with(rollout: Rollout, name: str, entry: ledger.Entry) -> Rollout:
    return replace(rollout, entries={**rollout.entries, name: entry})
