"""The store's end of the published ``grafana_datasource`` interface, version 0.

Direction: the store (provider) says in its application databag what it is, and in its unit databag
where. Grafana (requirer) answers with the ids under which it knows each unit. Names and rules are
those of ``interfaces/grafana_datasource/v0`` in ``canonical/charm-relation-interfaces``; that the
further fields become Grafana's ``jsonData`` and ``secureJsonData`` is from the charm in
``canonical/grafana-k8s-operator``, and their names are from Grafana's page on provisioning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ops

from edgecloud.interfaces import published


class DatasourceProvider:
    """The end of a store."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "grafana-source"):
        self._charm = charm
        self._endpoint = endpoint

    @property
    def related(self) -> bool:
        """Whether there is a Grafana."""
        return bool(self._charm.model.relations[self._endpoint])

    def withdraw(self) -> bool:
        """Say that this unit cannot be asked. Return whether it is news."""
        changes: list[bool] = []
        for relation in self._charm.model.relations[self._endpoint]:
            bag = relation.data[self._charm.unit]
            changes.append(published.put(bag, {"grafana_source_host": ""}))
        return any(changes)

    def publish(
        self,
        url: str,
        *,
        kind: str = "prometheus",
        extra_fields: Mapping[str, Any] | None = None,
        authority: str = "",
    ) -> bool:
        """Say where this unit can be asked; the leader also says what it is. Return if it is news.

        Args:
            url: with scheme; Grafana asks it from where it is.
            kind: Grafana's name for this kind of source.
            extra_fields: Grafana's ``jsonData``. Never a password: everybody may read it.
            authority: whom Grafana has to trust for that, as PEM. It is no secret, though it goes
                where Grafana wants it, among the secure fields.
        """
        extra = {**(extra_fields or {}), **({"tlsAuthWithCACert": True} if authority else {})}
        topology = published.topology(self._charm)
        source = {
            "model": topology["model"],
            "model_uuid": topology["model_uuid"],
            "application": topology["application"],
            "type": kind,
            "extra_fields": extra or None,
            "secure_extra_fields": {"tlsCACert": authority} if authority else None,
        }
        changes: list[bool] = []
        for relation in self._charm.model.relations[self._endpoint]:
            unit = {"grafana_source_host": url}
            changes.append(published.put(relation.data[self._charm.unit], unit))
            if self._charm.unit.is_leader():
                app = {"grafana_source_data": published.written(source)}
                changes.append(published.put(relation.data[self._charm.app], app))
        return any(changes)

    def uids(self) -> dict[str, str]:
        """Return the id under which a Grafana knows each unit."""
        found: dict[str, str] = {}
        for relation in self._charm.model.relations[self._endpoint]:
            said = published.mapping(relation.data[relation.app].get("datasource_uids"))
            found.update({unit: uid for unit, uid in said.items() if isinstance(uid, str)})
        return found
