"""Both ends of the published ``prometheus_scrape`` interface, version 0.

Direction: the target (provider) says in its unit databag where it is, and in its application
databag what is scraped there, with which alert rules. Whoever scrapes (requirer) writes nothing.
Names, and who puts topology where, are those of ``interfaces/prometheus_scrape/v0`` in
``canonical/charm-relation-interfaces``; that the labels of series have ``juju_charm`` besides is
from the library of ``canonical/prometheus-k8s-operator``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import ops

from edgecloud.interfaces import published

_ADDRESS = "prometheus_scrape_unit_address"
_NAME = "prometheus_scrape_unit_name"
_PATH = "prometheus_scrape_unit_path"


@dataclasses.dataclass(frozen=True)
class Target:
    """One unit that is to be scraped."""

    unit: str
    address: str
    jobs: tuple[Mapping[str, Any], ...]
    """Scrape configurations of Prometheus, their wildcards replaced, labels of the unit added."""
    known_as: str = ""
    """What Juju calls it here. The other name is its own word, and another one across models."""
    application: str = ""
    """Likewise."""


class MetricsProvider:
    """The end of what is scraped."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "metrics-endpoint"):
        self._charm = charm
        self._endpoint = endpoint

    def publish(
        self,
        *,
        address: str,
        jobs: Sequence[Mapping[str, Any]],
        alert_rules: Mapping[str, Any] | None = None,
        path: str = "",
    ) -> bool:
        """Say where this unit is; the leader also says what is scraped. Return whether it is news.

        Args:
            address: of this unit.
            jobs: scrape configurations; the target ``*:PORT`` means every unit.
            alert_rules: ``{"groups": […]}`` as in a file of rules.
            path: prefix of the metrics' paths, where a proxy stands before this unit.
        """
        unit = {_ADDRESS: address, _NAME: self._charm.unit.name, _PATH: path}
        app = {
            "alert_rules": published.written(dict(alert_rules or {})),
            "scrape_jobs": published.written([dict(job) for job in jobs]),
            "scrape_metadata": published.written(published.topology(self._charm)),
        }
        changes: list[bool] = []
        for relation in self._charm.model.relations[self._endpoint]:
            changes.append(published.put(relation.data[self._charm.unit], unit))
            if self._charm.unit.is_leader():
                changes.append(published.put(relation.data[self._charm.app], app))
        return any(changes)


class MetricsConsumer:
    """The end of who scrapes."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "metrics-endpoint"):
        self._charm = charm
        self._endpoint = endpoint

    def targets(self) -> list[Target]:
        """Return every unit that said where it is."""
        found = [
            target
            for relation in self._charm.model.relations[self._endpoint]
            for target in _targets(relation)
        ]
        return sorted(found, key=lambda target: target.unit)

    def alert_rules(self) -> dict[str, Mapping[str, Any]]:
        """Return the alert rules of each application that has some."""
        found: dict[str, Mapping[str, Any]] = {}
        for relation in self._charm.model.relations[self._endpoint]:
            rules = published.rules(relation.data[relation.app].get("alert_rules"))
            if rules.get("groups"):
                found[relation.app.name] = rules
        return found

    def called(self, application: str) -> dict[str, str]:
        """Return the labels by which an application speaks of itself in its rules."""
        for relation in self._charm.model.relations[self._endpoint]:
            if relation.app.name == application:
                return published.labels(
                    published.mapping(relation.data[relation.app].get("scrape_metadata"))
                )
        return {}


def _targets(relation: ops.Relation) -> Iterator[Target]:
    said = relation.data[relation.app]
    jobs = published.mappings(said.get("scrape_jobs"))
    metadata = published.mapping(said.get("scrape_metadata"))
    for unit in relation.units:
        bag = relation.data[unit]
        address = bag.get(_ADDRESS, "")
        if address:
            name, prefix = bag.get(_NAME, unit.name), bag.get(_PATH, "")
            labels = published.labels(metadata, name)
            shown = tuple(_job(job, address, prefix, labels) for job in jobs)
            usable = tuple(job for job in shown if job["static_configs"])
            yield Target(name, address, usable, unit.name, relation.app.name)


def _job(
    job: Mapping[str, Any], address: str, prefix: str, labels: Mapping[str, str]
) -> dict[str, Any]:
    path = str(job.get("metrics_path") or "/metrics")
    return {
        **job,
        "metrics_path": f"{prefix.rstrip('/')}{path}",
        "static_configs": list(_statics(job.get("static_configs"), address, labels)),
    }


def _statics(raw: object, address: str, labels: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for entry in cast("list[Any]", raw) if isinstance(raw, list) else []:
        static = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        targets, own = static.get("targets"), static.get("labels")
        if isinstance(targets, list):
            yield {
                "targets": [_here(target, address) for target in cast("list[Any]", targets)],
                "labels": {
                    **(cast("dict[str, str]", own) if isinstance(own, dict) else {}),
                    **labels,
                },
            }


def _here(target: Any, address: str) -> str:
    host, _, port = str(target).rpartition(":")
    return f"{address}:{port}" if host == "*" else str(target)
