"""The stores elsewhere that samples are forwarded to, and what opens them."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgecloud import host as hosts
from edgecloud.telemetry import forwarder

PASSWORD = "/etc/edge-monitor/remote.password"
RELATED_CA = "/etc/edge-monitor/related-ca.pem"
"""The authorities that came by a relation."""
CA = "/etc/edge-monitor/remote-ca.pem"

_SECRET_NAME = re.compile("auth|key|pass|secret|token", re.IGNORECASE)

KEYS = frozenset({"username", "password", "token", "ca"})


class RemoteError(Exception):
    """What the secret for stores elsewhere holds cannot be used; says every problem at once."""


@dataclass(frozen=True)
class Credentials:
    """What opens all stores elsewhere."""

    username: str = ""
    secret: str = ""
    """The user's password, or without a user a bearer token."""
    authority: str = ""


def read(content: Mapping[str, str]) -> Credentials:
    """Return the credentials that a secret holds. Raises :class:`RemoteError`."""
    problems = [f"{key} is not known" for key in sorted(set(content) - KEYS)]
    has_user, has_token = "username" in content, "token" in content
    if has_user != ("password" in content):
        problems.append("username and password go together")
    if has_user and has_token:
        problems.append("either username or token")
    authority = content.get("ca", "")
    if authority and "BEGIN CERTIFICATE" not in authority:
        problems.append("ca is no certificate in PEM")
    if problems:
        raise RemoteError("; ".join(problems))
    secret = content.get("password") or content.get("token", "")
    return Credentials(content.get("username", ""), secret.strip(), authority)


def addresses(text: str) -> list[str]:
    """Return the addresses that an option names."""
    return [word for word in text.replace(",", " ").split() if word]


def problems(text: str) -> Iterator[str]:
    """Yield what is wrong with the addresses that an option names."""
    for address in addresses(text):
        try:
            parts = urllib.parse.urlsplit(address)
        except ValueError:
            yield "remote-stores: holds what is not an address"
            continue
        if parts.scheme not in ("http", "https") or not parts.hostname:
            yield f"remote-stores: {parts.hostname or address} is not an http or https address"
        elif parts.username or parts.password or _holds_a_secret(parts.query):
            # Not repeated: what stands there is a secret.
            yield f"remote-stores: put the credentials of {parts.hostname} into remote-credentials"


def _holds_a_secret(query: str) -> bool:
    """Return whether a query names what everybody would see among the arguments of a process."""
    return any(_SECRET_NAME.search(name) for name, _ in urllib.parse.parse_qsl(query))


def ensure(
    host: hosts.Host, urls: list[str], credentials: Credentials
) -> tuple[forwarder.Remote, ...]:
    """Return the stores, once their secrets lie where only root may read them."""
    for path, text in ((PASSWORD, credentials.secret), (CA, credentials.authority)):
        if text:
            host.write(path, text.strip() + "\n", mode=0o600)
        else:
            host.remove(path)
    return tuple(
        forwarder.Remote(
            url,
            credentials.username,
            PASSWORD if credentials.secret else "",
            CA if credentials.authority else "",
        )
        for url in urls
    )


def trust(host: hosts.Host, authorities: str) -> str:
    """Return the file with the authorities of related stores; empty if there are none."""
    if not authorities:
        host.remove(RELATED_CA)
        return ""
    host.write(RELATED_CA, authorities.strip() + "\n", mode=0o600)
    return RELATED_CA
