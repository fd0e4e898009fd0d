"""Both ends of ``prometheus_api``, version 0: where Prometheus' query language is spoken.

Direction: the store (provider) writes plain addresses to its application databag. There is no
place for an authority or a password; ``health_gate`` has both, for our own charms. Both keys, and
that their values are plain text, are those of the library ``prometheus_api``, version 0.2, of
``canonical/mimir-coordinator-k8s-operator``, which lies in ``canonical/prometheus-k8s-operator``
as well. Version 0.1 said ``internal_url`` for the first.
"""

from __future__ import annotations

import dataclasses

import ops

from edgecloud.interfaces import published

_DIRECT, _INGRESS, _FORMER = "direct_url", "ingress_url", "internal_url"


@dataclasses.dataclass(frozen=True)
class Api:
    """Where a store can be asked."""

    direct_url: str
    ingress_url: str = ""


class PrometheusApiProvider:
    """The end of a store."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "prometheus-api"):
        self._charm = charm
        self._endpoint = endpoint

    @property
    def related(self) -> bool:
        """Whether somebody wants to ask."""
        return bool(self._charm.model.relations[self._endpoint])

    def publish(self, api: Api) -> bool:
        """Say where this store can be asked, or with no address that it cannot. Leader only.

        Returns whether it is news.
        """
        said = {_DIRECT: api.direct_url, _INGRESS: api.ingress_url}
        changes = [
            published.put(relation.data[self._charm.app], said)
            for relation in self._charm.model.relations[self._endpoint]
        ]
        return any(changes)


class PrometheusApiRequirer:
    """The end of who asks."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "prometheus-api"):
        self._charm = charm
        self._endpoint = endpoint

    def api(self) -> Api | None:
        """Return where to ask; None while no store said so."""
        for relation in self._charm.model.relations[self._endpoint]:
            bag = relation.data[relation.app]
            direct = bag.get(_DIRECT) or bag.get(_FORMER, "")
            if direct.startswith(("http://", "https://")):
                return Api(direct, bag.get(_INGRESS, ""))
        return None
