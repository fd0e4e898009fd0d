"""Write metrics as the text that Prometheus and node exporter read. Pure."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

GAUGE, COUNTER, HISTOGRAM = "gauge", "counter", "histogram"
BUCKET, SUM, COUNT = "_bucket", "_sum", "_count"
"""What the series of a histogram are called, behind its name."""
BOUND = "le"
"""The label of a bucket: the largest value that it counts."""


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

    def spread(
        self, bounds: Sequence[float], counts: Sequence[int], total: float, **labels: str
    ) -> list[Sample]:
        """Return the samples of a histogram.

        Args:
            bounds: the largest value of each bucket but the last, which has no bound.
            counts: how many values fell into each bucket and into none before it.
            total: the sum of all values.
            labels: of the metric.
        """
        plain = self.at(total, **labels)
        sums = itertools.accumulate(counts)
        names = (*map(_number, map(float, bounds)), _number(math.inf))
        buckets = [
            Sample(self, float(count), (*plain.labels, (BOUND, name)), BUCKET)
            for name, count in zip(names, sums, strict=True)
        ]
        whole = dataclasses.replace(plain, value=float(sum(counts)), suffix=COUNT)
        return [*buckets, whole, dataclasses.replace(plain, suffix=SUM)]

    def again(self, value: float, values: Sequence[str], suffix: str = "") -> Sample:
        """Return a sample of which only the values of its labels were kept."""
        names = (*self.labels, BOUND) if suffix == BUCKET else self.labels
        return Sample(self, value, tuple(zip(names, values, strict=True)), suffix)

    @property
    def series(self) -> tuple[str, ...]:
        """The names that its samples have."""
        ends = (BUCKET, COUNT, SUM) if self.kind == HISTOGRAM else ("",)
        return tuple(f"{self.name}{end}" for end in ends)


@dataclasses.dataclass(frozen=True)
class Sample:
    """One value of a metric."""

    metric: Metric
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    suffix: str = ""
    """Of a histogram's series."""

    @property
    def name(self) -> str:
        """What the series is called."""
        return f"{self.metric.name}{self.suffix}"


def write(samples: Iterable[Sample]) -> str:
    """Return samples as text, grouped by metric, the same for the same samples in any order."""
    lines: list[str] = []
    ordered = sorted(samples, key=_place)
    for metric, group in itertools.groupby(ordered, key=lambda sample: sample.metric):
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [_line(sample) for sample in group]
    return "".join(f"{line}\n" for line in lines)


def _place(sample: Sample) -> tuple[str, tuple[tuple[str, str], ...], str, float]:
    """Return what samples are ordered by: buckets by their bounds, which are numbers."""
    if sample.suffix != BUCKET:
        return sample.metric.name, sample.labels, sample.suffix, 0.0
    *labels, (_, bound) = sample.labels
    return sample.metric.name, tuple(labels), sample.suffix, float(bound)


def _line(sample: Sample) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels)
    labels = f"{{{pairs}}}" if pairs else ""
    return f"{sample.name}{labels} {_number(sample.value)}"


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
