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
from collections.abc import Iterable, Mapping
from typing import Any, cast

from edgecloud import host as machines
from edgecloud.host import web
from edgecloud.interfaces import health_gate
from edgecloud.rollout import ledger, terms

Verdict = ledger.Verdict

TYPES = ("alerts", "promql")
ONE_S = 3
ALL_S = 9
FRESH_S = 120


class GateError(Exception):
    """The monitor could not be asked."""


def problems(gates: Iterable[terms.Gate], *, has_monitor: bool) -> list[str]:
    """Return the gates of a plan that nobody here could ever answer."""
    asked = list(gates)
    found = [
        f"gates.{gate.name}: type {gate.type} cannot be asked here; use {' or '.join(TYPES)}"
        for gate in asked
        if gate.type not in TYPES
    ]
    if asked and not has_monitor:
        found.append("gates: relate health-gate to a monitor first")
    return found


def ask(
    access: health_gate.Access | None, gates: Iterable[terms.Gate], now: int
) -> dict[str, Verdict]:
    """Return the verdict of each gate; what is not asked in time is an error."""
    verdicts, end = dict[str, Verdict](), time.monotonic() + ALL_S
    for gate in gates:
        verdicts[gate.name] = Verdict.ERROR
        if access is not None and time.monotonic() < end:
            try:
                verdicts[gate.name] = judge(gate, fetch(access, query(gate, access)), now)
            except GateError:
                continue
    return verdicts


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
