"""Every end that a site's monitor has with an observability stack elsewhere, in one place.

Samples and alerts go out, dashboards and rules with them; nothing here lets anybody in. The
published interfaces have no place for a password, so what asks for one is not offered over them.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import ops

from edgecloud.interfaces import (
    alertmanager_dispatch,
    certificate_transfer,
    grafana_dashboard,
    prometheus_remote_write,
)

REMOTE_WRITE = "send-remote-write"
ALERTMANAGER = "alertmanager"
AUTHORITIES = "receive-ca-cert"
DASHBOARDS = "grafana-dashboard"
ENDPOINTS = (REMOTE_WRITE, ALERTMANAGER, AUTHORITIES, DASHBOARDS)


def events(charm: ops.CharmBase, *endpoints: str) -> Iterator[ops.BoundEvent]:
    """Yield what tells of any change at these endpoints."""
    for endpoint in endpoints:
        relation = charm.on[endpoint]
        yield from (relation.relation_created, relation.relation_changed)
        yield from (relation.relation_departed, relation.relation_broken)


class ObservabilityStack:
    """What is elsewhere: stores, Alertmanagers, authorities, and a Grafana."""

    def __init__(self, charm: ops.CharmBase):
        self._charm = charm
        self._remote_write = prometheus_remote_write.RemoteWriteRequirer(charm, REMOTE_WRITE)
        self._alertmanager = alertmanager_dispatch.AlertmanagerRequirer(charm, ALERTMANAGER)
        self._authorities = certificate_transfer.CertificateTransferRequirer(charm, AUTHORITIES)
        self._dashboards = grafana_dashboard.DashboardProvider(charm, DASHBOARDS)

    def events(self) -> Iterator[ops.BoundEvent]:
        """Yield what tells of a change there."""
        yield from events(self._charm, *ENDPOINTS)

    @property
    def related(self) -> bool:
        """Whether any of it is there."""
        return any(self._charm.model.relations[endpoint] for endpoint in ENDPOINTS)

    def stores(self) -> tuple[str, ...]:
        """Return where samples are to go."""
        return tuple(_usable(self._remote_write.urls()))

    def alertmanagers(self) -> tuple[str, ...]:
        """Return where alerts are to go."""
        return tuple(_usable(self._alertmanager.urls()))

    def authorities(self) -> str:
        """Return the authorities to trust, as PEM; empty for those of the machine."""
        return "\n".join(self._authorities.certificates())

    def offer(self, *, rules: Mapping[str, Any], dashboards: Mapping[str, str]) -> bool:
        """Bring rules and dashboards along. Leader only. Return whether anything changed.

        Args:
            rules: name of the file → what it holds, ``{"groups": […]}``.
            dashboards: name of the file → its text.
        """
        changes = [
            self._authorities.announce(),
            self._remote_write.publish({"groups": list(self._groups(rules))}),
            self._dashboards.publish(dashboards) if self._shows else False,
        ]
        return any(changes)

    @property
    def _shows(self) -> bool:
        """Whether packing dashboards is worth its time."""
        return bool(self._charm.model.relations[DASHBOARDS])

    def _groups(self, rules: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the groups of all files, under names that no other site's have."""
        prefix = f"{self._charm.model.name}_{self._charm.model.uuid}_{self._charm.app.name}"
        for _, document in sorted(rules.items()):
            for group in cast("list[dict[str, Any]]", document["groups"]):
                yield {**group, "name": f"{prefix}_{group['name']}_alerts"}


def _usable(addresses: Iterable[str]) -> Iterator[str]:
    """Yield what is an address without a password in it, but for one that is no secret."""
    for address in addresses:
        try:
            parts = urllib.parse.urlsplit(address)
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and parts.hostname and _is_plain(parts):
            yield address


def _is_plain(parts: urllib.parse.SplitResult) -> bool:
    return parts.username is None or parts.password == prometheus_remote_write.OPEN
