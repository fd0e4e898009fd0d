"""What of a site is out of service, and what each grant takes from the rest.

What counts as unavailable is any node that is out of service for whatever cause, and every node
whose grant may still be in use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from edgecloud.rollout import inventory, ledger, listen, messages, plan, route, skew, waves, window

Status = messages.Status
DOWN = messages.DISRUPTED | {Status.REGRESSED, Status.QUARANTINED}


@dataclass
class Account:
    """What is taken already; grows with each grant of one decision. Never leaves it."""

    site: ledger.Site
    accepted: plan.Plan
    now: int
    entries: ledger.Entries
    taken: set[str] = field(default_factory=set[str])
    disturbed: set[str] = field(default_factory=set[str])
    """Those of them whose datastore may be gone, whatever it last answered."""
    domains: Counter[str] = field(default_factory=Counter[str])
    fleet: Counter[tuple[str, skew.Minor]] = field(default_factory=Counter[tuple[str, skew.Minor]])
    planes_left: int = 0
    window_s: int = 0
    total: int = 0
    full: str = ""
    """Why nobody more may go, said once for all who ask; empty if it was not asked yet."""
    voters: frozenset[str] = frozenset()
    skews: dict[tuple[str, skew.Minor, skew.Minor], str] = field(
        default_factory=dict[tuple[str, skew.Minor, skew.Minor], str]
    )
    alike: dict[tuple[str, str, skew.Minor | None, int], list[str]] = field(
        default_factory=dict[tuple[str, str, skew.Minor | None, int], list[str]]
    )
    """What stands against each node of a domain, role, minor and step that nothing sets apart."""
    common: dict[bool, list[str]] = field(default_factory=dict[bool, list[str]])
    """What stands against upgrading any node (False), and against taking any back (True)."""

    def take(self, name: str, target: skew.Minor | None) -> None:
        """Note that a node has a grant now."""
        member = self.site.rollout.members[name]
        if name not in self.taken:
            self.taken.add(name)
            self.full = ""
            self.domains[waves.domain_of(member)] += 1
        self.alike.clear()
        self.disturbed.add(name)
        if target:
            self.fleet[member.role, target] += 1
            self.skews.clear()


def count(site: ledger.Site, accepted: plan.Plan, entries: ledger.Entries, now: int) -> Account:
    """Count everything once, so that each candidate costs the same however large the site is."""
    rollout, reports = site.rollout, site.sight.reports
    account = Account(site, accepted, now, entries)
    for name, member in rollout.members.items():
        entry = entries.get(name)
        if entry and entry.released:
            continue
        report = reports.get(name)
        current = minor_of(site, name)
        if current:
            account.fleet[member.role, current] += 1
        for minor in _hosted_minors(rollout, member, entry):
            account.fleet[skew.WORKER, minor] += 1
        in_use = entry is not None and entry.holds_slot
        if in_use or (report is not None and report.status in messages.DISRUPTED):
            target = skew.parse(_step_of(rollout, entry).version) if entry else None
            account.take(name, target)
        elif is_down(site, accepted, name, entry, now):
            account.taken.add(name)
            account.domains[waves.domain_of(member)] += 1
        if member.role == skew.CONTROL_PLANE and entry and is_plane_left(rollout, name, entry):
            account.planes_left += 1
    account.window_s = window.remaining(accepted.calendar, now)
    account.total = len(entries)
    frozen = (name for name, member in rollout.members.items() if member.voter)
    account.voters = site.sight.voters or frozenset(frozen)
    return account


def is_down(
    site: ledger.Site, accepted: plan.Plan, name: str, entry: ledger.Entry | None, now: int
) -> bool:
    """Return whether a node is out of service, whatever the cause."""
    report = site.sight.reports.get(name)
    if name in site.sight.unready or (report and (not report.ready or report.status in DOWN)):
        return True
    if entry is None:
        return False  # Not part of the plan: the cluster says whether it is ready.
    if report is not None and name not in site.sight.silent:
        return False
    silent_s = listen.silent_for(site, name, now)
    return silent_s >= 0 and (silent_s < accepted.offline.grace_s or counts_offline(accepted))


def counts_offline(accepted: plan.Plan) -> bool:
    """Return whether a node that stays away keeps counting as unavailable."""
    return accepted.offline.counts_unavailable


def is_plane_left(rollout: ledger.Rollout, name: str, entry: ledger.Entry) -> bool:
    """Return whether workers must still wait for a control plane in this step."""
    at_hand = min(rollout.step, len(rollout.steps) - 1)  # Past the last while only debt is left.
    return entry.step <= at_hand and rollout.members[name].role == skew.CONTROL_PLANE


def minor_of(site: ledger.Site, name: str) -> skew.Minor | None:
    """Return the minor that a node runs: what it reports, or what it ran at the start."""
    report = site.sight.reports.get(name)
    reported = skew.parse(report.version) if report and report.version else None
    return reported or site.rollout.members[name].minor


def _hosted_minors(
    rollout: ledger.Rollout, member: inventory.Member, entry: ledger.Entry | None
) -> tuple[skew.Minor, ...]:
    """Return the minors of the nodes that a member hosts: as they were, or as they have become."""
    if not member.hosted:
        return ()
    done = rollout.steps[: entry.step] if entry else ()
    came_to = [skew.parse(step.version) for step in done if step.kind is route.Kind.HOSTED]
    return (came_to[-1],) if came_to and came_to[-1] else member.hosted_minors


def majority(voters: int) -> int:
    """Return how many voters decide."""
    return voters // 2 + 1


def few(names: Iterable[str]) -> str:
    """Return names for a message: three of them, and how many more."""
    ordered = sorted(names)
    return ", ".join(ordered[:3]) + (f" and {len(ordered) - 3} more" if len(ordered) > 3 else "")


def _step_of(rollout: ledger.Rollout, entry: ledger.Entry) -> route.Step:
    return rollout.steps[min(entry.order_step, len(rollout.steps) - 1)]
