"""The options of this charm, checked once, and the limits that a site sets to every plan."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import yaml

from edgecloud.rollout import inventory, plan, schema, waves

STARTS = ("manual", "automatic")


class OptionError(Exception):
    """An option that cannot be used; says every problem at once."""

    def __init__(self, problems: list[str]):
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class SiteOptions:
    """What an operator sets."""

    plan: str = ""
    start_plans: str = "manual"
    max_unavailable: str = ""
    per_domain: int = 0
    require_windows: bool = False
    daily_mib: int = 0

    def __post_init__(self) -> None:
        problems = list[str]()
        if self.start_plans not in STARTS:
            problems.append(f"start-plans: must be one of {', '.join(STARTS)}")
        if self.max_unavailable:
            schema.share(self.max_unavailable, "max-unavailable", problems)
        if self.per_domain < 0:
            problems.append("per-domain: must not be negative")
        if self.daily_mib < 0:
            problems.append("daily-mib: must not be negative")
        if problems:
            raise OptionError(problems)


def read_plan(text: str) -> plan.Plan:
    """Return the plan that a text in YAML holds; raise :class:`plan.PlanError` if it is unfit."""
    try:
        document: Any = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        raise plan.PlanError([f"plan: is not YAML: {' '.join(str(e).split())}"]) from e
    return plan.read(document)


def source_of(text: str) -> str:
    """Return what tells whether the text of a plan is still the one that was parsed."""
    return hashlib.sha256(text.encode()).hexdigest()


def limit_problems(
    options: SiteOptions, accepted: plan.Plan, members: inventory.Inventory
) -> list[str]:
    """Return where a plan asks for more than this site allows."""
    found, total = list[str](), max(1, len(members))
    asked = accepted.limits
    if options.max_unavailable:
        most = waves.count(options.max_unavailable, total)
        if waves.count(asked.max_unavailable, total) > most:
            found.append(f"limits.max-unavailable: this site allows {options.max_unavailable}")
    if options.per_domain and asked.per_domain > options.per_domain:
        found.append(f"limits.per-domain: this site allows {options.per_domain}")
    if options.require_windows and accepted.windows == plan.ALWAYS:
        found.append("windows: this site wants maintenance windows")
    if options.daily_mib and not 0 < asked.daily_mib <= options.daily_mib:
        found.append(f"limits.daily-mib: this site allows {options.daily_mib}, and wants it said")
    return found
