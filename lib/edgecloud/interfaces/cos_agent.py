"""The provider's end of the published ``cos_agent`` interface, version 0.

Direction: the unit writes one key, ``config``, in its unit databag: scrape jobs, alert rules, and
dashboards packed as ``base64(lzma(json))``. The agent beside it (opentelemetry-collector, or
grafana-agent until its end) scrapes and forwards. Layout and names are those of the published
specification; the library that Canonical ships for it needs compiled packages, so this is our own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import ops

from edgecloud.interfaces import published

_KEY = "config"


@dataclasses.dataclass(frozen=True)
class ScrapeJob:
    """One target on this machine, for an agent that runs on it too."""

    name: str
    port: int
    host: str = "localhost"
    """Where the target listens, if not everywhere on this machine."""
    path: str = "/metrics"
    scheme: str = "http"
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    tls: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    """Prometheus' ``tls_config``."""
    authorization: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    """Prometheus' ``authorization``; name a file, never a token."""
    drop_series: Sequence[str] = ()
    """Regular expressions of metric names that are not worth a small site's disk."""

    def as_prometheus(self) -> dict[str, Any]:
        """Return the job as a Prometheus scrape configuration."""
        job: dict[str, Any] = {
            "job_name": self.name,
            "metrics_path": self.path,
            "scheme": self.scheme,
            "static_configs": [
                {"targets": [f"{self.host}:{self.port}"], "labels": dict(self.labels)}
            ],
        }
        if self.tls:
            job["tls_config"] = dict(self.tls)
        if self.authorization:
            job["authorization"] = dict(self.authorization)
        if self.drop_series:
            job["metric_relabel_configs"] = [
                {"source_labels": ["__name__"], "regex": regex, "action": "drop"}
                for regex in self.drop_series
            ]
        return job


class CosAgentProvider:
    """What a principal offers to the observability agent beside it."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "cos-agent"):
        self._charm = charm
        self._endpoint = endpoint

    @property
    def related(self) -> bool:
        """Whether an agent is there."""
        return bool(self._charm.model.relations[self._endpoint])

    def publish(
        self,
        *,
        jobs: Sequence[ScrapeJob],
        alert_rules: Mapping[str, Any],
        dashboards: Sequence[str],
    ) -> bool:
        """Offer jobs, alert rules (groups by file) and dashboards (JSON texts).

        Returns whether anything changed.
        """
        text = json.dumps(
            {
                "metrics_alert_rules": dict(alert_rules),
                "log_alert_rules": {},
                "dashboards": [pack(dashboard) for dashboard in dashboards],
                "metrics_scrape_jobs": [job.as_prometheus() for job in jobs],
                "log_slots": [],
            },
            sort_keys=True,
        )
        changed = False
        for relation in self._charm.model.relations[self._endpoint]:
            bag = relation.data[self._charm.unit]
            if bag.get(_KEY) != text:
                bag[_KEY] = text
                changed = True
        return changed


pack, unpack = published.pack, published.unpack
"""A dashboard as the interface carries it, and back."""


@dataclasses.dataclass(frozen=True)
class Published:
    """What one unit offers to whoever scrapes it, as it wrote it."""

    unit: str
    application: str
    address: str
    jobs: Any
    """Prometheus scrape configurations, unchecked."""


class CosAgentConsumer:
    """The other end, for one who scrapes over the site's network instead of beside the unit."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "cos-agent"):
        self._charm = charm
        self._endpoint = endpoint

    def published(self) -> list[Published]:
        """Return what each unit that Juju knows offers, in the order of their names."""
        found: list[Published] = []
        for relation in self._charm.model.relations[self._endpoint]:
            for unit in relation.units:
                bag = relation.data[unit]
                address = bag.get("ingress-address") or bag.get("private-address") or ""
                found.append(Published(unit.name, unit.app.name, address, _jobs(bag.get(_KEY))))
        return sorted(found, key=lambda each: each.unit)


def _jobs(text: str | None) -> Any:
    try:
        document: Any = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    return document.get("metrics_scrape_jobs") if isinstance(document, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
