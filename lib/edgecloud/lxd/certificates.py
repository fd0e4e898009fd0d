"""Who may speak with LXD over the network: certificates, and tokens that let one in."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import ssl
from collections.abc import Sequence

from edgecloud.lxd import client as lxd
from edgecloud.lxd import errors, fields, operations

CLIENT = "client"
METRICS = "metrics"
"""Kind of a certificate that may read metrics and nothing else."""


@dataclasses.dataclass(frozen=True)
class Certificate:
    """Somebody whom LXD trusts."""

    name: str
    kind: str
    fingerprint: str
    restricted: bool
    projects: tuple[str, ...]
    """What it may see, if it is restricted."""


@dataclasses.dataclass(frozen=True)
class TrustToken:
    """Lets one client in, once."""

    operation: str
    name: str
    addresses: tuple[str, ...]
    fingerprint: str
    """Of the certificate that the server shows."""
    secret: str = dataclasses.field(repr=False)
    expires_at: str = ""

    def encode(self) -> str:
        """Return the token as other programs take it. It is a secret."""
        content = {
            "client_name": self.name,
            "fingerprint": self.fingerprint,
            "addresses": list(self.addresses),
            "secret": self.secret,
            "expires_at": self.expires_at or "0001-01-01T00:00:00Z",
        }
        return base64.b64encode(json.dumps(content).encode()).decode()


def fingerprint(pem: str) -> str:
    """Return the fingerprint by which LXD knows a certificate."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.strip() + "\n")).hexdigest()


def every(client: lxd.Client) -> tuple[Certificate, ...]:
    """Return everybody whom LXD trusts, the cluster's own members included."""
    found = client.every(lxd.url("certificates"))
    return tuple(sorted(map(_parse, found), key=lambda one: (one.name, one.fingerprint)))


def ensure(
    client: lxd.Client,
    pem: str,
    *,
    name: str,
    kind: str = CLIENT,
    projects: Sequence[str] | None = None,
) -> bool:
    """Trust a certificate. Return whether it was not trusted before.

    Args:
        client: the daemon.
        pem: the certificate.
        name: what to call it.
        kind: :data:`CLIENT` or :data:`METRICS`.
        projects: the only ones it may see; all if None.
    """
    if client.find(lxd.url("certificates", fingerprint(pem))) is not None:
        return False
    body = {
        "name": name,
        "type": kind,
        "certificate": base64.b64encode(ssl.PEM_cert_to_DER_cert(pem.strip() + "\n")).decode(),
        **_restriction(projects),
    }
    try:
        client.call("POST", lxd.url("certificates"), body)
    except (errors.AlreadyExistsError, errors.AlreadyTrustedError):
        return False
    return True


def ensure_absent(client: lxd.Client, certificate_fingerprint: str) -> bool:
    """Trust a certificate no longer. Return whether it was trusted."""
    try:
        client.call("DELETE", lxd.url("certificates", certificate_fingerprint))
    except errors.NotFoundError:
        return False
    return True


def mint(client: lxd.Client, name: str, *, projects: Sequence[str] | None = None) -> TrustToken:
    """Return a token that lets one client in, once, to all projects or to the given ones.

    The daemon has to listen on the network. The token's operation is never waited on.
    """
    client.require("certificate_token")
    body = {"name": name, "type": CLIENT, "token": True, "password": "", **_restriction(projects)}
    operation = operations.token(client, lxd.url("certificates"), body)
    return _token(operation)


def tokens(client: lxd.Client) -> tuple[TrustToken, ...]:
    """Return the tokens that are still good. Cancelling the operation of one revokes it."""
    found = (one for one in operations.every(client) if one.is_token and not one.ended)
    return tuple(_token(one) for one in found if "request" in one.metadata)


def redeem(client: lxd.Client, token: TrustToken) -> None:
    """Have the certificate that the client shows be trusted, by the token's secret.

    Args:
        client: reaches the server over the network, with a certificate of its own.
        token: made by the server.
    """
    # Older releases take a token in the place of a password.
    key = "trust_token" if client.has("explicit_trust_token") else "password"
    body = {"type": CLIENT, "name": token.name, key: token.encode()}
    client.call("POST", lxd.url("certificates"), body)


def _restriction(projects: Sequence[str] | None) -> fields.Json:
    return {} if projects is None else {"restricted": True, "projects": list(projects)}


def _token(operation: operations.Operation) -> TrustToken:
    request = fields.inner(operation.metadata, "request")
    return TrustToken(
        operation=operation.id,
        name=fields.text(request, "name"),
        addresses=fields.texts(operation.metadata, "addresses"),
        fingerprint=fields.text(operation.metadata, "fingerprint"),
        secret=fields.text(operation.metadata, "secret"),
        expires_at=fields.text(operation.metadata, "expiresAt"),
    )


def _parse(found: fields.Json) -> Certificate:
    return Certificate(
        name=fields.text(found, "name"),
        kind=fields.text(found, "type"),
        fingerprint=fields.text(found, "fingerprint"),
        restricted=fields.flag(found, "restricted"),
        projects=fields.texts(found, "projects"),
    )
