"""Ask a web address: the other seam to what is outside, so that the lab can answer instead.

A host that has a ``fetch`` and a ``send`` of its own answers itself; of any other, the real
network does.
"""

from __future__ import annotations

import ssl
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Protocol, cast, runtime_checkable

from edgecloud import host as hosts


@runtime_checkable
class Network(Protocol):
    """A machine that reaches others without a network."""

    def fetch(self, url: str, headers: Mapping[str, str], authority: str) -> bytes:
        """Return what is served there. Raises ``OSError``."""
        ...

    def send(self, url: str, method: str, text: str) -> bytes:
        """Send a document there; return what is said to it. Raises ``OSError``."""
        ...


def fetch(
    host: hosts.Host,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    authority: str = "",
    timeout_s: float,
    largest: int = 2**20,
) -> bytes:
    """Return what is served at an address, as far as it is not too long.

    Args:
        host: the machine that asks.
        url: http or https, nothing else.
        headers: of the request; what is secret belongs here, not into the address.
        authority: certificates to trust instead of the system's, as PEM.
        timeout_s: for each step of the exchange.
        largest: bytes that are read.

    Raises:
        OSError: nobody answers, or the answer is an error, or the certificate is not trusted.
        ValueError: the address or the authority is not one.
    """
    _check(url)
    sent = dict(headers or {})
    if isinstance(host, Network):
        return cast("Network", host).fetch(url, sent, authority)[:largest]
    # What is asked is on this site: no proxy stands between.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if url.startswith("https:"):
        context = ssl.create_default_context(cadata=authority or None)
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    with opener.open(urllib.request.Request(url, headers=sent), timeout=timeout_s) as answer:
        return answer.read(largest)


def send(host: hosts.Host, url: str, *, method: str, text: str = "", timeout_s: float) -> bytes:
    """Send a JSON document to an address of this very machine; return what is said to it.

    Args:
        host: the machine that sends.
        url: http or https, nothing else.
        method: such as ``POST``.
        text: the document; none if empty.
        timeout_s: for each step of the exchange.

    Raises:
        OSError: nobody answers, or the answer is an error.
        ValueError: the address is not one.
    """
    _check(url)
    if isinstance(host, Network):
        return cast("Network", host).send(url, method, text)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    body = text.encode() if text else None
    headers = {"Content-Type": "application/json"} if text else {}
    request = urllib.request.Request(url, body, headers, method=method)
    with opener.open(request, timeout=timeout_s) as answer:
        return answer.read(2**20)


def _check(url: str) -> None:
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url} is not an address that can be asked")
