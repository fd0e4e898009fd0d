"""Both ends of the published ``prometheus_remote_write`` interface, version 0.

Direction: the store (provider) says in each unit databag where samples are written to, and in its
application databag how it can read rules. Who writes (requirer) adds its alert rules. The
interface has no place for an authority or a password: the first goes by ``certificate_transfer``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ops

from edgecloud.interfaces import published

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

    def publish(self, url: str) -> bool:
        """Say where this unit takes samples. Return whether it is news."""
        unit = {_URL: published.written({"url": url})}
        app = {_ENCODINGS: published.written(list(ENCODINGS))}
        changes: list[bool] = []
        for relation in self._charm.model.relations[self._endpoint]:
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
