"""Answers of earlier runs, in memory: what is dear to ask is asked every so often only.

They are forgotten with each boot, also where the folder outlives it, and when the machine is told
of another place in the site.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

from edgecloud import host
from edgecloud.agent import hardware, paths
from edgecloud.agent.gauges.source import stamp, text
from edgecloud.host import files
from edgecloud.metrics import exposition, node
from edgecloud.metrics.exposition import Sample

PATH = paths.GAUGES
RETRY_S = 120
"""How soon a dear source that failed is asked again."""

_METRICS = exposition.by_name(node.METRICS)


class Kept:
    """What was answered before, by the name of the source."""

    def __init__(self, machine: host.Host):
        self._machine, self._now = machine, machine.now()
        self._era = f"{text(machine, hardware.BOOT_ID)} {stamp(machine, [paths.SETTINGS])}"
        former = _former(machine)
        known = former.get("answers") if former.get("era") == self._era else None
        self._answers = cast("dict[str, Any]", known if isinstance(known, dict) else {})

    def get(self, name: str, mark: str, good_for_s: float) -> list[Sample] | None:
        """Return an answer that still holds; None if the source is to be asked."""
        try:
            answer = self._answers[name]
            limit = min(RETRY_S, good_for_s) if answer["problem"] else good_for_s
            if answer["mark"] != mark or not 0 <= self._now - answer["at"] < limit:
                return None
            return [_sample(*row) for row in answer["samples"]]
        except (KeyError, TypeError, ValueError):
            return None  # Another version of the agent wrote it.

    def put(self, name: str, mark: str, samples: Iterable[Sample]) -> None:
        """Keep an answer."""
        rows = [
            [each.metric.name, each.value, [value for _, value in each.labels], each.suffix]
            for each in samples
        ]
        self._answers[name] = {"at": self._now, "mark": mark, "samples": rows, "problem": ""}

    def fail(self, name: str, mark: str, problem: str) -> bool:
        """Note that a source cannot tell. Return whether that is news."""
        former = self._answers.get(name)
        entry = {"at": self._now, "mark": mark, "samples": list[Any](), "problem": problem}
        self._answers[name] = entry
        return not (isinstance(former, dict) and cast("dict[str, Any]", former).get("problem"))

    def recover(self, name: str) -> None:
        """Note that a source that is asked in every run can tell."""
        self._answers.pop(name, None)

    def write(self) -> None:
        """Keep all this for the next run."""
        document = {"era": self._era, "answers": self._answers}
        self._machine.write(PATH, json.dumps(document, sort_keys=True) + "\n", mode=0o600)


def _former(machine: host.Host) -> dict[str, Any]:
    try:
        return files.read_state(machine, PATH)
    except OSError:
        return {}


def _sample(name: str, value: float, labels: list[str], suffix: str) -> Sample:
    return _METRICS[name].again(value, labels, suffix)
