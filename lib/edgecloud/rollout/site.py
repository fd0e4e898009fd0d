"""What a site does next: the one function that the coordinator runs on every event.

It reads the ledger, what is seen, the plan and the time, and returns the ledger to write. The
orders of all nodes are part of it, so that whoever writes it publishes them in the same moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from edgecloud.rollout import (
    grant,
    holds,
    ledger,
    listen,
    messages,
    plan,
    progress,
    route,
    staging,
)

Phase = ledger.Phase
Verb = messages.Verb
Rollout = ledger.Rollout

GRANTS = frozenset({Verb.GRANT, Verb.ROLL_BACK})


@dataclass(frozen=True)
class Decision:
    """What follows from what is known now."""

    rollout: Rollout
    granted: tuple[str, ...]
    waiting: Mapping[str, tuple[str, ...]]
    """Why each node of the wave at hand may not go yet."""


def decide(site: ledger.Site, accepted: plan.Plan, now: int) -> Decision:
    """Return the rollout as it stands after this moment, with every node's order in it."""
    if site.rollout.digest != accepted.digest:
        raise ValueError("this is not the plan that the site accepted")
    entries = listen.hear(site, accepted, now)
    row = listen.failed_in_a_row(site.rollout, entries, accepted)
    heard = replace(site.rollout, entries=entries, row=row)
    moved = progress.advance(replace(site, rollout=heard), accepted, now)
    seen = replace(site, rollout=moved)
    fetching = staging.open_account(seen, accepted, now)
    desk = _Desk(seen, now, dict(moved.entries), moved.serial, fetching)
    _take_back(desk)
    held = _prepare(desk, accepted)
    granted, waiting = _grant(desk, accepted)
    _dismiss(desk)
    rollout = replace(
        moved,
        entries=desk.entries,
        serial=desk.serial,
        day=fetching.day,
        day_mib=fetching.spent_mib,
    )
    for name in held.keys() & waiting.keys():
        waiting[name] = tuple(dict.fromkeys((held[name], *waiting[name])))
    return Decision(rollout, tuple(granted), waiting)


def orders(rollout: Rollout) -> dict[str, messages.Order]:
    """Return the order that stands for each node that was ever given one."""
    return {name: order(rollout, name) for name, entry in rollout.entries.items() if entry.verb}


def order(rollout: Rollout, name: str) -> messages.Order:
    """Return the order that stands for one node."""
    entry = rollout.entries[name]
    return messages.Order(
        stamp=entry.stamp,
        verb=entry.verb or Verb.FORGET,
        digest=rollout.digest,
        part=rollout.steps[entry.order_step].part,
        wave=entry.wave,
        expires=entry.expires if entry.verb in GRANTS else 0,
        token=entry.token,
    )


def headline(rollout: Rollout) -> str:
    """Return where a rollout stands, in less than a status line."""
    if rollout.phase is not Phase.ACTIVE:
        reason = f": {rollout.reason}" if rollout.reason else ""
        return f"{rollout.phase.value}{reason}"[:120]
    names = rollout.waves[rollout.wave]
    done = sum(rollout.entries[name].step > rollout.step for name in names)
    busy = [name for name, entry in rollout.entries.items() if entry.holds_slot]
    doing = f", {', '.join(busy[:3])} disturbed" if busy else ""
    paused = "paused, " if rollout.paused else ""
    part = rollout.steps[rollout.step].part
    place = f"wave {rollout.wave}/{len(rollout.waves) - 1}" if rollout.wave else "canary"
    return f"{paused}{part} {place}: {done} of {len(names)} done{doing}"[:120]


@dataclass
class _Desk:
    """Where the orders of one decision are written; never leaves it."""

    site: ledger.Site
    now: int
    entries: dict[str, ledger.Entry]
    serial: int
    fetching: staging.Account

    @property
    def rollout(self) -> Rollout:
        return self.site.rollout

    def issue(self, name: str, verb: Verb, *, step: int, expires: int = 0) -> None:
        """Write one node's order."""
        self.serial += 1
        stamp, entry = (self.rollout.epoch, self.serial), self.entries[name]
        self.entries[name] = replace(
            entry,
            verb=verb,
            stamp=stamp,
            order_step=step,
            wave=self.wave_of(name, step),
            expires=expires or entry.expires,
            granted=stamp if verb in GRANTS else entry.granted,
        )

    def wave_of(self, name: str, step: int) -> int:
        """Return the wave whose soak a node keeps; that of the last one for a late node."""
        if step == self.rollout.step:
            for index, names in enumerate(self.rollout.waves):
                if name in names:
                    return index
        return self.entries[name].wave


def _take_back(desk: _Desk) -> None:
    """Withdraw every grant that nobody has taken up and that should stand no longer."""
    for name, entry in desk.entries.items():
        if not entry.holds_slot or entry.verb not in GRANTS:
            continue
        report = desk.site.sight.reports.get(name)
        is_taken_up = report is not None and report.seen >= entry.granted
        if not is_taken_up and (should_withdraw(desk.rollout, entry) or desk.now >= entry.expires):
            desk.issue(name, Verb.HOLD, step=entry.order_step)


def should_withdraw(rollout: Rollout, entry: ledger.Entry) -> bool:
    """Return whether a grant must not be taken up any more."""
    if entry.verb is Verb.ROLL_BACK:
        return rollout.phase not in (Phase.ROLLING_BACK, Phase.ABORTING, Phase.ACTIVE)
    is_granting = rollout.phase in (Phase.ACTIVE, Phase.COMPLETED_WITH_DEBT)
    return holds.is_paused(rollout) or not is_granting


def _prepare(desk: _Desk, accepted: plan.Plan) -> dict[str, str]:
    """Let the wave at hand and the next one stage, and whoever is late; return who may not yet."""
    held = dict[str, str]()
    if (
        holds.is_paused(desk.rollout)
        or desk.now >= accepted.expires
        or not _is_granting(desk.rollout)
    ):
        return held
    ahead = desk.rollout.waves[desk.rollout.wave : desk.rollout.wave + 2]
    for name in [*(name for wave in ahead for name in wave), *_late(desk, accepted)]:
        entry = desk.entries[name]
        if entry.verb is not None and entry.order_step == entry.step:
            continue  # It has its order.
        is_due = entry.step <= desk.rollout.step and entry.step < len(desk.rollout.steps)
        if not is_due or entry.is_out:
            continue
        part = desk.rollout.steps[entry.step].part
        held[name] = staging.blocker(desk.fetching, name, part)
        if not held[name]:
            desk.fetching.take(name, part)
            desk.issue(name, Verb.PREPARE, step=entry.step)
    return {name: why for name, why in held.items() if why}


def _late(desk: _Desk, accepted: plan.Plan) -> list[str]:
    """Return the nodes that the rollout went past, and that are heard again."""
    rollout = desk.rollout
    passed = {name for names in rollout.waves[: rollout.wave] for name in names}
    return [
        name
        for name, entry in desk.entries.items()
        if (entry.step < rollout.step or (entry.step == rollout.step and name in passed))
        and progress.is_owed(rollout, entry)
        and (accepted.offline.late_join == "next-window" or entry.token)
        and name in desk.site.sight.reports
    ]


def _is_granting(rollout: Rollout) -> bool:
    return rollout.phase in (Phase.ACTIVE, Phase.COMPLETED_WITH_DEBT)


def _grant(desk: _Desk, accepted: plan.Plan) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Give the grants that the rule allows; return them, and why the others wait."""
    account = grant.open_account(desk.site, accepted, desk.entries, desk.now)
    granted, waiting = list[str](), dict[str, tuple[str, ...]]()
    for names, step, back in _lanes(desk, accepted):
        chosen, held = grant.choose(account, names, step, back=back)
        for name in chosen:
            verb = Verb.ROLL_BACK if back else Verb.GRANT
            expires = desk.now + accepted.limits.grant_s
            desk.issue(name, verb, step=step.index, expires=expires)
        granted += chosen
        waiting.update(held)
    return granted, waiting


def _lanes(desk: _Desk, accepted: plan.Plan) -> Iterable[tuple[list[str], route.Step, bool]]:
    """Yield who may be considered, for which step and way: those who go back come first."""
    rollout = desk.rollout
    site = replace(desk.site, rollout=replace(rollout, entries=desk.entries))
    for name in progress.rollback_targets(site, accepted, desk.now):
        if not desk.entries[name].holds_slot:
            yield [name], rollout.steps[desk.entries[name].order_step], True
    if not _is_granting(rollout):
        return
    if rollout.wave < len(rollout.waves):
        names = [n for n in rollout.waves[rollout.wave] if _is_candidate(desk, n)]
        leader = desk.site.sight.leader
        yield sorted(names, key=lambda name: name == leader), rollout.steps[rollout.step], False
    for name in _late(desk, accepted):
        if not desk.entries[name].holds_slot:
            yield [name], rollout.steps[desk.entries[name].step], False


def _is_candidate(desk: _Desk, name: str) -> bool:
    entry = desk.entries[name]
    return entry.step == desk.rollout.step and not entry.is_out and not entry.holds_slot


def _dismiss(desk: _Desk) -> None:
    """Tell every node that a rollout has ended, so that what was staged is dropped."""
    if desk.rollout.phase not in ledger.TERMINAL:
        return
    for name, entry in desk.entries.items():
        owed = progress.is_owed(desk.rollout, entry)
        if desk.rollout.phase is Phase.COMPLETED_WITH_DEBT and owed:
            continue
        if entry.verb not in (None, Verb.FORGET) and not entry.released:
            desk.issue(name, Verb.FORGET, step=entry.order_step)
