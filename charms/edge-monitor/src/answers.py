"""Ask the store of this machine."""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

import questions
import store
from edgecloud import host as hosts
from edgecloud.host import failures, web

_TIMEOUT_S = 5


class SilenceError(failures.WorkloadError):
    """The store does not answer."""


def ask(host: hosts.Host, query: str) -> Any:
    """Return what the store says to a query. Raises :class:`SilenceError`."""
    url = f"{store.URL}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        return json.loads(web.fetch(host, url, timeout_s=_TIMEOUT_S))
    except (OSError, ValueError) as e:
        raise SilenceError(f"the store does not answer yet: {e}") from e


def knows(host: hosts.Host, query: str) -> bool:
    """Return whether the store has an answer to a query now. Raises :class:`SilenceError`."""
    return questions.has_answer(ask(host, query))
