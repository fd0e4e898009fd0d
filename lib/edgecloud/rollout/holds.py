"""What stands against disturbing any node of a site, whichever it is."""

from __future__ import annotations

from collections.abc import Iterable

from edgecloud.rollout import availability, ledger, plan, window


def site_blockers(site: ledger.Site, accepted: plan.Plan, now: int) -> list[str]:
    """Return what stands against disturbing any node at all."""
    found = list[str]()
    if not site.sight.clock_trusted:
        found.append("the clock is not trusted")
    if site.sight.foreign:
        found.append(f"another tool upgrades this site: {site.sight.foreign}")
    if not window.remaining(accepted.calendar, now):
        found.append("no window is open")
    return found


def upgrade_blockers(account: availability.Account) -> list[str]:
    """Return what stands against upgrading any node, besides that."""
    accepted, rollout = account.accepted, account.site.rollout
    found = list[str]()
    if is_paused(rollout):
        found.append(f"paused: {rollout.paused}")
    if account.now >= accepted.expires:
        found.append("the plan expired")
    failures = too_many_failures(rollout, accepted)
    if failures:
        found.append(failures)
    if needs_approval(rollout, accepted):
        found.append(f"wave {rollout.wave} of step {rollout.step} needs an approval")
    found += gate_blockers(account.site, accepted, "before")
    found += gate_blockers(account.site, accepted, "continuous")
    return [*found, *unhealthy_blockers(account)]


def unhealthy_blockers(account: availability.Account) -> Iterable[str]:
    """Yield whether too much of the site is away, which no rollout should add to."""
    if account.site.sight.blind:
        yield "nodes unknown: no control plane has told of the cluster lately"
        return
    limit, total = account.accepted.limits.unhealthy_percent, len(account.site.rollout.members)
    most = limit * max(1, total)
    if len(account.taken) * 100 <= most or account.total <= 2:
        return
    unheard = account.taken - set(account.site.sight.reports) - set(account.site.sight.silent)
    if (len(account.taken) - len(unheard)) * 100 > most:
        yield f"more than {limit} % of the nodes are unavailable"
    else:  # Nobody knows of those yet whether they are well.
        yield f"nothing was heard yet of {availability.few(unheard)}"


def too_many_failures(rollout: ledger.Rollout, accepted: plan.Plan) -> str:
    """Return which threshold the failures have reached; empty if none."""
    rule = accepted.abort
    names = sorted(name for name, entry in rollout.entries.items() if entry.failed)
    failed, step = len(names), rollout.step
    if not failed:
        return ""
    executed = failed + sum(entry.step > step for entry in rollout.entries.values())
    who = ", ".join(names) if failed <= 3 else f"{failed} nodes"
    if failed >= rule.node_failures:
        return f"{who} failed, and the plan allows {rule.node_failures - 1 or 'none'}"
    if rule.consecutive and rollout.row >= rule.consecutive:
        return f"{who} failed, and the plan allows {rule.consecutive - 1 or 'none'} in a row"
    if executed >= rule.min_executed and failed * 100 >= rule.failure_percent * executed:
        return f"{failed} of {executed} nodes failed"
    return ""


def is_paused(rollout: ledger.Rollout) -> bool:
    """Return whether an operator or a charm refresh holds the rollout."""
    return bool(rollout.paused)


def needs_approval(rollout: ledger.Rollout, accepted: plan.Plan) -> bool:
    """Return whether the wave at hand waits for somebody to let it through."""
    specs = (accepted.canary, *accepted.waves)
    spec = specs[min(rollout.wave, len(specs) - 1)]
    return spec.require == "approval" and (rollout.step, rollout.wave) not in rollout.approved


def gate_blockers(site: ledger.Site, accepted: plan.Plan, when: str) -> list[str]:
    """Return the gates of a moment that do not let through; an unknown answer does not."""
    found = list[str]()
    for gate in accepted.gates:
        if when in gate.when and not lets_through(
            gate.on_unknown, site.sight.gates.get(gate.name)
        ):
            verdict = site.sight.gates.get(gate.name)
            found.append(f"gate {gate.name}: {verdict.value if verdict else 'no answer'}")
    return found


def lets_through(on_unknown: str, verdict: ledger.Verdict | None) -> bool:
    """Return whether an answer of a gate is good enough."""
    if verdict in (ledger.Verdict.PASS, ledger.Verdict.FAIL):
        return verdict is ledger.Verdict.PASS
    return on_unknown == "allow"
