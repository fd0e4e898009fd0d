"""What a plan would do to a site, told before anything begins. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from edgecloud.rollout import availability, forecast, inventory, plan, route, skew, waves

_BACK = {
    route.NONE: "no way back",
    route.STAY: "each old one stays until its new one is Ready",
}


def outlook(accepted: plan.Plan, members: inventory.Inventory, now: int) -> dict[str, Any]:
    """Return steps, waves, each node's way, time and bytes, risks, and what is final.

    Args:
        accepted: the plan.
        members: the site.
        now: when it would be started.
    """
    chosen, steps = route.selected(accepted, members), route.steps(accepted, members)
    assigned = {step: waves.assign(accepted, members, step) for step in steps}
    end = forecast.ends_at(accepted, members, assigned, now)
    staged = [(n, part) for n, member in chosen.items() for part in way(steps, member)]
    return {
        "digest": accepted.digest,
        "members": inventory.digest(members),
        "steps": [
            {"part": step.part, "waves": [list(wave) for wave in parts]}
            for step, parts in assigned.items()
        ],
        "watched-seconds": [
            [route.soak_s(accepted, number) for number in range(len(parts))]
            for parts in assigned.values()
        ],
        "needs-approval": sorted(approvals(accepted, assigned)),
        "nodes": {name: _node(accepted, members, steps, name) for name in chosen},
        "seconds-at-work": sum(
            forecast.work_s(accepted, members, step, number, names)
            for step, parts in assigned.items()
            for number, names in enumerate(parts)
        ),
        "ends": _moment(end) if end is not None else None,
        "seconds-to-end": end - now if end is not None else None,
        "mib": forecast.download_mib(accepted, members, staged),
        "risks": [*_time_risks(accepted, end), *risks(accepted, chosen, steps)],
        "points-of-no-return": list(points_of_no_return(chosen, steps)),
    }


def _node(
    accepted: plan.Plan,
    members: inventory.Inventory,
    steps: tuple[route.Step, ...],
    name: str,
) -> dict[str, Any]:
    member, passed = members[name], way(steps, members[name])
    return {
        "version": member.version,
        "way": passed,
        "back": way_back(accepted, steps, member),
        "mib": forecast.download_mib(accepted, members, [(name, part) for part in passed]),
    }


def approvals(accepted: plan.Plan, assigned: forecast.Assigned) -> set[int]:
    """Return the numbers of the waves that begin only when somebody approves."""
    specs = (accepted.canary, *accepted.waves)
    numbers = (number for parts in assigned.values() for number, w in enumerate(parts) if w)
    return {number for number in numbers if specs[min(number, len(specs) - 1)].require != "auto"}


def _moment(at: int) -> str:
    return dt.datetime.fromtimestamp(at, dt.timezone.utc).strftime("%Y-%m-%dT%H:%MZ")


def lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield the same for a terminal."""
    for step, watched in zip(found["steps"], found["watched-seconds"], strict=True):
        yield f"step {step['part']}"
        for number, names in enumerate(step["waves"]):
            yield f"  {_wave(found, number, names, watched[number])}"
    for name, node in found["nodes"].items():
        hops = [
            f"{part} ({_BACK.get(back, f'back by {back}')})"
            for part, back in zip(node["way"], node["back"], strict=True)
        ]
        runs = f" ({node['version']})" if node["version"] else ""
        size = f", {node['mib']} MiB" if node["mib"] else ""
        yield f"{name}{runs}: {', then '.join(hops) or 'nothing to do'}{size}"
    span = forecast.in_words(found["seconds-at-work"])
    yield f"at work for at most {span}, soaks included, windows not"
    yield f"done at the earliest: {_end(found)}"
    size = "the plan names no sizes" if found["mib"] is None else f"{found['mib']} MiB"
    yield f"over the uplink: {size}"
    yield from (f"risk: {risk}" for risk in found["risks"])
    yield from (f"no return: {point}" for point in found["points-of-no-return"])


def _end(found: dict[str, Any]) -> str:
    """Say when all is done; as a moment only where windows decide over it."""
    if found["ends"] is None:
        return "never"
    if found["seconds-to-end"] == found["seconds-at-work"]:
        return f"{forecast.in_words(found['seconds-to-end'])} after its start"
    return f"{found['ends']}, if it is started now"


def _wave(found: dict[str, Any], number: int, names: list[str], watched_s: int) -> str:
    label = f"wave {number}" if number else "canary"
    if not names:
        return f"{label}: nobody"
    asks = "; needs an approval" if number in found["needs-approval"] else ""
    return f"{label}: {', '.join(names)}; watched for {forecast.in_words(watched_s)}{asks}"


def way(steps: tuple[route.Step, ...], member: inventory.Member) -> list[str]:
    """Return what a node passes, in order; minors on the way included."""
    return [step.part for step in steps if route.concerns(step, member)]


def way_back(
    accepted: plan.Plan, steps: tuple[route.Step, ...], member: inventory.Member
) -> list[str]:
    """Return how a node would go back from each step that it passes."""
    return [
        route.rollback_kind(accepted, step.kind, member)
        for step in steps
        if route.concerns(step, member)
    ]


def _time_risks(accepted: plan.Plan, end: int | None) -> Iterator[str]:
    if end is None:
        yield "windows: none within a year is long enough for every node"
    elif end > accepted.expires:
        yield "expires: before the plan can be done"


def risks(
    accepted: plan.Plan, chosen: inventory.Inventory, steps: tuple[route.Step, ...]
) -> Iterator[str]:
    """Yield what an operator should know before saying yes."""
    if accepted.windows == plan.ALWAYS:
        yield "windows: nodes may be disturbed at any hour"
    if accepted.drain.on_block == "evict-force":
        yield "drain: pods that do not yield are removed, whatever protects them"
        yield from _budget_risks(chosen)
    kubernetes = accepted.targets.kubernetes
    if kubernetes and kubernetes.unpinned == "allow":
        yield "kubernetes: the channel decides which build comes, node by node"
    voters = [member for member in chosen.values() if member.voter]
    yield from _quorum_risks(accepted, len(voters))
    yield from no_ways_back(accepted, chosen, steps)


def _budget_risks(chosen: inventory.Inventory) -> Iterator[str]:
    workers = [n for n, each in chosen.items() if each.version and each.role == skew.WORKER]
    if workers:
        more = f" and {len(workers) - 3} more" if len(workers) > 3 else ""
        named = ", ".join(workers[:3]) + more
        yield f"drain: budgets are not overruled on workers, which may not delete pods: {named}"


def no_ways_back(
    accepted: plan.Plan, chosen: inventory.Inventory, steps: tuple[route.Step, ...]
) -> Iterator[str]:
    """Yield the steps from which nodes cannot go back, and which nodes."""
    for step in steps:
        stuck = [
            name
            for name, member in chosen.items()
            if route.concerns(step, member)
            and route.rollback_kind(accepted, step.kind, member) in route.ONE_WAY
        ]
        if stuck:
            yield f"{step.part}: no way back for {', '.join(stuck)}"


def _quorum_risks(accepted: plan.Plan, voters: int) -> Iterator[str]:
    if voters == 1:
        if accepted.drain.single_node == "accept-downtime":
            yield "one control plane: Kubernetes is away while it is upgraded"
        else:
            yield "one control plane: it waits for ever unless drain.single-node says otherwise"
    elif voters and voters - 1 < availability.majority(voters):
        yield f"{voters} voters: none can be missed, so no control plane is ever granted"


def points_of_no_return(
    chosen: inventory.Inventory, steps: tuple[route.Step, ...]
) -> Iterator[str]:
    """Yield from when on control planes cannot go back to the minor before."""
    planes = [member for member in chosen.values() if member.role == skew.CONTROL_PLANE]
    for step in steps:
        target = skew.parse(step.version)
        crossing = [member for member in planes if member.minor and member.minor != target]
        if step.kind is route.Kind.KUBERNETES and crossing:
            count = availability.majority(len(planes))
            yield f"{step.part}: once {count} of {len(planes)} control planes have passed it"
