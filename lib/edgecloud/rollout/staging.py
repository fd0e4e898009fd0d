"""Which nodes may be told to fetch, where a link is slow or every byte costs money. Pure.

Staging disturbs nobody, so no window and no budget of unavailable nodes stands against it. A plan
may say how many nodes do it at once, and how much the site fetches on one day (by UTC). What a
node fetches is what the plan says of it, counted on the day on which it is told to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from edgecloud.rollout import inventory, ledger, messages, plan, route, schema, terms

DAY_S = 86400

Status = messages.Status


@dataclass
class Account:
    """What is being fetched, and what was on the last day on which any node was told to."""

    site: ledger.Site
    accepted: plan.Plan
    today: int
    day: int
    spent_mib: int
    busy: set[str] = field(default_factory=set[str])

    def take(self, name: str, part: str) -> None:
        """Note that a node is told to stage a step."""
        self.busy.add(name)
        if not self.accepted.limits.daily_mib:
            return
        if self.today > self.day:
            self.day, self.spent_mib = self.today, 0
        member = self.site.rollout.members[name]
        self.spent_mib += needed_mib(self.accepted, part, member) or 0


def open_account(site: ledger.Site, accepted: plan.Plan, now: int) -> Account:
    """Count who is fetching, and how much the day has left."""
    rollout, reports = site.rollout, site.sight.reports
    account = Account(site, accepted, now // DAY_S, rollout.day, rollout.day_mib)
    if is_limited(accepted):
        entries = rollout.entries.items()
        account.busy |= {n for n, each in entries if is_fetching(each, reports.get(n))}
    return account


def is_limited(accepted: plan.Plan) -> bool:
    """Return whether a plan says anything of how nodes stage."""
    return bool(accepted.limits.staging or accepted.limits.daily_mib)


def is_fetching(entry: ledger.Entry, report: messages.Report | None) -> bool:
    """Return whether a node was told to stage and has not said that it did; who is away is not.

    Nor is one that has read its order and is about something else: it refuses, or is quarantined.
    """
    if entry.verb is not messages.Verb.PREPARE or entry.is_out or entry.debt:
        return False
    if report is None or report.seen < entry.stamp:
        return True
    return entry.status is Status.STAGING


def blocker(account: Account, name: str, part: str) -> str:
    """Return why a node may not be told to stage a step now; empty if it may."""
    if not is_limited(account.accepted):
        return ""
    sight = account.site.sight
    if name not in sight.reports or name in sight.silent:
        return "it is not heard"
    return at_once_blocker(account) or day_blocker(account, name, part)


def at_once_blocker(account: Account) -> str:
    """Return whether enough nodes fetch at the moment."""
    most = account.accepted.limits.staging
    if not most or len(account.busy) < most:
        return ""
    return f"stages later: {len(account.busy)} of {most} do it now"


def day_blocker(account: Account, name: str, part: str) -> str:
    """Return whether the day has too little left; without a clock nobody knows the day."""
    most = account.accepted.limits.daily_mib
    if not most:
        return ""
    if not account.site.sight.clock_trusted:
        return "the clock is not trusted"
    needed = needed_mib(account.accepted, part, account.site.rollout.members[name]) or 0
    spent = 0 if account.today > account.day else account.spent_mib
    if spent + needed <= most:
        return ""
    return f"stages later: {needed} MiB are more than {most - spent} of {most} left for today"


def next_day(rollout: ledger.Rollout, accepted: plan.Plan) -> int:
    """Return when the last day that counts is over; 0 if that does not matter."""
    return (rollout.day + 1) * DAY_S if accepted.limits.daily_mib and rollout.day_mib else 0


def earliest(accepted: plan.Plan, now: int, mib: int) -> int:
    """Return when the last of so much can be fetched, if fetching begins now."""
    most = accepted.limits.daily_mib
    days = -(-mib // most) if most else 0
    return max(now, (now // DAY_S + days - 1) * DAY_S)


def total_mib(
    accepted: plan.Plan, members: inventory.Inventory, part: str, names: Iterable[str]
) -> int:
    """Return what nodes fetch together for a step, as far as the plan says."""
    return sum(needed_mib(accepted, part, members[name]) or 0 for name in names)


def needed_mib(accepted: plan.Plan, part: str, member: inventory.Member) -> int | None:
    """Return what a node fetches for a step; None if the plan does not say all of it.

    Nodes that it hosts fetch when they are made, each for itself; what they will is counted here.
    """
    sizes = [each.get(member.arch) for each in _pieces(accepted.targets, part)]
    return None if None in sizes else sum(sizes) * copies(member, part)


def copies(member: inventory.Member, part: str) -> int:
    """Return how many machines fetch what a member needs for a step."""
    is_hosted = part.partition("/")[0] == route.Kind.HOSTED.value
    return len(member.hosted) if is_hosted else 1


def _pieces(targets: terms.Targets, part: str) -> Iterator[schema.Pairs]:
    """Yield the sizes of each thing that a step brings, by architecture."""
    kind, _, version = part.partition("/")
    if kind in (route.Kind.KUBERNETES.value, route.Kind.HOSTED.value) and targets.kubernetes:
        release = targets.kubernetes.releases.get(version)
        yield release.mib if release else terms.NONE
    elif kind == route.Kind.LXD.value and targets.lxd:
        yield targets.lxd.mib
    elif kind == route.Kind.OS.value and targets.os:
        yield targets.os.mib
    elif kind == route.Kind.SNAPS.value:
        yield from (snap.mib for snap in targets.snaps)


def problems(
    accepted: plan.Plan, members: inventory.Inventory, steps: Iterable[route.Step]
) -> list[str]:
    """Return why a daily budget cannot be kept: a size that nobody knows, or that is too much."""
    most, found = accepted.limits.daily_mib, dict[str, None]()
    chosen = route.selected(accepted, members).values() if most else ()
    for step in steps:
        concerned = [each for each in chosen if route.concerns(step, each)]
        for member in sorted(concerned, key=lambda each: each.arch):
            needed = needed_mib(accepted, step.part, member)
            where = f"limits.daily-mib: {step.part} on {member.arch}"
            if needed is None:
                found[f"{where} has no mib in targets"] = None
            elif needed > most:
                found[f"{where} is {needed} MiB, more than {most}"] = None
    return list(found)
