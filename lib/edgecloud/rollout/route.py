"""What a plan does step by step, and what each step means for one node.

A step changes one kind of thing on every node that it concerns before the next step begins, so a
failure names one culprit and every node has one way back. LXD goes first, all its members
together; then Kubernetes, one minor after the other; then the operating system; then other snaps.
Nodes that LXD hosts are made anew, at the minor that the control planes have come to.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from edgecloud.rollout import inventory, plan, skew, terms, window

NO_RESTORE = (
    "no node restores itself; say auto. A node that edge-lxd hosts is replaced by a new one, "
    "and stays until that is Ready"
)


class Kind(str, enum.Enum):
    """What a step changes."""

    LXD = "lxd"
    KUBERNETES = "kubernetes"
    HOSTED = "hosted"
    """The nodes that an LXD member hosts: each is replaced by a new one."""
    OS = "os"
    FIRMWARE = "firmware"
    SNAPS = "snaps"


NONE, STAY = "none", "stay"
"""Ways back: there is none; or what is not replaced yet stays, and there is none once all is."""
ONE_WAY = frozenset({NONE, STAY})
"""Once such a step is done on a node, that node cannot be told to go back."""
_REBOOTING = frozenset({Kind.OS, Kind.FIRMWARE})


@dataclass(frozen=True)
class Step:
    """One kind of change on all the nodes that it concerns."""

    index: int
    kind: Kind
    version: str = ""
    last: bool = True
    """Whether no later minor follows; then the exact build matters, not the minor alone."""

    @property
    def part(self) -> str:
        """The name of the step in orders and reports."""
        return f"{self.kind.value}/{self.version}" if self.version else self.kind.value

    @property
    def reboots(self) -> bool:
        """Whether each machine reboots in it."""
        return self.kind in _REBOOTING

    @property
    def together(self) -> bool:
        """Whether its members must all change at once: LXD blocks until the last one has."""
        return self.kind is Kind.LXD


@dataclass(frozen=True)
class Work:
    """What a node needs to know of a step to do it alone."""

    plan_id: str
    generation: int
    digest: str
    expires: int
    part: str
    target: str
    """The exact artefact; empty if a channel decides it, then staging finds it out."""
    version: str = ""
    reboots: bool = False
    cordons: bool = True
    hosts: bool = False
    """Whether it is a member of LXD that reboots, with all that lives there."""
    voter: bool = False
    rollback: str = "revert"
    on_block: str = "wait"
    soak_s: int = 0
    duration_s: int = 0
    calendar: window.Calendar = window.ALWAYS


def steps(accepted: plan.Plan, members: inventory.Inventory) -> tuple[Step, ...]:
    """Return the steps of a plan, in order, for the nodes that it selects."""
    chosen = selected(accepted, members)
    targets, found = accepted.targets, list[tuple[Kind, str, bool]]()
    if targets.firmware:
        found.append((Kind.FIRMWARE, targets.firmware.eeprom, True))
    if targets.lxd and any(member.lxd for member in chosen.values()):
        found.append((Kind.LXD, "", True))
    found += list(_kubernetes(accepted, chosen))
    if targets.os:
        found.append((Kind.OS, targets.os.version, True))
    if targets.snaps:
        found.append((Kind.SNAPS, "", True))
    return tuple(Step(i, kind, version, last) for i, (kind, version, last) in enumerate(found))


def selected(accepted: plan.Plan, members: inventory.Inventory) -> inventory.Inventory:
    """Return the members that a plan is for."""
    select = accepted.select
    return {
        name: member
        for name, member in members.items()
        if name not in select.exclude and inventory.matches(member, select.nodes)
    }


def concerns(step: Step, member: inventory.Member, version: str = "") -> bool:
    """Return whether a step has anything to do on a member that runs a version now."""
    if step.kind is Kind.LXD:
        return member.lxd
    if step.kind not in (Kind.KUBERNETES, Kind.HOSTED):
        return True
    current, target = skew.parse(version or member.version), skew.parse(step.version)
    if step.kind is Kind.HOSTED:
        current = next(iter(member.hosted_minors), None)
    if current is None or target is None:
        return False
    return current < target or (step.last and current == target)


def problems(accepted: plan.Plan, members: inventory.Inventory) -> list[str]:
    """Return why a plan cannot be carried out on these members; empty if it can."""
    chosen, kubernetes = selected(accepted, members), accepted.targets.kubernetes
    found = [] if chosen else ["select: no node of the site matches"]
    found += _impossible(accepted)
    target = skew.parse(kubernetes.to) if kubernetes else None
    if kubernetes and target:
        found += [
            f"{member.name}: runs {member.version}, which is newer than {target}"
            for member in chosen.values()
            if member.minor and member.minor > target
        ]
        found += _hosted_problems(accepted, chosen, target)
        found += _missing_releases(accepted, kubernetes, chosen)
    builds = [(f"snaps.{snap.name}", snap.revision) for snap in accepted.targets.snaps]
    builds += [("lxd", accepted.targets.lxd.revision)] if accepted.targets.lxd else []
    for arch in sorted({member.arch for member in chosen.values()}):
        found += [f"targets.{n}: no build for {arch}" for n, pins in builds if not pins.get(arch)]
    return found


def _hosted_problems(
    accepted: plan.Plan, chosen: inventory.Inventory, target: skew.Minor
) -> Iterator[str]:
    """Yield which hosted nodes are too new for a plan, or too old for its first step."""
    first = _minors(accepted, chosen)[:1]
    for name, member in chosen.items():
        for minor in sorted({*member.hosted_minors[:1], *member.hosted_minors[-1:]}):
            if minor > target:
                yield f"{name}: hosts a node at {minor}, newer than {target}"
            if first and _is_too_old(minor, first[0]):
                yield (
                    f"{name}: hosts a node at {minor}, too old beside a control plane at"
                    f" {first[0]}: run replace-node first"
                )


def _impossible(accepted: plan.Plan) -> Iterator[str]:
    """Yield what plans have words for and nodes have no hands for."""
    if accepted.rollback.kind == "restore":
        yield f"rollback.kind: {NO_RESTORE}"
    if accepted.signature and accepted.signature.method != "ssh":
        yield "signature.method: nodes verify ssh alone; sign the plan with ssh-keygen -Y sign"


def work(accepted: plan.Plan, part: str, wave: int, member: inventory.Member) -> Work:
    """Return what a step means for one member of a wave."""
    kind = Kind(part.partition("/")[0])
    version = part.partition("/")[2]
    reboots = kind in _REBOOTING
    return Work(
        plan_id=accepted.id,
        generation=accepted.generation,
        digest=accepted.digest,
        expires=accepted.expires,
        part=part,
        target=_target(accepted, kind, version, member.arch),
        version=version,
        reboots=reboots,
        cordons=(reboots and (member.lxd or bool(member.version)))
        or (kind is Kind.KUBERNETES and bool(member.version)),
        hosts=reboots and member.lxd,
        voter=member.voter and kind is not Kind.HOSTED,
        rollback=rollback_kind(accepted, kind, member),
        on_block=accepted.drain.on_block,
        soak_s=soak_s(accepted, wave),
        duration_s=duration_s(accepted, member, kind),
        calendar=accepted.calendar,
    )


def soak_s(accepted: plan.Plan, wave: int) -> int:
    """Return how long a node of a wave is watched after its upgrade."""
    return (accepted.canary, *accepted.waves)[min(wave, len(accepted.waves))].soak_s


def duration_s(accepted: plan.Plan, member: inventory.Member, kind: Kind | None = None) -> int:
    """Return how long a node is expected to be disturbed; those that it hosts, one by one."""
    if kind is Kind.HOSTED:
        return accepted.deadlines.node_s * len(member.hosted)
    return member.duration_s or accepted.deadlines.node_s


def rollback_kind(accepted: plan.Plan, kind: Kind, member: inventory.Member) -> str:
    """Return how a node goes back from a step; never by reverting a voter's data."""
    wanted = accepted.rollback.kind
    if kind is Kind.OS and accepted.targets.os:
        system = accepted.targets.os
        if system.irreversible or wanted == "none":
            return "none"
        return "packages-best-effort" if system.kind == "apt-snapshot" else "slot"
    if kind in (Kind.FIRMWARE, Kind.LXD):
        return NONE
    if kind is Kind.HOSTED:
        return STAY
    if kind is Kind.KUBERNETES and member.voter and wanted in ("auto", "revert"):
        return "rejoin"
    return "revert" if wanted == "auto" else wanted


def _kubernetes(
    accepted: plan.Plan, chosen: inventory.Inventory
) -> Iterator[tuple[Kind, str, bool]]:
    """Yield a step for each minor, and where nodes that are hosted follow, one for these.

    A node that is made anew passes no minor on its way, so it follows at the end, and before that
    only where it would be too old for the next control plane.
    """
    minors, hosted = _minors(accepted, chosen), _oldest_hosted(chosen)
    runs = any(member.minor for member in chosen.values())
    for minor, following in zip(minors, (*minors[1:], None), strict=False):
        if runs:
            yield Kind.KUBERNETES, str(minor), following is None
        if hosted is not None and _must_follow(hosted, minor, following):
            hosted = minor
            yield Kind.HOSTED, str(minor), following is None


def _must_follow(hosted: skew.Minor, minor: skew.Minor, following: skew.Minor | None) -> bool:
    if following is None:
        return hosted <= minor
    return hosted < minor and _is_too_old(hosted, following)


def _is_too_old(hosted: skew.Minor, plane: skew.Minor) -> bool:
    return hosted < plane and bool(
        skew.problems({(skew.CONTROL_PLANE, plane), (skew.WORKER, hosted)})
    )


def _oldest_hosted(chosen: inventory.Inventory) -> skew.Minor | None:
    return min((minor for m in chosen.values() for minor in m.hosted_minors), default=None)


def _minors(accepted: plan.Plan, chosen: inventory.Inventory) -> tuple[skew.Minor, ...]:
    kubernetes = accepted.targets.kubernetes
    target = skew.parse(kubernetes.to) if kubernetes else None
    running = [member.minor for member in chosen.values() if member.minor]
    if target is None:
        return ()
    if not running:
        return (target,) if _oldest_hosted(chosen) else ()
    return skew.route(min(running), target) or (target,)


def _missing_releases(
    accepted: plan.Plan, kubernetes: terms.Kubernetes, chosen: inventory.Inventory
) -> Iterator[str]:
    """Yield every minor on the way that has no exact build for a node that passes it."""
    if kubernetes.unpinned == "allow":
        return
    way = list(_kubernetes(accepted, chosen))
    anew = {version for kind, version, _ in way if kind is Kind.HOSTED}
    for version in dict.fromkeys(version for _, version, _ in way):
        minor, release = skew.parse(version), kubernetes.releases.get(version)
        passing = [m for m in chosen.values() if minor and _passes(m, minor, anew=version in anew)]
        for arch in sorted({member.arch for member in passing}):
            if release is None or release.revision.get(arch) is None:
                names = ", ".join(m.name for m in passing if m.arch == arch)
                yield f"targets.kubernetes.releases: {names} must pass {minor} ({arch})"


def _passes(member: inventory.Member, minor: skew.Minor, *, anew: bool) -> bool:
    """Return whether a member, or a node that it hosts, may need the build of a minor."""
    hosts = anew and any(each <= minor for each in member.hosted_minors)
    return hosts or (member.minor is not None and member.minor <= minor)


def _target(accepted: plan.Plan, kind: Kind, version: str, arch: str) -> str:
    targets = accepted.targets
    if kind in (Kind.KUBERNETES, Kind.HOSTED) and targets.kubernetes:
        release = targets.kubernetes.releases.get(version)
        revision = release.revision.get(arch) if release else None
        if kind is Kind.HOSTED:
            return ":".join(filter(None, ("hosted", version, str(revision or ""))))
        return f"microk8s:{revision}" if revision else ""
    if kind is Kind.LXD and targets.lxd:
        return f"lxd:{targets.lxd.revision.get(arch)}"
    if kind is Kind.OS and targets.os:
        return f"os:{targets.os.ref or targets.os.snapshot_stamp}"
    if kind is Kind.FIRMWARE and targets.firmware:
        return f"eeprom:{targets.firmware.eeprom}"
    builds = {snap.name: snap.revision.get(arch) for snap in targets.snaps}
    text = json.dumps(builds, sort_keys=True)
    return f"snaps:{hashlib.sha256(text.encode()).hexdigest()}"
