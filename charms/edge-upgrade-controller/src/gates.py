"""Ask a site's monitor whether it is well, and judge the answer: pass, fail, or anything but.

Only a whole and fresh answer passes or fails. An empty, old or odd one is inconclusive, and a
monitor that cannot be asked is an error: both hold a rollout, and neither ends it.
"""

from __future__ import annotations

import base64
import json
import math
import time
import urllib.parse
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from edgecloud import host as machines
from edgecloud.host import web
from edgecloud.interfaces import health_gate
from edgecloud.rollout import ledger, terms

Verdict = ledger.Verdict

ONE_S = 3
ALL_S = 9
FRESH_S = 120
_SHOWN = 3


@dataclass(frozen=True)
class Answer:
    """What a gate came to, and why, in a few words for people; nothing is decided by the words."""

    verdict: Verdict
    said: str = ""


class GateError(Exception):
    """The monitor could not be asked."""


def problems(gates: Collection[terms.Gate], *, has_monitor: bool) -> list[str]:
    """Return why nobody here could ever answer the gates of a plan."""
    if gates and not has_monitor:
        return ["gates: relate health-gate to a monitor first"]
    return []


def ask(
    access: health_gate.Access | None, gates: Iterable[terms.Gate], now: int
) -> dict[str, Answer]:
    """Return the answer to each gate; what is not asked in time is an error."""
    end = time.monotonic() + ALL_S
    return {gate.name: _asked(access, gate, now, end) for gate in gates}


def _asked(access: health_gate.Access | None, gate: terms.Gate, now: int, end: float) -> Answer:
    if access is None:
        return Answer(Verdict.ERROR, "the monitor has not said where it is")
    if time.monotonic() >= end:
        return Answer(Verdict.ERROR, "there was no time left to ask")
    try:
        document = fetch(access, query(gate, access))
    except GateError as e:
        return Answer(Verdict.ERROR, str(e))
    verdict = judge(gate, document, now)
    return Answer(verdict, _said(gate, document, verdict))


def query(gate: terms.Gate, access: health_gate.Access) -> str:
    """Return what to ask for a gate: its own words, or the monitor's for a question by name."""
    spoken = {question.name: question.query for question in access.questions}
    words = gate.query or ("" if gate.type == "alerts" else spoken.get(gate.name, ""))
    if gate.type == "alerts":
        matchers = f",{words}" if words else ""
        firing = f'ALERTS{{alertstate="firing"{matchers}}}'
        if gate.for_s:
            firing = f"max_over_time({firing}[{gate.for_s}s])"
        return f'{firing} or ALERTS{{alertstate="firing",alertname="{health_gate.HEARTBEAT}"}}'
    if not words:
        raise GateError(f"the monitor has no question named {gate.name}")
    return f"min_over_time(({words})[{gate.for_s}s:30s])" if gate.for_s else words


def fetch(access: health_gate.Access, text: str) -> Any:
    """Return what the monitor answers to a query; raise :class:`GateError` if it does not."""
    address = f"{access.url.rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': text})}"
    headers = dict[str, str]()
    if access.username:
        pair = f"{access.username}:{access.password}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    try:
        found = web.fetch(
            machines.this(), address, headers=headers, authority=access.ca, timeout_s=ONE_S
        )
        return json.loads(found)
    except (OSError, ValueError) as e:
        raise GateError(f"the monitor does not answer: {e}") from e


def judge(gate: terms.Gate, document: Any, now: int) -> Verdict:
    """Return what an answer of Prometheus means for a gate."""
    samples = _samples(document)
    if samples is None:
        return Verdict.ERROR
    values = [value for _, at, value in samples if abs(now - at) <= FRESH_S]
    if len(values) < len(samples) or not values or any(map(math.isnan, values)):
        return Verdict.INCONCLUSIVE
    if gate.type == "alerts":
        names = [labels.get("alertname", "") for labels, _, _ in samples]
        if any(name != health_gate.HEARTBEAT for name in names):
            return Verdict.FAIL
        return Verdict.PASS
    return Verdict.PASS if all(values) else Verdict.FAIL


def _said(gate: terms.Gate, document: Any, verdict: Verdict) -> str:
    """Return what an answer that does not pass says: which alerts, or which series are 0."""
    samples = _samples(document) or []
    if verdict is Verdict.ERROR:
        return "the monitor answers what is no answer"
    if verdict is Verdict.INCONCLUSIVE:
        return "the answer is old or odd" if samples else "nothing is known"
    is_alert = gate.type == "alerts"
    bad = [labels for labels, _, value in samples if _is_bad(labels, value, is_alert=is_alert)]
    named = sorted({_named(labels) for labels in bad} - {""})
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return ", ".join(named[:_SHOWN]) + more


def _is_bad(labels: Mapping[str, Any], value: float, *, is_alert: bool) -> bool:
    return labels.get("alertname", "") != health_gate.HEARTBEAT if is_alert else not value


def _named(labels: Mapping[str, Any]) -> str:
    """Return what a series is of: an alert, and the node that it is about."""
    where = next((str(labels[key]) for key in ("node", "instance") if labels.get(key)), "")
    alert = str(labels.get("alertname", ""))
    return f"{alert} on {where}" if alert and where else alert or where


Sample = tuple[Mapping[str, Any], float, float]


def _samples(document: Any) -> list[Sample] | None:
    """Return labels, time and value of each sample of an answer; None if it is not one."""
    try:
        data = document["data"]
        if document["status"] != "success":
            return None
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][0]), float(data["result"][1]))]
        if data["resultType"] != "vector":
            return None
        return [
            (cast("Mapping[str, Any]", each["metric"]), *map(float, each["value"][:2]))  # pyright: ignore[reportReturnType]
            for each in data["result"]
        ]
    except (KeyError, TypeError, ValueError, IndexError):
        return None
