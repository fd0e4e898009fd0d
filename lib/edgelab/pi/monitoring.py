"""What the monitor's processes serve, where a charm has them run: its door and its store.

A small stand-in, and an honest one: it goes by the files that the charm wrote. The door lets in
whom ``door.yml`` names, to the paths it names; the store has a series ``up`` for each target of
``scrape.yml``, 1 while that machine runs and can be reached, and what forwarders on other machines
bring through the door, with the metrics of those machines; alerts fire by the charm's rules, as
far as :mod:`edgelab.pi.alert_rules` can judge them. Others fire that a test lays into
:data:`ALERTS`.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import typing
import urllib.error
import urllib.parse
from collections.abc import Iterator, Mapping
from email.message import Message
from typing import Any

from edgecloud.metrics import node, site_upgrade
from edgelab.pi import alert_rules, files, forwarding, promql, showing, silencing, state

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

ALERTS = "/run/edge-lab/alerts.json"
"""Labels of alerts that fire on the site, as a list; a test writes it on the monitor's machine."""

_FILES = "/etc/edge-monitor"
_DOOR, _STORE, _EVALUATOR = 8427, 18428, 18880
_RULES = "edge-monitor-rules.service"
_UNITS = {
    _DOOR: "edge-monitor-door.service",
    _STORE: "edge-monitor-store.service",
    _EVALUATOR: _RULES,
    silencing.PORT: silencing.UNIT,
}
_LOOK_BACK_S = 600
"""For how long a sample stands for its series when a store is asked about the past."""
_SAMPLE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def fetch(asking: machines.Machine, url: str, headers: Mapping[str, str], authority: str) -> bytes:
    """Return what is served at an address in the lab. Raises ``OSError``, as a network would."""
    parts = urllib.parse.urlsplit(url)
    here = parts.hostname in ("127.0.0.1", "localhost")
    target = asking if here else asking.world.machine_at(parts.hostname or "")
    if target is None or not (here or asking.world.reaches(asking, target)):
        raise TimeoutError(f"{parts.hostname} cannot be reached")
    port = parts.port or 0
    if not _serves(target, port) or (port != _DOOR and not here):
        raise ConnectionRefusedError(f"{parts.hostname} refuses port {port}")
    if port == _DOOR:
        _enter(target, parts, headers, authority)
        if not _serves(target, _STORE):
            raise _refused(parts, 502, "the store behind the door does not answer")
    if port == silencing.PORT:
        return silencing.answer(target, parts.path)
    return _alerts(target, parts) if port == _EVALUATOR else _store(target, parts)


def send(machine: machines.Machine, url: str, method: str, text: str) -> bytes:
    """Return what a service on this very machine answers to a document. Raises ``OSError``."""
    parts = urllib.parse.urlsplit(url)
    if parts.hostname != "127.0.0.1" or parts.port != silencing.PORT:
        raise ConnectionRefusedError(f"{parts.netloc} takes no documents")
    if not _serves(machine, silencing.PORT):
        raise ConnectionRefusedError(f"{parts.hostname} refuses port {parts.port}")
    return silencing.answer(machine, parts.path, method, text)


def series(machine: machines.Machine) -> Iterator[tuple[promql.Labels, float]]:
    """Yield what the store of a machine knows now."""
    known = _taken_in(machine)
    yield from known
    for alert in _firing(machine, known):
        yield {"__name__": "ALERTS", "alertstate": "firing", **alert.labels}, 1.0


def _taken_in(machine: machines.Machine) -> list[tuple[promql.Labels, float]]:
    """Return what there is now, which the store remembers from here on."""
    known = list(_scraped(machine))
    machine.samples.take(machine.now(), known)
    return known


def _firing(
    machine: machines.Machine, known: list[tuple[promql.Labels, float]]
) -> list[alert_rules.Firing]:
    """Return the alerts that fire; since when each does is noted on the way."""
    if not _is_active(machine, _RULES):
        return []
    raised: list[dict[str, str]] = json.loads(files.read(machine, ALERTS) or "[]")
    found = [alert_rules.Firing(labels, {}) for labels in raised]
    found += alert_rules.firing(machine, lambda: known, _past(machine))
    machine.samples.note_firing(machine.now(), [each.labels for each in found])
    return found


def _past(machine: machines.Machine) -> promql.Past:
    return lambda seconds: machine.samples.within(seconds, machine.now())


def _scraped(machine: machines.Machine) -> Iterator[tuple[promql.Labels, float]]:
    document: Any = json.loads(files.read(machine, f"{_FILES}/scrape.yml"))
    for job in document["scrape_configs"]:
        for static in job["static_configs"]:
            for address in static["targets"]:
                labels = {"instance": address, **static["labels"]}
                if labels["job"] != "node":
                    yield {"__name__": "up", **labels}, float(_is_up(machine, address))
                    continue
                shower = showing.shower(machine, address, job)
                yield {"__name__": "up", **labels}, float(shower is not None)
                if shower is not None:
                    yield from _exported(shower, labels)
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
    yield {"__name__": "node_boot_time_seconds", **labels}, machine.booted_at
    yield {"__name__": "node_timex_sync_status", **labels}, float(not machine.clock_offset)
    yield {"__name__": "node_filesystem_size_bytes", **root}, float(machine.disk_bytes)
    yield {"__name__": "node_filesystem_avail_bytes", **root}, float(machine.free_bytes())
    yield {"__name__": "node_filesystem_readonly", **root}, 0.0
    told = [f"{node.FOLDER}/{node.TEXTFILE}", site_upgrade.TEXTFILE]
    for line in "".join(files.read(machine, path) for path in told).splitlines():
        found = _SAMPLE.fullmatch(line)
        if found:
            own = {key: _plain(text) for key, text in _LABEL.findall(found["labels"] or "")}
            yield {"__name__": found["name"], **labels, **own}, float(found["value"])


def _plain(text: str) -> str:
    """Return the value of a label without what keeps it apart from its quotes."""
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], text)


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
    # Who comes in may trust others besides.
    own = files.read(machine, f"{_FILES}/tls/ca.crt").strip()
    if bool(own) != bool(authority) or own not in authority:
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
    asked = {key: values[0] for key, values in urllib.parse.parse_qs(parts.query).items()}
    if parts.path not in ("/api/v1/query", "/api/v1/query_range"):
        raise _refused(parts, 400, "unsupported path")
    try:
        if parts.path.endswith("_range"):
            return _answer("matrix", _range(machine, asked))
        known = list(series(machine))
        found = promql.answer(asked["query"], lambda: known, _past(machine))
    except promql.QueryError as error:
        raise _refused(parts, 422, str(error)) from error
    now = machine.now()
    if isinstance(found, promql.Number):
        return _answer("scalar", [now, str(found.value)])
    samples = [{"metric": dict(labels), "value": [now, str(v)]} for labels, v in found]
    return _answer("vector", samples)


def _range(machine: machines.Machine, asked: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the series that a query comes to at each step of a stretch of time."""
    at, end = float(asked["start"]), float(asked["end"])
    lines: dict[str, dict[str, Any]] = {}
    while at <= end:
        late = machine.samples.within(_LOOK_BACK_S, at)
        then = [(labels, samples[-1][1]) for labels, samples in late]
        found = promql.answer(asked["query"], lambda then=then: then)
        for labels, value in found if isinstance(found, list) else ():
            key = json.dumps(labels, sort_keys=True)
            line = lines.setdefault(key, {"metric": dict(labels), "values": []})
            line["values"].append([at, str(value)])
        at += float(asked["step"].removesuffix("s"))
    return list(lines.values())


def _alerts(machine: machines.Machine, parts: urllib.parse.SplitResult) -> bytes:
    """Return what the evaluator of rules says fires."""
    if parts.path != "/api/v1/alerts":
        raise _refused(parts, 400, "unsupported path")
    found = [
        {
            "name": alert.labels["alertname"],
            "state": "firing",
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "activeAt": machine.samples.fires_since(alert.labels).isoformat(),
        }
        for alert in _firing(machine, _taken_in(machine))
    ]
    return json.dumps({"status": "success", "data": {"alerts": found}}).encode()


def _answer(kind: str, result: list[Any]) -> bytes:
    data = {"resultType": kind, "result": result}
    return json.dumps({"status": "success", "data": data}).encode()


def _refused(parts: urllib.parse.SplitResult, code: int, why: str) -> urllib.error.HTTPError:
    return urllib.error.HTTPError(parts.geturl(), code, why, Message(), None)


def _serves(machine: machines.Machine, port: int) -> bool:
    return port in _UNITS and machine.powered and _is_active(machine, _UNITS[port])


def _is_active(machine: machines.Machine, unit: str) -> bool:
    return machine.units.get(unit, state.Unit()).active
