"""Answer one request for the site's page, on standard input and output, then end.

systemd starts this for each connection, so that a page that nobody looks at takes no memory. It
listens on the loopback address only; vmauth stands before it and asks for a password.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
import urllib.request
from collections.abc import Sequence
from typing import Any, BinaryIO

import site_page
import site_source

LONGEST_REQUEST = 8192
TIMEOUT_S = 5
LARGEST_ANSWER = 4 * 2**20

_HEADERS = (
    "Content-Type: text/html; charset=utf-8",
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options: nosniff",
    "Referrer-Policy: no-referrer",
    "Cache-Control: no-store",
    "Connection: close",
)


def asker(base: str) -> site_source.Ask:
    """Return what asks a service on this machine, past any proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(path: str) -> Any:
        with opener.open(f"{base}{path}", timeout=TIMEOUT_S) as answer:
            return json.loads(answer.read(LARGEST_ANSWER))

    return ask


def answer(request: bytes, page: str) -> bytes:
    """Return the whole answer to a request, given the page. Pure."""
    words = request.split(b"\r\n", 1)[0].split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return _message("400 Bad Request", b"")
    if words[0] not in (b"GET", b"HEAD"):
        return _message("405 Method Not Allowed", b"")
    if words[1].partition(b"?")[0] != b"/":
        return _message("404 Not Found", b"")
    return _message("200 OK", page.encode(), with_body=words[0] == b"GET")


def _message(status: str, body: bytes, *, with_body: bool = True) -> bytes:
    lines = (f"HTTP/1.1 {status}", *_HEADERS, f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(lines).encode() + (body if with_body else b"")


def read_request(source: BinaryIO) -> bytes:
    """Return the first lines of a request, up to the empty one."""
    text = b""
    while not text.endswith(b"\r\n\r\n") and len(text) < LONGEST_REQUEST:
        line = source.readline(LONGEST_REQUEST)
        if not line:
            break
        text += line
    return text


def main(arguments: Sequence[str]) -> int:
    """Answer one request.

    The arguments: name of the site; addresses of the store and of the rules; after how many
    seconds without a sample a node is silent; addresses of further rules.
    """
    name, store, rules, silent_s, *others = arguments
    request = read_request(sys.stdin.buffer)
    further = [asker(each) for each in others]
    site = site_source.look(
        asker(store), asker(rules), name=name, now=time.time(), further=further
    )
    site = dataclasses.replace(site, silent_s=float(silent_s))
    sys.stdout.buffer.write(answer(request, site_page.render(site)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
