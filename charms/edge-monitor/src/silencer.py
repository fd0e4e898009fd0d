"""Bring the silences of this machine's Alertmanager to where they should be."""

from __future__ import annotations

import json
from collections.abc import Iterable

import alerting
import silences
from edgecloud import host as hosts
from edgecloud.host import failures, web
from edgecloud.interfaces.health_gate import Disturbance

_API = f"{alerting.URL}/api/v2"
_TIMEOUT_S = 5


class DeafError(failures.WorkloadError):
    """Alertmanager does not do as it is told."""


def ensure(host: hosts.Host, disturbed: Iterable[Disturbance]) -> silences.Changes:
    """Ensure that just the alerts that these disturbances excuse are silenced.

    Returns what was changed. Raises :class:`DeafError` if Alertmanager does not answer; what is
    silenced then ends by itself.
    """
    now = int(host.now())
    try:
        changes = silences.decide(silences.wanted(disturbed, now), known(host))
        for silence in changes.post:
            text = json.dumps(silences.body(silence, now))
            web.send(host, f"{_API}/silences", method="POST", text=text, timeout_s=_TIMEOUT_S)
        for name in changes.expire:
            url = f"{_API}/silence/{name}"
            web.send(host, url, method="DELETE", timeout_s=_TIMEOUT_S)
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise DeafError(f"alerts cannot be silenced now: {e}") from e
    return changes


def known(host: hosts.Host) -> list[silences.Silence]:
    """Return our own silences that are not over."""
    return silences.read(json.loads(web.fetch(host, f"{_API}/silences", timeout_s=_TIMEOUT_S)))
