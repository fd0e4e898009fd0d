"""Both ends of the published ``prometheus_remote_write`` interface, version 0.

Direction: the store (provider) says in each unit databag where samples are written to, and in its
application databag how it can read rules. Who writes (requirer) adds its alert rules. The
interface has no place for an authority or a password: the first goes by ``certificate_transfer``.
``remote_write`` and ``alert_rules`` are those of ``interfaces/prometheus_remote_write/v0`` in
``canonical/charm-relation-interfaces``, which allows nothing beside ``url``; how rules are packed,
and ``alert_rules_encodings``, are from the library of ``canonical/prometheus-k8s-operator``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ops

from edgecloud.interfaces import published

OPEN = "anybody"
"""The password in an address of ours, where there has to be one: it is no secret."""
ENCODINGS = ("lzma", "json")
_URL, _RULES, _ENCODINGS = "remote_write", "alert_rules", "alert_rules_encodings"


class RemoteWriteProvider:
    """The end of a store."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "receive-remote-write"):
        self._charm = charm
        self._endpoint = endpoint

    @property
    def related(self) -> bool:
        """Whether somebody wants to write."""
        return bool(self._charm.model.relations[self._endpoint])

    def writers(self) -> dict[str, tuple[str, ...]]:
        """Return who wants to write: application → addresses that its units write from."""
        return {
            relation.app.name: tuple(
                text
                for unit in sorted(relation.units, key=lambda each: each.name)
                for text in _egress(relation.data[unit])
            )
            for relation in self._charm.model.relations[self._endpoint]
        }

    def publish(self, url: str | Mapping[str, str]) -> bool:
        """Say where this unit takes samples. Return whether it is news.

        Args:
            url: for all, or application → its own; those without one are told of none.
        """
        app = {_ENCODINGS: published.written(list(ENCODINGS))}
        changes: list[bool] = []
        for relation in self._charm.model.relations[self._endpoint]:
            own = url if isinstance(url, str) else url.get(relation.app.name, "")
            # Without an address, nothing may stand there at all.
            unit = {_URL: published.written({"url": own}) if own else ""}
            changes.append(published.put(relation.data[self._charm.unit], unit))
            if self._charm.unit.is_leader():
                changes.append(published.put(relation.data[self._charm.app], app))
        return any(changes)

    def alert_rules(self) -> dict[str, Mapping[str, Any]]:
        """Return the alert rules of each application that has some."""
        found: dict[str, Mapping[str, Any]] = {}
        for relation in self._charm.model.relations[self._endpoint]:
            rules = published.rules(relation.data[relation.app].get(_RULES))
            if rules.get("groups"):
                found[relation.app.name] = rules
        return found


def _egress(bag: Mapping[str, str]) -> list[str]:
    """Return what Juju says a unit's traffic comes from."""
    named = bag.get("egress-subnets") or bag.get("ingress-address") or bag.get("private-address")
    return [text.strip() for text in (named or "").split(",") if text.strip()]


class RemoteWriteRequirer:
    """The end of who writes."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "send-remote-write"):
        self._charm = charm
        self._endpoint = endpoint

    def urls(self) -> list[str]:
        """Return where samples may be written, one address for each unit of each store."""
        found = {
            str(published.mapping(relation.data[unit].get(_URL)).get("url") or "")
            for relation in self._charm.model.relations[self._endpoint]
            for unit in relation.units
        }
        return sorted(found - {""})

    def publish(self, alert_rules: Mapping[str, Any]) -> bool:
        """Hand over alert rules, packed where the store says that it can read that. Leader only.

        Returns whether anything changed.
        """
        plain, changes = published.written(dict(alert_rules)), list[bool]()
        for relation in self._charm.model.relations[self._endpoint]:
            readable = published.texts(relation.data[relation.app].get(_ENCODINGS))
            text = published.pack(plain) if "lzma" in readable else plain
            changes.append(published.put(relation.data[self._charm.app], {_RULES: text}))
        return any(changes)
