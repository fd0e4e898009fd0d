"""Write the dashboards of charms as Grafana reads them, or check that they are current.

Usage: ``python tools/dashboards.py [--check]``. What they show: each charm's folder dashboards.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = "src/grafana_dashboards"
"""Of a charm."""
SOURCE = {"type": "prometheus", "uid": "${prometheusds}"}
"""A name that the observability charms replace by the data source that is there."""
COLUMNS = 24
_SCHEMA = 39


@dataclass(frozen=True)
class Query:
    """One question, and what its series are called."""

    expr: str
    legend: str = "{{node}}"


@dataclass(frozen=True)
class Panel:
    """One picture."""

    title: str
    kind: str
    """Grafana's name of a panel: timeseries, stat, table, state-timeline."""
    queries: tuple[Query, ...]
    description: str = ""
    width: int = 12
    height: int = 8
    unit: str = "short"
    steps: tuple[tuple[float | None, str], ...] = ((None, "green"),)
    """From which value on a colour stands; the first from below all."""
    texts: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, "tuple[str, str]"])
    """Value → text and colour."""
    smallest: float | None = None
    columns: tuple[str, ...] = ()
    """Of a table: names of the columns that its queries fill, in their order."""
    labels: tuple[str, ...] = ("node",)
    """Of a table: which labels are columns too."""


@dataclass(frozen=True)
class Dashboard:
    """One page."""

    file: str
    title: str
    description: str
    version: int
    panels: tuple[Panel, ...]
    charm: str
    variables: tuple[str, ...] = ("site",)
    every: str = "6h"
    measured: str = "node_boot_time_seconds"
    """A metric that each has of what there is to choose from."""


def sources() -> list[pathlib.Path]:
    """Return the files that describe a dashboard, of all charms."""
    return sorted((ROOT / "charms").glob("*/dashboards/*.yaml"))


def read(path: pathlib.Path) -> Dashboard:
    """Return the dashboard that a file describes."""
    raw = cast("dict[str, Any]", yaml.safe_load(path.read_text(encoding="utf-8")))
    panels = tuple(_read_panel(panel) for panel in raw.pop("panels"))
    variables = tuple(raw.pop("variables"))
    charm = path.parents[1].name
    return Dashboard(f"{path.stem}.json", panels=panels, charm=charm, variables=variables, **raw)


def _read_panel(raw: dict[str, Any]) -> Panel:
    columns = cast("dict[str, str]", raw.pop("columns", {}))
    lines = cast("dict[str, str]", raw.pop("lines", {}))
    queries = [Query(expr) for expr in columns.values()]
    queries += [Query(expr, legend) for legend, expr in lines.items()]
    for name in ("steps", "labels"):
        if name in raw:
            raw[name] = tuple(raw[name])
    return Panel(queries=tuple(queries), columns=tuple(columns), **raw)


def written(dashboard: Dashboard) -> str:
    """Return the text of a dashboard."""
    placed = zip(dashboard.panels, place(dashboard.panels), strict=True)
    document = {
        "uid": hashlib.sha1(f"{dashboard.charm}/{dashboard.file}".encode()).hexdigest(),
        "title": dashboard.title,
        "description": dashboard.description,
        "version": dashboard.version,
        "schemaVersion": _SCHEMA,
        "tags": ["edge"],
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": f"now-{dashboard.every}", "to": "now"},
        "templating": {"list": [_source_variable(), *_variables(dashboard)]},
        "annotations": {"list": [_annotation()] if _SITE in dashboard.variables else []},
        "panels": [
            _panel(number, panel, spot) for number, (panel, spot) in enumerate(placed, start=1)
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def place(panels: Iterable[Panel]) -> list[dict[str, int]]:
    """Return where each panel stands: from left to right, then in the next row."""
    x = y = tallest = 0
    places: list[dict[str, int]] = []
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        places.append({"x": x, "y": y, "w": panel.width, "h": panel.height})
        x, tallest = x + panel.width, max(tallest, panel.height)
    return places


def _source_variable() -> dict[str, Any]:
    return {
        "name": "prometheusds",
        "label": "Prometheus datasource",
        "type": "datasource",
        "query": "prometheus",
        "hide": 0,
        "refresh": 1,
        "includeAll": False,
        "multi": False,
    }


_SITE = "site"


def _variables(dashboard: Dashboard) -> list[dict[str, Any]]:
    """Return what there is to choose from; nodes are those of the sites that are chosen."""
    metric, names = dashboard.measured, dashboard.variables
    within = f'{metric}{{site=~"$site"}}' if _SITE in names else metric
    return [_variable(name, metric if name == _SITE else within) for name in names]


def _variable(name: str, of: str) -> dict[str, Any]:
    query = f"label_values({of}, {name})"
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _annotation() -> dict[str, Any]:
    return {
        "name": "A node changes its state of upgrade",
        "datasource": SOURCE,
        "enable": True,
        "expr": 'changes(upgrade_node_state{site=~"$site", state="disrupted"}[2m]) > 0',
        "iconColor": "purple",
        "titleFormat": "{{node}}",
        "textFormat": "begins or ends to be disturbed",
        "step": "60s",
    }


def _panel(number: int, panel: Panel, spot: Mapping[str, int]) -> dict[str, Any]:
    table = panel.kind == "table"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": dict(spot),
        "targets": [_target(index, query, table) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS.get(panel.kind, {}),
        "transformations": _columns(panel) if table else [],
    }


_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background"},
    "timeseries": {"legend": {"displayMode": "list", "placement": "bottom"}},
    "table": {"showHeader": True, "cellHeight": "sm"},
    "state-timeline": {"mergeValues": True, "showValue": "auto", "rowHeight": 0.8},
}


def _target(index: int, query: Query, table: bool) -> dict[str, Any]:
    return {
        "refId": chr(ord("A") + index),
        "datasource": SOURCE,
        "expr": " ".join(query.expr.split()),
        "legendFormat": query.legend,
        "instant": table,
        "range": not table,
        "format": "table" if table else "time_series",
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "color": {"mode": "thresholds" if len(panel.steps) > 1 else "palette-classic"},
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": color} for value, color in panel.steps],
        },
        "mappings": [
            {"type": "value", "options": {value: {"text": text, "color": color}}}
            for value, (text, color) in panel.texts.items()
        ],
    }
    if panel.smallest is not None:
        defaults["min"] = panel.smallest
    if panel.kind == "timeseries":
        defaults["color"] = {"mode": "palette-classic"}
        lines = "line" if len(panel.steps) > 1 else "off"
        defaults["custom"] = {"fillOpacity": 8, "thresholdsStyle": {"mode": lines}}
    return defaults


def _columns(panel: Panel) -> list[dict[str, Any]]:
    """Return how the answers to a table's queries become its columns."""
    names = {f"Value #{chr(ord('A') + n)}": name for n, name in enumerate(panel.columns)}
    only = "Value" if len(panel.queries) == 1 else ""
    renamed = {only: panel.columns[0]} if only and panel.columns else names
    shown = [*panel.labels, *renamed]
    return [
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": {"names": shown}}},
        {
            "id": "organize",
            "options": {
                "indexByName": {name: index for index, name in enumerate(shown)},
                "renameByName": renamed,
            },
        },
    ]


def main(arguments: Sequence[str]) -> int:
    """Write every dashboard; with ``--check`` only say which are not current."""
    stale: list[str] = []
    for shown in sources():
        dashboard = read(shown)
        path = shown.parents[1] / FOLDER / dashboard.file
        text = written(dashboard)
        if "--check" not in arguments:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(f"{path.relative_to(ROOT)} is not current: run `tox run -e format`")
    print("\n".join(stale), end="\n" if stale else "")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
