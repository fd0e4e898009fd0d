"""The alerts that fire by the rules that the charm wrote, as far as they can be judged here.

A rule that has to hold for a while never fires here, and neither does one that cannot be read.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import yaml

from edgelab.pi import promql

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

FOLDER = "/etc/edge-monitor/rules"


@dataclasses.dataclass(frozen=True)
class Firing:
    """An alert that fires."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def firing(
    machine: machines.Machine, series: promql.Series, past: promql.Past
) -> Iterator[Firing]:
    """Yield what fires on a monitor's machine."""
    for path in sorted(machine.path(FOLDER).glob("*.rules")):
        for rule in _rules(path.read_text(encoding="utf-8")):
            try:
                found = promql.answer(rule["expr"], series, past)
            except promql.QueryError:
                continue
            for labels, value in found if isinstance(found, list) else ():
                yield _firing(rule, labels, value)


def _firing(rule: Mapping[str, Any], labels: promql.Labels, value: float) -> Firing:
    named = {name: text for name, text in labels.items() if name != "__name__"}
    own = cast("Mapping[str, str]", rule.get("labels", {}))
    texts = cast("Mapping[str, str]", rule.get("annotations", {}))
    return Firing(
        {**named, **own, "alertname": rule["alert"]},
        {name: _filled(text, named, value) for name, text in texts.items()},
    )


def _filled(text: str, labels: Mapping[str, str], value: float) -> str:
    filled = re.sub(r"{{ *\$labels\.(\w+) *}}", lambda m: labels.get(m[1], ""), text)
    return re.sub(r"{{ *\$value.*?}}", f"{value:g}", filled)


@functools.lru_cache(maxsize=64)
def _rules(text: str) -> tuple[Mapping[str, Any], ...]:
    """Return the rules of a file that fire at once; a file is read once for all lookers."""
    document: Any = yaml.safe_load(text)
    groups = cast("Iterable[Any]", document["groups"])
    return tuple(rule for group in groups for rule in group["rules"] if "for" not in rule)
