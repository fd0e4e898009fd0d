"""Both ends of the published ``certificate_transfer`` interface: authorities to trust.

Direction: who knows an authority (provider) writes it to its application databag. A requirer says
in its application databag that it speaks version 1; to one that does not, the unit databag of
version 0 is written too, and such a one is read as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import ops

from edgecloud.interfaces import published

VERSION = 1


class CertificateTransferProvider:
    """The end of who knows an authority."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "send-ca-cert"):
        self._charm = charm
        self._endpoint = endpoint

    def publish(self, certificates: Iterable[str]) -> bool:
        """Hand over certificates, as PEM. Leader only. Return whether anything changed."""
        known = sorted({certificate.strip() for certificate in certificates} - {""})
        app = {
            "certificates": published.written(known),
            "version": published.written(VERSION),
        }
        changes: list[bool] = []
        for relation in self._charm.model.relations[self._endpoint]:
            changes.append(published.put(relation.data[self._charm.app], app))
            if relation.data[relation.app].get("version") != str(VERSION):
                old = _version_0(known)
                changes.append(published.put(relation.data[self._charm.unit], old))
        return any(changes)


class CertificateTransferRequirer:
    """The end of who has to trust."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "receive-ca-cert"):
        self._charm = charm
        self._endpoint = endpoint

    def announce(self) -> bool:
        """Say which version is spoken here. Leader only. Return whether it is news."""
        said = {"version": published.written(VERSION)}
        changes = [
            published.put(relation.data[self._charm.app], said)
            for relation in self._charm.model.relations[self._endpoint]
        ]
        return any(changes)

    def certificates(self) -> list[str]:
        """Return every certificate to trust, as PEM, each once."""
        found = {
            certificate.strip()
            for relation in self._charm.model.relations[self._endpoint]
            for certificate in _received(relation)
        }
        return sorted(found - {""})


def _received(relation: ops.Relation) -> Iterator[str]:
    said = relation.data[relation.app]
    if said.get("version") == str(VERSION):
        yield from published.texts(said.get("certificates"))
        return
    for unit in relation.units:
        bag = relation.data[unit]
        chain = published.texts(bag.get("chain"))
        # Version 0 was written both as JSON and as plain text.
        yield from chain or [bag.get("ca", "").strip('"').replace("\\n", "\n")]


def _version_0(certificates: list[str]) -> Mapping[str, str]:
    if not certificates:
        return dict.fromkeys(("ca", "certificate", "chain", "version"), "")
    first = published.written(certificates[0])
    chain = published.written(certificates)
    return {"ca": first, "certificate": first, "chain": chain, "version": "0"}
