"""Both ends of the ``grafana_dashboard`` interface, as Grafana's charm speaks it.

Direction: the charm that has dashboards (provider) writes one key, ``dashboards``, in its
application databag: templates by name, each packed as ``base64(lzma(JSON))``. Grafana (requirer)
may answer whether they are valid.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any, cast

import ops

from edgecloud.interfaces import published

_KEY, _ANSWER = "dashboards", "event"


class DashboardProvider:
    """The end of a charm with dashboards."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "grafana-dashboard"):
        self._charm = charm
        self._endpoint = endpoint

    def publish(self, dashboards: Mapping[str, str]) -> bool:
        """Offer dashboards: name of the file → JSON text. Leader only. Return whether it is news.

        The published library gives every writing a new random id, which wakes Grafana each time;
        ours is made from the content.
        """
        topology = published.topology(self._charm)
        charm_name = topology.pop("charm_name")
        templates = {
            f"file:{name}": {
                "charm": charm_name,
                "content": published.pack(text),
                "juju_topology": topology,
                "inject_dropdowns": True,
                "dashboard_alt_uid": alternative_uid(charm_name, name),
            }
            for name, text in sorted(dashboards.items())
        }
        number = uuid.uuid5(uuid.NAMESPACE_OID, published.written(templates))
        said = {_KEY: published.written({"templates": templates, "uuid": str(number)})}
        changes = [
            published.put(relation.data[self._charm.app], said)
            for relation in self._charm.model.relations[self._endpoint]
        ]
        return any(changes)

    def complaints(self) -> list[str]:
        """Return what Grafana says is wrong with dashboards."""
        found: list[str] = []
        for relation in self._charm.model.relations[self._endpoint]:
            errors = published.mapping(relation.data[relation.app].get(_ANSWER)).get("errors", ())
            found += [str(error) for error in cast("list[Any]", errors or [])]
        return found


class DashboardConsumer:
    """The end of whoever shows dashboards."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "grafana-dashboard"):
        self._charm = charm
        self._endpoint = endpoint

    def dashboards(self) -> dict[str, str]:
        """Return the JSON text of each dashboard; what cannot be unpacked is left out."""
        found: dict[str, str] = {}
        for relation in self._charm.model.relations[self._endpoint]:
            said = published.mapping(relation.data[relation.app].get(_KEY))
            templates = cast("Mapping[str, Any]", said.get("templates") or {})
            for name, template in templates.items():
                text = _unpacked(template)
                if text is not None:
                    found[f"{relation.app.name}/{name}"] = text
        return found


def _unpacked(template: Any) -> str | None:
    try:
        return published.unpack(template["content"])
    except (ValueError, KeyError, TypeError):
        return None


def alternative_uid(charm: str, name: str) -> str:
    """Return the id that a dashboard has where its own is taken."""
    return hashlib.shake_256(f"{charm}/{name}".encode()).hexdigest(8)
