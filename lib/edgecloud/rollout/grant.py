"""Who may be disturbed next: the only place where disruption is allowed.

A grant is given if and only if nothing stands against it: neither against any node of the site,
nor against this one.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgecloud.rollout import availability, holds, ledger, messages, plan, route, skew, waves

Account = availability.Account
Status = messages.Status


def open_account(
    site: ledger.Site, accepted: plan.Plan, entries: ledger.Entries, now: int
) -> Account:
    """Count everything once, so that each candidate costs the same however large the site is."""
    account = availability.count(site, accepted, entries, now)
    account.common[True] = holds.site_blockers(site, accepted, now)
    account.common[False] = account.common[True] + holds.upgrade_blockers(account)
    return account


def node_blockers(account: Account, name: str, step: route.Step, *, back: bool) -> list[str]:
    """Return what stands against disturbing one node, besides what stands against all."""
    sight = account.site.sight
    if name not in sight.reports or name in sight.silent:
        return ["it is not heard"]
    found = _own_blockers(account, name, step, back=back)
    if step.together:
        return found
    return found + shared_blockers(account, name, step, back=back)


def shared_blockers(account: Account, name: str, step: route.Step, *, back: bool) -> list[str]:
    """Return what stands against one node because of the others; once for all who are alike."""
    member, site = account.site.rollout.members[name], account.site
    is_apart = name in account.voters or name in account.taken or name == site.sight.leader
    if back or is_apart or member.coordinator or member.lxd:
        return _shared(account, name, step, back=back)
    kind = (member.domain, member.role, availability.minor_of(site, name), step.index)
    found = account.alike.get(kind)
    if found is None:
        account.alike[kind] = found = _shared(account, name, step, back=back)
    return found


def _shared(account: Account, name: str, step: route.Step, *, back: bool) -> list[str]:
    among = (
        budget_blocker(account, name),
        domain_blocker(account, name),
        quorum_blocker(account, name),
        lxd_blocker(account, name, step),
        order_blocker(account, name, step, back=back),
        skew_blocker(account, name, step, back=back),
    )
    return [problem for problem in among if problem]


def _own_blockers(account: Account, name: str, step: route.Step, *, back: bool) -> list[str]:
    entry, report = account.entries[name], account.site.sight.reports[name]
    found: list[str] = []
    if report.vetoed:
        found.append("vetoed on the node")
    if not back and (report.status is not Status.WAITING or report.seen < entry.stamp):
        why = f": {report.reason}" if report.reason else ""
        is_lost = report.status is Status.QUARANTINED
        remedy = "; mend it, then retry it" if is_lost else ""
        found.append(f"it is {report.status.value}{remedy}{why}")
    if not back and (not report.ready or name in account.site.sight.unready):
        found.append("it is not ready")
    if account.now < entry.expires:
        same = messages.Verb.ROLL_BACK if back else messages.Verb.GRANT
        if entry.verb is same:
            why = f", as it said: {report.reason}" if report.reason else ""
            found.append(f"its last grant is not over{why}")
    needed_s = route.duration_s(account.accepted, account.site.rollout.members[name], step.kind)
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
        account.full = (
            f"{len(account.taken)} of {most} unavailable: {availability.few(account.taken)}"
        )
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
    if len(left) >= availability.majority(len(voters)):
        return ""
    return f"only {len(left)} of {len(voters)} voters would be left"


def lxd_blocker(account: Account, name: str, step: route.Step) -> str:
    """Return whether another member of LXD is out of service: they reboot one at a time.

    Two that are restored at the same time may leave copies of an instance that are neither here
    nor there; and which members vote is nothing that a plan could know.
    """
    members = account.site.rollout.members
    if name in account.taken or not (step.reboots and members[name].lxd):
        return ""
    out = [other for other in account.taken if members[other].lxd]
    return f"LXD: {availability.few(out)} out of service" if out else ""


def order_blocker(account: Account, name: str, step: route.Step, *, back: bool) -> str:
    """Return whether another node goes first: control planes, then leader and coordinator."""
    rollout, member = account.site.rollout, account.site.rollout.members[name]
    if back:
        return ""
    if step.kind is route.Kind.KUBERNETES and member.role == skew.WORKER and account.planes_left:
        return f"{account.planes_left} control planes go first"
    if step.kind is route.Kind.HOSTED and (behind := planes_behind(account, step)):
        return f"{behind} control planes go first"
    if name == account.site.sight.leader or member.coordinator:
        others = [
            other
            for other in rollout.waves[min(rollout.wave, len(rollout.waves) - 1)]
            if other != name and is_rival(account, other, member.role)
        ]
        if others:
            return f"goes last, after {availability.few(others)}"
    return ""


def planes_behind(account: Account, step: route.Step) -> int:
    """Return how many control planes are owed an earlier step; until its soak, one may go back."""
    members = account.site.rollout.members
    return sum(
        entry.step < step.index and not entry.released and members[name].role == skew.CONTROL_PLANE
        for name, entry in account.entries.items()
    )


def is_rival(account: Account, other: str, role: str) -> bool:
    """Return whether a node of the same role has still to go, and gives way to nobody."""
    member, entry = account.site.rollout.members[other], account.entries[other]
    if member.coordinator or entry.is_out or entry.debt or entry.step > account.site.rollout.step:
        return False
    return member.role == role


def skew_blocker(account: Account, name: str, step: route.Step, *, back: bool) -> str:
    """Return whether versions would stand beside each other that may not."""
    current, target = availability.minor_of(account.site, name), skew.parse(step.version)
    if step.kind is route.Kind.HOSTED and target is not None:
        return _newcomer_blocker(account, target)
    if step.kind is not route.Kind.KUBERNETES or current is None or target is None:
        return ""
    role = account.site.rollout.members[name].role
    if back:
        target = prior_minor(account.site.rollout, name, target)
    move = (role, current, target)
    if move not in account.skews:
        account.skews[move] = skew.blocker(account.fleet, *move)
    return account.skews[move]


def _newcomer_blocker(account: Account, target: skew.Minor) -> str:
    """Return why no new worker may join at a minor now; it skips none, as it had none before."""
    before = [pair for pair, count in account.fleet.items() if count]
    known = set(skew.problems(before))
    found = skew.problems([*before, (skew.WORKER, target)])
    return next((problem for problem in found if problem not in known), "")


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
