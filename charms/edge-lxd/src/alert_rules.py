"""The alerts that this charm brings for whoever scrapes it."""

from __future__ import annotations

import pathlib
from typing import Any

import yaml

_SHIPPED = pathlib.Path(__file__).parent / "prometheus_alert_rules"


def groups() -> dict[str, Any]:
    """Return the groups of rules of all files, in the order of their names."""
    found: list[Any] = []
    for file in sorted(_SHIPPED.glob("*.rules")):
        found += yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    return {"groups": found}
