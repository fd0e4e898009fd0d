"""What an observability agent beside this unit is offered: the machine's metrics, rules for them.

The rules and the dashboard are those of the site's monitor, as far as they are about one machine.
"""

from __future__ import annotations

import pathlib
from typing import Any

from edgecloud.interfaces import cos_agent
from edgecloud.telemetry import exporter

_HERE = pathlib.Path(__file__).parent


def offer(end: cos_agent.CosAgentProvider, node: str, role: str, prefix: str) -> None:
    """Point an agent at this machine's metrics, and hand it what to make of them."""
    end.publish(jobs=jobs(node, role), alert_rules=rules(prefix), dashboards=dashboards())


def jobs(node: str, role: str) -> list[cos_agent.ScrapeJob]:
    """Return what is scraped: one page with all that this machine tells of itself."""
    labels = {"node": node, **({"role": role} if role else {})}
    # It listens on this address alone; an agent that is not on this machine gets nothing.
    return [cos_agent.ScrapeJob("node", exporter.PORT, host="127.0.0.1", labels=labels)]


def rules(prefix: str) -> dict[str, Any]:
    """Return the groups of alert rules, under names that no other application's have."""
    import yaml  # Only who hands them on pays for it.

    files = sorted((_HERE / "prometheus_alert_rules").glob("*.rules"))
    read = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
    groups = [group for document in read for group in document["groups"]]
    return {"groups": [{**each, "name": f"{prefix}_{each['name']}_alerts"} for each in groups]}


def dashboards() -> list[str]:
    """Return the texts of the dashboards."""
    files = sorted((_HERE / "grafana_dashboards").glob("*.json"))
    return [file.read_text(encoding="utf-8") for file in files]
