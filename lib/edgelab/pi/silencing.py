"""The silences of Alertmanager, as far as its interface is used; they are kept on its machine."""

from __future__ import annotations

import datetime
import json
import typing
import urllib.error
from collections.abc import Mapping
from email.message import Message
from typing import Any

from edgelab.pi import files

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

PORT = 19093
UNIT = "edge-monitor-alerts.service"

_KEPT = "/var/lib/edge-monitor-alerts/silences.json"
_LIST = "/api/v2/silences"
_ONE = "/api/v2/silence/"


def answer(machine: machines.Machine, path: str, method: str = "GET", text: str = "") -> bytes:
    """Return what Alertmanager answers. Raises ``OSError`` where it would refuse."""
    if (method, path) == ("GET", _LIST):
        return json.dumps([_shown(machine, each) for each in _kept(machine)]).encode()
    if (method, path) == ("POST", _LIST):
        return json.dumps({"silenceID": _post(machine, json.loads(text))}).encode()
    if method == "DELETE" and path.startswith(_ONE):
        _expire(machine, path.removeprefix(_ONE))
        return b""
    raise _refused(path, 404, "not found")


def _kept(machine: machines.Machine) -> list[dict[str, Any]]:
    return json.loads(files.read(machine, _KEPT) or "[]")


def _keep(machine: machines.Machine, silences: list[dict[str, Any]]) -> None:
    machine.host().write(_KEPT, json.dumps(silences))


def _shown(machine: machines.Machine, silence: Mapping[str, Any]) -> dict[str, Any]:
    state = "expired" if _moment(silence["endsAt"]) <= machine.now() else "active"
    return {**silence, "status": {"state": state}}


def _post(machine: machines.Machine, wish: dict[str, Any]) -> str:
    """Keep a silence; one that has a name already is changed, if only its end is another."""
    if not wish["matchers"] or _moment(wish["endsAt"]) <= machine.now():
        raise _refused(_LIST, 400, "invalid silence")
    kept = _kept(machine)
    name = wish.get("id") or f"silence-{len(kept) + 1}"
    known = [each["id"] for each in kept]
    if wish.get("id") and name not in known:
        raise _refused(_LIST, 404, "silence not found")
    _keep(machine, [*(each for each in kept if each["id"] != name), {**wish, "id": name}])
    return name


def _expire(machine: machines.Machine, name: str) -> None:
    kept = _kept(machine)
    if name not in [each["id"] for each in kept]:
        raise _refused(f"{_ONE}{name}", 404, "silence not found")
    now = datetime.datetime.fromtimestamp(machine.now(), datetime.timezone.utc)
    end = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    _keep(machine, [{**each, "endsAt": end} if each["id"] == name else each for each in kept])


def _moment(text: str) -> float:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _refused(path: str, code: int, why: str) -> urllib.error.HTTPError:
    return urllib.error.HTTPError(path, code, why, Message(), None)
