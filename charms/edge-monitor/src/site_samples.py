"""Read what a store answers, now and over the last hours."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

Ask = Callable[[str], Any]
"""Takes a path with its query, returns a document. Raises OSError or ValueError."""

HISTORY_S = 6 * 3600
HISTORY_STEP_S = 600


def vector(ask: Ask, query: str, now: float) -> Iterable[tuple[Mapping[str, str], float]]:
    """Yield labels and value of each sample that there is now."""
    asked = urllib.parse.urlencode({"query": query, "time": now})
    document = ask(f"/api/v1/query?{asked}")
    if document["status"] != "success":
        raise ValueError(document.get("error", "it refused a query"))
    for sample in document["data"]["result"]:
        yield cast("Mapping[str, str]", sample["metric"]), float(sample["value"][1])


def history(
    ask: Ask, query: str, now: float
) -> Iterable[tuple[Mapping[str, str], list[tuple[float, float]]]]:
    """Yield labels, and time and value of each sample of the last hours, the newest last."""
    asked = {"query": query, "start": now - HISTORY_S, "end": now, "step": f"{HISTORY_STEP_S}s"}
    document = ask(f"/api/v1/query_range?{urllib.parse.urlencode(asked)}")
    for series in document["data"]["result"]:
        samples = [(float(at), float(value)) for at, value in series["values"]]
        yield cast("Mapping[str, str]", series["metric"]), samples
