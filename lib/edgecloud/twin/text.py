"""Say a rehearsal's report in words."""

from __future__ import annotations

from collections.abc import Iterator

from edgecloud.rollout import forecast
from edgecloud.twin import rehearsal

CHECKED = (
    "I1-I14, I16-I24, I26, I27 and I29 in every run; what the machines themselves do is not "
    "rehearsed"
)


def lines(report: rehearsal.Report) -> Iterator[str]:
    """Yield the report, line by line."""
    runs = report.runs
    yield f"verdict: {report.verdict or 'nothing speaks against it'}"
    yield f"runs without a fault: {runs['clean']}"
    yield f"runs with one fault: {runs['single']} of {report.faults} that there are"
    yield f"  kinds of them tried: {report.kinds_tried} of {report.kinds}"
    yield f"runs with two faults: {runs['double']}, drawn by the seed"
    yield f"rules: {CHECKED}"
    yield from (f"broken: {problem}" for problem in report.problems)
    yield f"unavailable at once: {report.disturbed} by upgrades alone"
    yield f"  with what fails: {report.unavailable} ({report.worst})"
    yield f"time to the end: {_times(report.seconds)}"
    yield f"days with work: {report.days.median}, at most {report.days.most}"
    yield f"before it expires: {report.in_time} of {runs['clean']} runs without a fault"
    ends = ", ".join(f"{count} {phase}" for phase, count in report.ends.items())
    yield f"runs with faults end: {ends or 'there were none'}"
    if report.given_up:
        yield f"needs release-node: in {report.given_up} runs, for nodes that never return"
    if report.approvals:
        yield f"needs approve: {report.approvals} times"
    size = "the plan names no sizes" if report.mib is None else f"{report.mib} MiB"
    yield f"over the uplink: {size}"
    if report.budgets is None:
        yield "would not drain now: unknown, nobody told of disruption budgets"
    for node, budgets in (report.budgets or {}).items():
        yield f"would not drain now: {node}, because of {', '.join(budgets)}"
    yield from (f"no way back: {each}" for each in report.no_way_back)
    yield from (f"risk: {each}" for each in report.risks if each not in report.no_way_back)
    yield f"digest: {report.digest}"


def _times(spread: rehearsal.Spread) -> str:
    middle, p95, most = map(forecast.in_words, (spread.median, spread.p95, spread.most))
    return f"{middle}, 95 % within {p95}, at most {most}"
