"""Which nodes go in which wave of a step: the canary first, then the plan's waves in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from edgecloud.rollout import inventory, plan, route, skew, terms

Waves = tuple[tuple[str, ...], ...]


def assign(accepted: plan.Plan, members: inventory.Inventory, step: route.Step) -> Waves:
    """Return the names of each wave; every node that the step concerns is in exactly one."""
    chosen = route.selected(accepted, members).values()
    left = arrange((m for m in chosen if route.concerns(step, m)), step.kind)
    if step.together:
        return (tuple(member.name for member in left),)
    waves, total = list[tuple[str, ...]](), len(left)
    specs = (accepted.canary, *accepted.waves)
    if step.kind is route.Kind.FIRMWARE:
        specs = specs[:1]  # Nothing brings a broken boot loader back: never beyond the canary.
    for spec in specs:
        taken = _take(spec, left, total=total, is_canary=not waves)
        waves.append(taken)
        left = [member for member in left if member.name not in set(taken)]
    if step.kind is not route.Kind.FIRMWARE:
        waves[-1] += tuple(member.name for member in left)
    return tuple(waves)


def arrange(members: Iterable[inventory.Member], kind: route.Kind) -> list[inventory.Member]:
    """Order nodes: by role, the coordinator's own last in its role, domains taking turns."""
    places = Counter[tuple[int, str]]()
    ranked = list[tuple[int, bool, int, str, inventory.Member]]()
    for member in sorted(members, key=lambda each: each.name):
        rank, domain = _rank(member, kind), domain_of(member)
        ranked.append((rank, member.coordinator, places[rank, domain], domain, member))
        places[rank, domain] += 1
    return [each[-1] for each in sorted(ranked, key=lambda each: (*each[:-1], each[-1].name))]


def domain_of(member: inventory.Member) -> str:
    """Return the failure domain of a member; its own if it was given none."""
    return member.domain or f"node:{member.name}"


def count(share: str, total: int) -> int:
    """Return how many nodes a number or percentage means; never less than one."""
    if share.endswith("%"):
        return max(1, total * int(share[:-1]) // 100)
    return int(share)


def problems(
    waves: Sequence[Waves], steps: Sequence[route.Step], members: inventory.Inventory
) -> list[str]:
    """Return how the waves contradict the order of roles, so that the plan could never end."""
    found = list[str]()
    for step, parts in zip(steps, waves, strict=True):
        if step.kind is route.Kind.KUBERNETES:
            roles = [members[name].role for wave in parts for name in wave]
            if sorted(roles) != roles:
                found.append(f"waves: a worker comes before a control plane in {step.part}")
        if not any(parts):
            found.append(f"waves: {step.part} has no node to change")
    return found


def _rank(member: inventory.Member, kind: route.Kind) -> int:
    """Kubernetes moves control planes first; anything else is tried on a worker first."""
    is_worker = member.role == skew.WORKER
    return int(is_worker) if kind is route.Kind.KUBERNETES else int(not is_worker)


def _take(
    spec: terms.Wave, left: Sequence[inventory.Member], *, total: int, is_canary: bool
) -> tuple[str, ...]:
    fitting = [member for member in left if inventory.matches(member, spec.where)]
    size = count(spec.size, total)
    if is_canary:
        size = min(size, max(1, len(left) - 1))  # A canary that is everybody warns nobody.
    return tuple(member.name for member in fitting[:size])
