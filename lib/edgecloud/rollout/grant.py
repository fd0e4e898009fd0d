"""Who may be disturbed next: the only place where disruption is allowed.

A grant is given if and only if nothing stands against it. What counts as unavailable is any node
that is out of service for whatever cause, and every node whose grant may still be in use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from edgecloud.rollout import (
    ledger,
    listen,
    messages,
    plan,
    route,
    skew,
    waves,
    window,
)

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


def open_account(
    site: ledger.Site, accepted: plan.Plan, entries: ledger.Entries, now: int
) -> Account:
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
    account.common[True] = site_blockers(site, accepted, now)
    account.common[False] = account.common[True] + upgrade_blockers(account)
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


def upgrade_blockers(account: Account) -> list[str]:
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


def unhealthy_blockers(account: Account) -> Iterable[str]:
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
        yield f"nothing was heard yet of {_few(unheard)}"


def too_many_failures(rollout: ledger.Rollout, accepted: plan.Plan) -> str:
    """Return which threshold the failures have reached; empty if none."""
    rule = accepted.abort
    names = sorted(name for name, entry in rollout.entries.items() if entry.failed)
    failed, step = len(names), rollout.step
    if not failed:
        return ""
    executed = failed + sum(entry.step > step for entry in rollout.entries.values())
    if failed >= rule.node_failures:
        who = ", ".join(names) if failed <= 3 else f"{failed} nodes"
        return f"{who} failed, and the plan allows {rule.node_failures - 1 or 'none'}"
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


def node_blockers(account: Account, name: str, step: route.Step, *, back: bool) -> list[str]:
    """Return what stands against disturbing one node, besides what stands against all."""
    entry, report = account.entries[name], account.site.sight.reports.get(name)
    if report is None or name in account.site.sight.silent:
        return ["it is not heard"]
    found = _own_blockers(account, name, entry, report, back=back)
    if step.together:
        return found
    return found + shared_blockers(account, name, step, back=back)


def shared_blockers(account: Account, name: str, step: route.Step, *, back: bool) -> list[str]:
    """Return what stands against one node because of the others; once for all who are alike."""
    member, site = account.site.rollout.members[name], account.site
    is_apart = name in account.voters or name in account.taken or name == site.sight.leader
    if back or is_apart or member.coordinator:
        return _shared(account, name, step, back=back)
    kind = (member.domain, member.role, minor_of(site, name), step.index)
    found = account.alike.get(kind)
    if found is None:
        account.alike[kind] = found = _shared(account, name, step, back=back)
    return found


def _shared(account: Account, name: str, step: route.Step, *, back: bool) -> list[str]:
    among = (
        budget_blocker(account, name),
        domain_blocker(account, name),
        quorum_blocker(account, name),
        order_blocker(account, name, step, back=back),
        skew_blocker(account, name, step, back=back),
    )
    return [problem for problem in among if problem]


def _own_blockers(
    account: Account, name: str, entry: ledger.Entry, report: messages.Report, *, back: bool
) -> list[str]:
    found: list[str] = []
    if report.vetoed:
        found.append("vetoed on the node")
    if not back and (report.status is not Status.WAITING or report.seen < entry.stamp):
        found.append(
            f"it is {report.status.value}" + (f": {report.reason}" if report.reason else "")
        )
    if not back and (not report.ready or name in account.site.sight.unready):
        found.append("it is not ready")
    if account.now < entry.expires:
        same = messages.Verb.ROLL_BACK if back else messages.Verb.GRANT
        if entry.verb is same:
            found.append("its last grant is not over")
    needed_s = route.duration_s(account.accepted, account.site.rollout.members[name])
    if account.window_s < needed_s:
        found.append(f"needs {needed_s} s of a window with {account.window_s} s left")
    return found


def budget_blocker(account: Account, name: str) -> str:
    """Return whether one node more would be too many."""
    if name in account.taken:
        return ""
    if not account.full:
        most = waves.count(account.accepted.limits.max_unavailable, account.total)
        if len(account.taken) < most:
            return ""
        account.full = f"{len(account.taken)} of {most} unavailable: {_few(account.taken)}"
    return account.full


def domain_blocker(account: Account, name: str) -> str:
    """Return whether one node more would be too many for its failure domain."""
    domain = waves.domain_of(account.site.rollout.members[name])
    most = account.accepted.limits.per_domain
    if name in account.taken or account.domains[domain] < most:
        return ""
    return f"{account.domains[domain]} of {most} unavailable in {domain}"


def quorum_blocker(account: Account, name: str) -> str:
    """Return whether the datastore would be left without a strict majority of its voters.

    A voter that answers counts even on a node that is down for its pods: two nodes that both have
    to go back would otherwise wait for each other.
    """
    voters = account.voters
    if name not in voters:
        return ""
    if len(voters) == 1 and account.accepted.drain.single_node == "accept-downtime":
        return ""
    left = (account.site.sight.answering & voters) - account.disturbed - {name}
    if len(left) >= majority(len(voters)):
        return ""
    return f"only {len(left)} of {len(voters)} voters would be left"


def majority(voters: int) -> int:
    """Return how many voters decide."""
    return voters // 2 + 1


def order_blocker(account: Account, name: str, step: route.Step, *, back: bool) -> str:
    """Return whether another node goes first: control planes, then leader and coordinator."""
    rollout, member = account.site.rollout, account.site.rollout.members[name]
    if back:
        return ""
    if step.kind is route.Kind.KUBERNETES and member.role == skew.WORKER and account.planes_left:
        return f"{account.planes_left} control planes go first"
    if name == account.site.sight.leader or member.coordinator:
        others = [
            other
            for other in rollout.waves[min(rollout.wave, len(rollout.waves) - 1)]
            if other != name and is_rival(account, other, member.role)
        ]
        if others:
            return f"goes last, after {_few(others)}"
    return ""


def is_rival(account: Account, other: str, role: str) -> bool:
    """Return whether a node of the same role has still to go, and gives way to nobody."""
    member, entry = account.site.rollout.members[other], account.entries[other]
    if member.coordinator or entry.is_out or entry.debt or entry.step > account.site.rollout.step:
        return False
    return member.role == role


def skew_blocker(account: Account, name: str, step: route.Step, *, back: bool) -> str:
    """Return whether versions would stand beside each other that may not."""
    current, target = minor_of(account.site, name), skew.parse(step.version)
    if step.kind is not route.Kind.KUBERNETES or current is None or target is None:
        return ""
    role = account.site.rollout.members[name].role
    if back:
        target = prior_minor(account.site.rollout, name, target)
    move = (role, current, target)
    if move not in account.skews:
        account.skews[move] = skew.blocker(account.fleet, *move)
    return account.skews[move]


def prior_minor(rollout: ledger.Rollout, name: str, target: skew.Minor) -> skew.Minor:
    """Return the minor that a node had before a step."""
    before = skew.Minor(target.major, target.minor - 1)
    return max(before, rollout.members[name].minor or before)


def choose(
    account: Account, candidates: Iterable[str], step: route.Step, *, back: bool
) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Return the nodes to grant now, and for each of the others why it waits."""
    common = account.common[back]
    granted, waiting = list[str](), dict[str, tuple[str, ...]]()
    for name in candidates:
        blockers = common or node_blockers(account, name, step, back=back)
        if blockers:
            waiting[name] = tuple(blockers)
        else:
            granted.append(name)
            if not step.together:
                account.take(name, skew.parse(step.version))
    if step.together and (waiting or account.taken):
        held = ("its step waits for every member",)
        return [], {**waiting, **dict.fromkeys(granted, held)}
    return granted, waiting


def _step_of(rollout: ledger.Rollout, entry: ledger.Entry) -> route.Step:
    return rollout.steps[min(entry.order_step, len(rollout.steps) - 1)]


def _few(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:3]) + (f" and {len(ordered) - 3} more" if len(ordered) > 3 else "")
