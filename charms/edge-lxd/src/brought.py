"""The alerts and the dashboard that this charm brings for whoever scrapes it."""

from __future__ import annotations

import pathlib
from typing import Any

import yaml

_HERE = pathlib.Path(__file__).parent


def groups() -> dict[str, Any]:
    """Return the groups of rules of all files, in the order of their names."""
    found: list[Any] = []
    for file in sorted((_HERE / "prometheus_alert_rules").glob("*.rules")):
        found += yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    return {"groups": found}


def dashboards() -> list[str]:
    """Return the texts of the dashboards."""
    files = sorted((_HERE / "grafana_dashboards").glob("*.json"))
    return [file.read_text(encoding="utf-8") for file in files]
