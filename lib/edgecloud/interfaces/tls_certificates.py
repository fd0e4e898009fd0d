"""The requirer's end of the published ``tls-certificates`` interface, version 1.

Direction: a unit (requirer) writes signing requests to its databag; the authority (provider)
answers in its application databag with certificate, authority and chain for each. The private key
stays on the machine that made it: neither this module nor any databag ever sees it. Names and
rules are those of ``interfaces/tls_certificates/v1`` in ``canonical/charm-relation-interfaces``;
that an answer may say ``revoked`` is from the library of ``canonical/tls-certificates-interface``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, cast

import ops

from edgecloud.interfaces import published

_ASKED, _ISSUED = "certificate_signing_requests", "certificates"


@dataclasses.dataclass(frozen=True)
class Issued:
    """A certificate that an authority gave for a request; everything as PEM."""

    certificate: str
    ca: str
    chain: tuple[str, ...] = ()


class CertificateRequirer:
    """The end of a unit that wants a certificate."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "certificates"):
        self._charm = charm
        self._endpoint = endpoint

    @property
    def related(self) -> bool:
        """Whether there is an authority."""
        return bool(self._charm.model.relations[self._endpoint])

    def request(self, signing_request: str) -> bool:
        """Ask for a certificate, in place of whatever was asked before. Return if it is news."""
        asked = [{"certificate_signing_request": signing_request.strip(), "ca": False}]
        changes = [
            published.put(relation.data[self._charm.unit], {_ASKED: published.written(asked)})
            for relation in self._charm.model.relations[self._endpoint]
        ]
        return any(changes)

    def issued(self, signing_request: str) -> Issued | None:
        """Return what was given for a request; None while nothing was, or if it was revoked."""
        for entry in self._answers(signing_request):
            return None if entry.get("revoked") else _read(entry)
        return None

    def is_revoked(self, signing_request: str) -> bool:
        """Return whether what was given for a request must not be used any more."""
        return any(bool(entry.get("revoked")) for entry in self._answers(signing_request))

    def _answers(self, signing_request: str) -> Iterator[Mapping[str, Any]]:
        for relation in self._charm.model.relations[self._endpoint]:
            for entry in published.mappings(relation.data[relation.app].get(_ISSUED)):
                if _text(entry, "certificate_signing_request") == signing_request.strip():
                    yield entry


def _read(entry: Mapping[str, Any]) -> Issued | None:
    certificate, ca = _text(entry, "certificate"), _text(entry, "ca")
    if not certificate or not ca:
        return None
    return Issued(certificate, ca, tuple(_chain(entry)))


def _chain(entry: Mapping[str, Any]) -> Iterator[str]:
    raw = entry.get("chain")
    for each in cast("list[Any]", raw) if isinstance(raw, list) else []:
        if isinstance(each, str):
            yield each.strip()


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value.strip() if isinstance(value, str) else ""
