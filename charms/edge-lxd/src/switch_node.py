"""The action ``switch-node``: note what is wanted, have systemd do it, say what came of it.

The hook may end at any time: the switch goes on without it, and after a power cut.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import switching
from edgecloud import host as machines
from edgecloud.host import failures, systemd
from edgecloud.lxd import client as lxd
from edgecloud.lxd import instances
from switchover import Phase, Service

UNIT = "edge-lxd-switch"

_FIELDS = {
    "port": "port",
    "target-port": "target_port",
    "path": "path",
    "from": "active",
    "device": "device",
    "ready-timeout": "ready_s",
    "soak": "soak_s",
}
"""What the action's parameters are called in a service."""
_MARGIN_S = 60
_SERVICE = """\
[Unit]
Description=Lead clients to the instances that serve them
After=network.target snap.lxd.daemon.unix.socket lxd.service

[Service]
Type=exec
ExecStart=/usr/bin/python3 {charm}/src/switch_run.py
Environment=PYTHONPATH={charm}/lib:{charm}/src
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
"""


class SwitchNodeError(failures.WorkloadError):
    """The action was refused, or its switch did not stand."""


def run(host: machines.Host, client: lxd.Client, params: Mapping[str, Any]) -> dict[str, str]:
    """Publish a service or switch it, and return what came of it.

    Raises:
        SwitchNodeError: refused, or switched back; the message says why.
        switching.RefusedError: refused before anything was begun.
    """
    wanted = _wanted(host, client, params)
    switcher = switching.Switcher(host, client)
    switcher.publish(wanted)
    shadow = str(params.get("to", ""))
    if shadow:
        switcher.begin(wanted, shadow)
    _see_to_it(host, wanted.ready_s + wanted.soak_s)
    return _result(host, wanted.name, shadow)


def remove(host: machines.Host) -> None:
    """Leave nothing of any switch on this machine."""
    systemd.remove_service(host, UNIT)
    switching.remove(host)


def _wanted(host: machines.Host, client: lxd.Client, params: Mapping[str, Any]) -> Service:
    """Return the service as it is known, with what the operator says differently now."""
    name = str(params["service"])
    known = switching.find(host, name)
    if known is not None and known.phase is not Phase.STEADY:
        raise SwitchNodeError(f"{name} is being switched to {known.shadow}: wait for its end")
    given: dict[str, Any] = {}
    given |= {field: params[key] for key, field in _FIELDS.items() if params.get(key)}
    if known is None:
        missing = [key for key in ("port", "from") if not params.get(key)]
        if missing:
            raise SwitchNodeError(f"{name} is new: say {' and '.join(missing)}, too")
        given.setdefault("target_port", params["port"])
        return Service(name=name, **given)
    moves = given.get("active", known.active) != known.active
    if moves and instances.find(client, known.active) is not None:
        raise SwitchNodeError(f"{known.active} serves {name}, not {given['active']}")
    given.setdefault("device", "")
    return dataclasses.replace(known, **given)


def _see_to_it(host: machines.Host, wait_s: float) -> None:
    """Have systemd carry out what the journals say, now and after every boot; wait for its end."""
    charm = pathlib.Path(__file__).resolve().parent.parent
    if not systemd.ensure_service(host, UNIT, _SERVICE.format(charm=charm)):
        systemd.restart(host, f"{UNIT}.service")
    command = (systemd.SYSTEMCTL, "start", "--wait", f"{UNIT}.service")
    try:
        # It is running: this only waits for its end. One that takes longer goes on alone.
        host.run(command, timeout_s=wait_s + _MARGIN_S, check=False)
    except failures.FAILURES as error:
        raise SwitchNodeError(failures.explain(error, f"waiting for {UNIT}")) from error


def _result(host: machines.Host, name: str, shadow: str) -> dict[str, str]:
    seen = switching.find(host, name)
    if seen is None or seen.phase is not Phase.STEADY:
        raise SwitchNodeError(
            f"{name} is not through yet; see 'journalctl -u {UNIT}'. It goes on by itself"
        )
    if shadow and seen.active != shadow:
        raise SwitchNodeError(seen.result)
    return {"active": seen.active, "result": seen.result or f"{seen.active} serves {name}"}
