"""Write metrics as the text that Prometheus and node exporter read. Pure."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping

GAUGE, COUNTER = "gauge", "counter"


class UnknownLabelError(ValueError):
    """A sample carries other labels than its metric has."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """One name, with what it means."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: str = GAUGE

    def at(self, value: float, **labels: str) -> Sample:
        """Return a sample of this metric."""
        if tuple(labels) != self.labels:
            raise UnknownLabelError(f"{self.name} has the labels {self.labels}, not {labels}")
        return Sample(self, float(value), tuple(labels.items()))


@dataclasses.dataclass(frozen=True)
class Sample:
    """One value of a metric."""

    metric: Metric
    value: float
    labels: tuple[tuple[str, str], ...] = ()


def write(samples: Iterable[Sample]) -> str:
    """Return samples as text, grouped by metric, the same for the same samples in any order."""
    lines: list[str] = []
    ordered = sorted(samples, key=lambda sample: (sample.metric.name, sample.labels))
    for metric, group in itertools.groupby(ordered, key=lambda sample: sample.metric):
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [_line(sample) for sample in group]
    return "".join(f"{line}\n" for line in lines)


def _line(sample: Sample) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels)
    labels = f"{{{pairs}}}" if pairs else ""
    return f"{sample.metric.name}{labels} {_number(sample.value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() else repr(value)


def by_name(metrics: Iterable[Metric]) -> Mapping[str, Metric]:
    """Return metrics by their names."""
    return {metric.name: metric for metric in metrics}
