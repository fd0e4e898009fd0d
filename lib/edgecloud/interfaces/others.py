"""Every end that a site's monitor has with charms of others near it: who signs, is scraped, asks.

What goes to an observability stack elsewhere is in :mod:`edgecloud.interfaces.stack`.

To ask, the published interfaces have no place for a password. So an address is written only where
an operator has said that nobody needs one; otherwise nothing is, and that can be told.
"""

from __future__ import annotations

from collections.abc import Iterator

import ops

from edgecloud.interfaces import (
    certificate_transfer,
    grafana_datasource,
    prometheus_api,
    prometheus_remote_write,
    prometheus_scrape,
    stack,
    tls_certificates,
)

GRAFANA = "grafana-source"
API = "prometheus-api"
AUTHORITY = "send-ca-cert"
SIGNER = "certificates"
GUESTS = "metrics-endpoint"
WRITERS = "receive-remote-write"
ENDPOINTS = (GRAFANA, API, AUTHORITY, SIGNER, GUESTS, WRITERS)


class Others:
    """Charms of others."""

    def __init__(self, charm: ops.CharmBase):
        self._charm = charm
        self._grafana = grafana_datasource.DatasourceProvider(charm, GRAFANA)
        self._api = prometheus_api.PrometheusApiProvider(charm, API)
        self.signer = tls_certificates.CertificateRequirer(charm, SIGNER)
        self.guests = prometheus_scrape.MetricsConsumer(charm, GUESTS)
        self.writers = prometheus_remote_write.RemoteWriteProvider(charm, WRITERS)
        self._authority = certificate_transfer.CertificateTransferProvider(charm, AUTHORITY)

    def events(self) -> Iterator[ops.BoundEvent]:
        """Yield what tells of a change there."""
        yield from stack.events(self._charm, *ENDPOINTS)

    @property
    def asking(self) -> tuple[str, ...]:
        """The endpoints where somebody wants to ask."""
        wanted = ((GRAFANA, self._grafana.related), (API, self._api.related))
        return tuple(endpoint for endpoint, related in wanted if related)

    def receive(self, url: str, *, authority: str, interval_s: int) -> bool:
        """Say where questions are answered, or with no address that they are not.

        Args:
            url: with all that whoever asks needs.
            authority: whom to trust there, as PEM.
            interval_s: between two samples.

        Returns:
            Whether anything changed.
        """
        leads = self._charm.unit.is_leader()
        changes = [
            self._grafana.publish(
                url, extra_fields={"timeInterval": f"{interval_s}s"}, authority=authority
            )
            if url
            else self._grafana.withdraw(),
            self._api.publish(prometheus_api.Api(url)) if leads else False,
            self._authority.publish([authority]) if leads and authority else False,
        ]
        return any(changes)
