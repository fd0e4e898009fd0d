"""Both ends of the ``alertmanager_dispatch`` interface, as Alertmanager's charm speaks it.

Direction: each unit of Alertmanager (provider) says in its databag where it takes alerts. Version
1 is one address; the two keys of version 0 are written too, and read where there is no other. All
three are those of the library ``alertmanager_dispatch``, version 1, of
``canonical/alertmanager-k8s-operator``.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping

import ops

from edgecloud.interfaces import published

_URL, _ADDRESS, _SCHEME = "url", "public_address", "scheme"


class AlertmanagerProvider:
    """The end of an Alertmanager."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "alerting"):
        self._charm = charm
        self._endpoint = endpoint

    def publish(self, url: str) -> bool:
        """Say where this unit takes alerts. Return whether it is news."""
        parts = urllib.parse.urlsplit(url)
        said = {_URL: url, _ADDRESS: f"{parts.netloc}{parts.path}", _SCHEME: parts.scheme}
        changes = [
            published.put(relation.data[self._charm.unit], said)
            for relation in self._charm.model.relations[self._endpoint]
        ]
        return any(changes)


class AlertmanagerRequirer:
    """The end of whoever raises alerts."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "alertmanager"):
        self._charm = charm
        self._endpoint = endpoint

    def urls(self) -> list[str]:
        """Return where alerts may be sent, one address for each unit."""
        found = {
            _address(relation.data[unit])
            for relation in self._charm.model.relations[self._endpoint]
            for unit in relation.units
        }
        return sorted(found - {""})


def _address(bag: Mapping[str, str]) -> str:
    if bag.get(_URL):
        return bag[_URL]
    return f"{bag.get(_SCHEME) or 'http'}://{bag[_ADDRESS]}" if bag.get(_ADDRESS) else ""
