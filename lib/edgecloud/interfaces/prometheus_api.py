"""Both ends of ``prometheus_api``, version 0: where Prometheus' query language is spoken.

Direction: the store (provider) writes plain addresses to its application databag. There is no
place for an authority or a password; ``health_gate`` has both, for our own charms. Both keys are
those of the library ``prometheus_api`` that ``canonical/prometheus-k8s-operator`` publishes.
"""

from __future__ import annotations

import dataclasses

import ops

from edgecloud.interfaces import published

_DIRECT, _INGRESS = "direct_url", "ingress_url"


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
            if bag.get(_DIRECT, "").startswith(("http://", "https://")):
                return Api(bag[_DIRECT], bag.get(_INGRESS, ""))
        return None
