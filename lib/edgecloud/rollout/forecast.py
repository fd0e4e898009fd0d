"""How long a plan takes and how much it fetches, if nothing goes wrong. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from edgecloud.rollout import (
    availability,
    inventory,
    plan,
    route,
    schema,
    staging,
    waves,
    window,
)

Assigned = Mapping[route.Step, waves.Waves]


def work_s(
    accepted: plan.Plan,
    members: inventory.Inventory,
    step: route.Step,
    number: int,
    names: tuple[str, ...],
) -> int:
    """Return how long a wave is at work: its nodes in turns, then the soak of the last one."""
    turns = _turns(accepted, members, step, names)
    return sum(turns) + route.soak_s(accepted, number) if turns else 0


def _turns(
    accepted: plan.Plan, members: inventory.Inventory, step: route.Step, names: tuple[str, ...]
) -> list[int]:
    """Return how long each turn of a wave takes; who may not go together takes turns."""
    if not names:
        return []
    longest = max(route.duration_s(accepted, members[name], step.kind) for name in names)
    count = 1 if step.together else math.ceil(len(names) / at_once(accepted, members, names))
    return [longest] * count


def at_once(accepted: plan.Plan, members: inventory.Inventory, names: tuple[str, ...]) -> int:
    """Return how many nodes of a wave may be disturbed together: by number, domain and quorum."""
    limits, total = accepted.limits, len(route.selected(accepted, members))
    domains = Counter(waves.domain_of(members[name]) for name in names)
    most = [waves.count(limits.max_unavailable, total)]
    most.append(sum(min(count, limits.per_domain) for count in domains.values()))
    if any(members[name].voter for name in names):
        voters = sum(member.voter for member in members.values())
        most.append(voters - availability.majority(voters))
    return max(1, min(most))


def ends_at(
    accepted: plan.Plan, members: inventory.Inventory, assigned: Assigned, now: int
) -> int | None:
    """Return when a plan that is started now is done, turn by turn through its windows.

    Nothing goes wrong, nobody has to be waited for, and approvals are there at once. Before the
    last turn of a wave, all that it needs was fetched. None if a node has no window within a year.
    """
    clock = start = max(now, accepted.not_before)
    fetched = 0
    for step, parts in assigned.items():
        for number, names in enumerate(parts):
            turns = _turns(accepted, members, step, names)
            fetched += staging.total_mib(accepted, members, step.part, names)
            for turn, needed_s in enumerate(turns, start=1):
                if turn == len(turns):
                    clock = max(clock, staging.earliest(accepted, start, fetched))
                begin = window.next_fit(accepted.calendar, clock, needed_s)
                if begin is None:
                    return None
                clock = begin + needed_s
            clock += route.soak_s(accepted, number) if turns else 0
    return clock


def download_mib(
    accepted: plan.Plan, members: inventory.Inventory, staged: Iterable[tuple[str, str]]
) -> int | None:
    """Return what comes over the uplink for what was staged; None if the plan names no sizes.

    Args:
        accepted: the plan.
        members: the site.
        staged: a node's name and a step that it passes, for each of both.
    """
    sizes = dict(_sizes(accepted))
    if not any(sizes.values()):
        return None
    fetched = [(sizes.get(part, ()), members[name], part) for name, part in staged]
    return sum(
        each.get(member.arch, 0) * staging.copies(member, part)
        for parts, member, part in fetched
        for each in parts
    )


def _sizes(accepted: plan.Plan) -> Iterator[tuple[str, tuple[schema.Pairs, ...]]]:
    """Yield for each step how many MiB of what each architecture fetches."""
    targets, kind = accepted.targets, route.Kind
    for minor, release in targets.kubernetes.releases if targets.kubernetes else ():
        for each in (kind.KUBERNETES, kind.HOSTED):
            yield f"{each.value}/{minor}", tuple(filter(None, [release.mib]))
    if targets.lxd:
        yield kind.LXD.value, tuple(filter(None, [targets.lxd.mib]))
    if targets.os:
        yield f"{kind.OS.value}/{targets.os.version}", tuple(filter(None, [targets.os.mib]))
    yield kind.SNAPS.value, tuple(snap.mib for snap in targets.snaps if snap.mib)


def in_words(seconds: int) -> str:
    """Return a length of time as people say it."""
    minutes = -(-seconds // 60)
    days, rest = divmod(minutes, 24 * 60)
    found = [f"{days} d"] if days else []
    found += [f"{rest // 60} h"] if rest >= 60 else []
    found += [f"{rest % 60} min"] if rest % 60 and not days else []
    return " ".join(found) or "0 min"
