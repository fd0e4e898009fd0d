"""What the monitor's processes serve, where a charm has them run: its door and its store.

A small stand-in, and an honest one: it goes by the files that the charm wrote. The door lets in
whom ``door.yml`` names, to the paths it names; the store has a series ``up`` for each target of
``scrape.yml``, 1 while that machine runs and can be reached, and what forwarders on other machines
bring through the door; the alert ``Watchdog`` fires by its
rule in ``heartbeat.rules``. Other alerts fire that a test lays into :data:`ALERTS`.
"""

from __future__ import annotations

import base64
import json
import ssl
import typing
import urllib.error
import urllib.parse
from collections.abc import Iterator, Mapping
from email.message import Message
from typing import Any

from edgelab.pi import files, forwarding, promql, state

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

ALERTS = "/run/edge-lab/alerts.json"
"""Labels of alerts that fire on the site, as a list; a test writes it on the monitor's machine."""

_FILES = "/etc/edge-monitor"
_DOOR, _STORE = 8427, 18428
_UNITS = {_DOOR: "edge-monitor-door.service", _STORE: "edge-monitor-store.service"}
_RULES = "edge-monitor-rules.service"


def fetch(asking: machines.Machine, url: str, headers: Mapping[str, str], authority: str) -> bytes:
    """Return what is served at an address in the lab. Raises ``OSError``, as a network would."""
    parts = urllib.parse.urlsplit(url)
    here = parts.hostname in ("127.0.0.1", "localhost")
    target = asking if here else asking.world.machine_at(parts.hostname or "")
    if target is None or not (here or asking.world.reaches(asking, target)):
        raise TimeoutError(f"{parts.hostname} cannot be reached")
    port = parts.port or 0
    if not _serves(target, port) or (port == _STORE and not here):
        raise ConnectionRefusedError(f"{parts.hostname} refuses port {port}")
    if port == _DOOR:
        _enter(target, parts, headers, authority)
        if not _serves(target, _STORE):
            raise _refused(parts, 502, "the store behind the door does not answer")
    return _store(target, parts)


def series(machine: machines.Machine) -> Iterator[tuple[promql.Labels, float]]:
    """Yield what the store of a machine knows now."""
    yield from _scraped(machine)
    if not _is_active(machine, _RULES):
        return
    rules: Any = json.loads(files.read(machine, f"{_FILES}/rules/heartbeat.rules"))
    raised: list[dict[str, str]] = json.loads(files.read(machine, ALERTS) or "[]")
    rule: dict[str, Any] = rules["groups"][0]["rules"][0]
    try:
        if promql.answer(rule["expr"], lambda: _scraped(machine)):
            raised.append({"alertname": rule["alert"], **rule["labels"]})
    except promql.QueryError:
        pass  # A rule that cannot be read never fires.
    for labels in raised:
        yield {"__name__": "ALERTS", "alertstate": "firing", **labels}, 1.0


def _scraped(machine: machines.Machine) -> Iterator[tuple[promql.Labels, float]]:
    document: Any = json.loads(files.read(machine, f"{_FILES}/scrape.yml"))
    for job in document["scrape_configs"]:
        for static in job["static_configs"]:
            for address in static["targets"]:
                labels = {"instance": address, **static["labels"]}
                yield {"__name__": "up", **labels}, float(_is_up(machine, address))
                if labels["job"] == "node":
                    yield from _exported(machine, labels)
    if _serves(machine, _DOOR):
        yield from _delivered(machine)


def _delivered(machine: machines.Machine) -> Iterator[tuple[promql.Labels, float]]:
    """Yield what forwarders bring, of other machines and of this one, as far as they get in."""
    for sender in machine.world.machines.values():
        if sender is not machine and not machine.world.reaches(sender, machine):
            continue
        for delivery in forwarding.deliveries(sender):
            parts = urllib.parse.urlsplit(delivery.url)
            if parts.hostname not in machine.addresses() or parts.port != _DOOR:
                continue
            try:
                backend = _enter(machine, parts, delivery.headers, delivery.authority)
            except OSError:
                continue
            query = urllib.parse.urlsplit(backend).query
            forced = dict(
                each.split("=", 1) for each in urllib.parse.parse_qs(query).get("extra_label", [])
            )
            for labels, value in delivery.samples():
                yield {**labels, **forced}, value
                if labels["job"] == "node" and value:
                    yield from _exported(sender, {**labels, **forced})


def _exported(
    machine: machines.Machine, labels: promql.Labels
) -> Iterator[tuple[promql.Labels, float]]:
    labels = {name: value for name, value in labels.items() if name != "__name__"}
    root = {**labels, "mountpoint": "/"}
    free = float(machine.free_bytes())
    yield {"__name__": "node_timex_sync_status", **labels}, float(not machine.clock_offset)
    yield {"__name__": "node_filesystem_avail_bytes", **root}, free
    yield {"__name__": "node_filesystem_readonly", **root}, 0.0


def _is_up(machine: machines.Machine, address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    if host == "127.0.0.1":
        return True
    target = machine.world.machine_at(host)
    return target is not None and machine.world.reaches(machine, target)


def _enter(
    machine: machines.Machine,
    parts: urllib.parse.SplitResult,
    headers: Mapping[str, str],
    authority: str,
) -> str:
    """Pass the door: return the address behind it, or raise what somebody gets who may not."""
    if parts.scheme != "https":
        raise _refused(parts, 400, "client sent an HTTP request to an HTTPS server")
    if authority.strip() != files.read(machine, f"{_FILES}/tls/ca.crt").strip():
        raise ssl.SSLCertVerificationError("self-signed certificate in certificate chain")
    known: Any = json.loads(files.read(machine, f"{_FILES}/door.yml"))
    for user in known["users"]:
        pair = base64.b64encode(f"{user['username']}:{user['password']}".encode()).decode()
        if headers.get("Authorization") == f"Basic {pair}":
            for place in user["url_map"]:
                if parts.path in place["src_paths"]:
                    return str(place["url_prefix"])
            raise _refused(parts, 400, "missing route")
    raise _refused(parts, 400, "cannot find the provided auth token")


def _store(machine: machines.Machine, parts: urllib.parse.SplitResult) -> bytes:
    if parts.path != "/api/v1/query":
        raise _refused(parts, 400, "unsupported path")
    (query,) = urllib.parse.parse_qs(parts.query)["query"]
    try:
        found = promql.answer(query, lambda: series(machine))
    except promql.QueryError as error:
        raise _refused(parts, 422, str(error)) from error
    now = machine.now()
    if isinstance(found, promql.Number):
        data: dict[str, Any] = {"resultType": "scalar", "result": [now, str(found.value)]}
    else:
        samples = [{"metric": dict(labels), "value": [now, str(v)]} for labels, v in found]
        data = {"resultType": "vector", "result": samples}
    return json.dumps({"status": "success", "data": data}).encode()


def _refused(parts: urllib.parse.SplitResult, code: int, why: str) -> urllib.error.HTTPError:
    return urllib.error.HTTPError(parts.geturl(), code, why, Message(), None)


def _serves(machine: machines.Machine, port: int) -> bool:
    return port in _UNITS and machine.powered and _is_active(machine, _UNITS[port])


def _is_active(machine: machines.Machine, unit: str) -> bool:
    return machine.units.get(unit, state.Unit()).active
