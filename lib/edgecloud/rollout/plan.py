"""What an upgrade plan says as a whole, and its canonical digest.

A plan is accepted whole or refused with every problem at once. Two texts that mean the same have
the same digest, because it is taken of the plan with every default written out; the signature
stands outside it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from edgecloud.rollout import schema, skew, terms, window

API_VERSION = "edgecloud/v1"
KIND = "UpgradePlan"
ALWAYS = "always"

_meta = schema.meta


class PlanError(Exception):
    """A plan that may not be used; says every problem at once."""

    def __init__(self, problems: list[str]):
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def _windows(value: Any, path: str, problems: list[str]) -> Any:
    check = schema.items(schema.nested(window.Window), least=1, most=32)
    return ALWAYS if value == ALWAYS else check(value, path, problems)


@dataclass(frozen=True)
class Plan:
    """The whole of what one rollout may do."""

    api_version: str = field(
        metadata=_meta(schema.choice(API_VERSION), name="apiVersion", required=True)
    )
    kind: str = field(metadata=_meta(schema.choice(KIND), required=True))
    id: str = field(metadata=_meta(schema.identifier, required=True))
    expires: int = field(metadata=_meta(schema.instant, required=True))
    targets: terms.Targets = field(metadata=_meta(schema.nested(terms.Targets), required=True))
    windows: tuple[window.Window, ...] | str = field(metadata=_meta(_windows, required=True))
    generation: int = field(default=1, metadata=_meta(schema.integer(1, 2**31)))
    not_before: int = field(default=0, metadata=_meta(schema.instant))
    reason: str = field(default="", metadata=_meta(schema.text))
    ticket: str = field(default="", metadata=_meta(schema.text))
    supersedes: str | None = field(default=None, metadata=_meta(schema.identifier))
    depends_on: tuple[str, ...] = field(
        default=(), metadata=_meta(schema.items(schema.identifier, most=16))
    )
    select: terms.Select = field(
        default=terms.Select(), metadata=_meta(schema.nested(terms.Select))
    )
    canary: terms.Canary = field(
        default=terms.Canary(), metadata=_meta(schema.nested(terms.Canary))
    )
    waves: tuple[terms.Wave, ...] = field(
        default=(terms.Wave(),),
        metadata=_meta(schema.items(schema.nested(terms.Wave), least=1, most=32)),
    )
    limits: terms.Limits = field(
        default=terms.Limits(), metadata=_meta(schema.nested(terms.Limits))
    )
    floors: terms.Floors = field(
        default=terms.Floors(), metadata=_meta(schema.nested(terms.Floors))
    )
    blackouts: tuple[window.Blackout, ...] = field(
        default=(), metadata=_meta(schema.items(schema.nested(window.Blackout)))
    )
    drain: terms.Drain = field(default=terms.Drain(), metadata=_meta(schema.nested(terms.Drain)))
    gates: tuple[terms.Gate, ...] = field(
        default=(), metadata=_meta(schema.items(schema.nested(terms.Gate), most=64))
    )
    abort: terms.Abort = field(default=terms.Abort(), metadata=_meta(schema.nested(terms.Abort)))
    rollback: terms.Rollback = field(
        default=terms.Rollback(), metadata=_meta(schema.nested(terms.Rollback))
    )
    deadlines: terms.Deadlines = field(
        default=terms.Deadlines(), metadata=_meta(schema.nested(terms.Deadlines))
    )
    offline: terms.Offline = field(
        default=terms.Offline(), metadata=_meta(schema.nested(terms.Offline))
    )
    rehearsal: terms.Rehearsal = field(
        default=terms.Rehearsal(), metadata=_meta(schema.nested(terms.Rehearsal))
    )
    signature: terms.Signature | None = field(
        default=None, metadata=_meta(schema.nested(terms.Signature))
    )

    @functools.cached_property
    def text(self) -> str:
        """The one JSON text of what the plan means, without its signature."""
        document = schema.write(replace(self, signature=None))
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @functools.cached_property
    def digest(self) -> str:
        """The canonical digest, which every approval, order and grant is bound to."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @functools.cached_property
    def calendar(self) -> window.Calendar:
        """When nodes may be disturbed."""
        windows = () if isinstance(self.windows, str) else self.windows
        return window.Calendar(windows, self.blackouts)


def read(document: Any) -> Plan:
    """Build a plan from a document, such as YAML gives; raise :class:`PlanError` if unfit."""
    problems = list[str]()
    plan = schema.read(Plan, document, "", problems)
    if plan is not None:
        problems += [problem for rule in RULES for problem in rule(plan)]
    if plan is None or problems:
        raise PlanError(problems)
    return plan


def parse(text: str) -> Plan:
    """Build a plan from JSON, such as :func:`canonical` gives."""
    try:
        document = json.loads(text)
    except ValueError as e:
        raise PlanError([f"plan: is not JSON: {e}"]) from e
    return read(document)


def canonical(plan: Plan) -> str:
    """Return the one JSON text of what a plan means, without its signature."""
    return plan.text


def _targets_something(plan: Plan) -> list[str]:
    return [] if plan.targets != terms.Targets() else ["targets: must name something to upgrade"]


def _firmware_alone(plan: Plan) -> list[str]:
    alone = terms.Targets(firmware=plan.targets.firmware)
    if plan.targets.firmware and plan.targets != alone:
        return ["targets.firmware: must be the only target; a boot loader has no second slot"]
    return []


def _os_is_pinned(plan: Plan) -> list[str]:
    system = plan.targets.os
    if system is None:
        return []
    name = "snapshot-stamp" if system.kind == "apt-snapshot" else "ref"
    pinned = system.snapshot_stamp if system.kind == "apt-snapshot" else system.ref
    return [] if pinned else [f"targets.os.{name}: is required for {system.kind}"]


def _releases_are_known(plan: Plan) -> list[str]:
    kubernetes = plan.targets.kubernetes
    if kubernetes is None or kubernetes.unpinned == "allow":
        return []
    if kubernetes.releases.get(kubernetes.to) is None:
        return [f"targets.kubernetes.releases: needs {kubernetes.to}, or set unpinned: allow"]
    return []


def _minors_parse(plan: Plan) -> list[str]:
    kubernetes = plan.targets.kubernetes
    target = kubernetes and skew.parse(kubernetes.to)
    if kubernetes is None or target is None:
        return []
    later = [name for name, _ in kubernetes.releases if (skew.parse(name) or target) > target]
    return [f"targets.kubernetes.releases.{name}: is past the target" for name in later]


def _times_are_in_order(plan: Plan) -> list[str]:
    found = [
        f"blackouts[{i}]: must end after it begins"
        for i, blackout in enumerate(plan.blackouts)
        if blackout.end <= blackout.start
    ]
    if plan.expires <= plan.not_before:
        found.append("expires: must be after not-before")
    return found


def _names_are_unique(plan: Plan) -> list[str]:
    waves = [wave.name for wave in (plan.canary, *plan.waves)]
    lists = {"waves": waves, "gates": [gate.name for gate in plan.gates]}
    return [
        f"{key}: must have different names" for key, v in lists.items() if len(set(v)) < len(v)
    ]


def _windows_fit_a_node(plan: Plan) -> list[str]:
    if isinstance(plan.windows, str):
        return []
    if max(each.length_s for each in plan.windows) < plan.deadlines.node_s:
        return ["windows: none is as long as deadlines.node, so no node could ever start"]
    return []


RULES: tuple[Callable[[Plan], list[str]], ...] = (
    _targets_something,
    _firmware_alone,
    _os_is_pinned,
    _releases_are_known,
    _minors_parse,
    _times_are_in_order,
    _names_are_unique,
    _windows_fit_a_node,
)
