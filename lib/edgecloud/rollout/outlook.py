"""What a plan would do to a site, told before anything begins. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from edgecloud.rollout import availability, inventory, plan, route, skew, waves


def outlook(accepted: plan.Plan, members: inventory.Inventory) -> dict[str, Any]:
    """Return steps, waves, each node's way, the time at work, risks, and what is final."""
    chosen, steps = route.selected(accepted, members), route.steps(accepted, members)
    parts = {step.part: waves.assign(accepted, members, step) for step in steps}
    return {
        "digest": accepted.digest,
        "members": inventory.digest(members),
        "steps": [
            {"part": part, "waves": [list(wave) for wave in assigned]}
            for part, assigned in parts.items()
        ],
        "nodes": {
            name: {"way": way(steps, member), "back": way_back(accepted, steps, member)}
            for name, member in chosen.items()
        },
        "seconds-at-work": sum(
            work_s(accepted, members, number, names)
            for assigned in parts.values()
            for number, names in enumerate(assigned)
        ),
        "risks": list(risks(accepted, chosen, steps)),
        "points-of-no-return": list(points_of_no_return(chosen, steps)),
    }


def lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield the same for a terminal."""
    for step in found["steps"]:
        yield f"step {step['part']}"
        for number, names in enumerate(step["waves"]):
            yield f"  {f'wave {number}' if number else 'canary'}: {', '.join(names) or 'nobody'}"
    for name, node in found["nodes"].items():
        hops = [
            f"{part} (back by {back})"
            for part, back in zip(node["way"], node["back"], strict=True)
        ]
        yield f"{name}: {', then '.join(hops) or 'nothing to do'}"
    minutes = -(-found["seconds-at-work"] // 60)
    yield f"at work for at most {minutes // 60} h {minutes % 60} min, soaks included, windows not"
    yield from (f"risk: {risk}" for risk in found["risks"])
    yield from (f"no return: {point}" for point in found["points-of-no-return"])


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


def work_s(
    accepted: plan.Plan, members: inventory.Inventory, number: int, names: tuple[str, ...]
) -> int:
    """Return how long a wave is at work: its nodes in turns, then the soak of the last one."""
    if not names:
        return 0
    at_once = waves.count(accepted.limits.max_unavailable, len(members))
    longest = max(route.duration_s(accepted, members[name]) for name in names)
    return math.ceil(len(names) / at_once) * longest + route.soak_s(accepted, number)


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
            and route.rollback_kind(accepted, step.kind, member) == "none"
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
