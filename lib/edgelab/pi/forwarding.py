"""What the forwarder on a machine delivers, by the unit and the files that the charm wrote."""

from __future__ import annotations

import base64
import json
import shlex
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgelab.pi import files, promql, state

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

NAME = "edge-forwarder"
_EXPORTERS = {"127.0.0.1:19100": "edge-node-exporter", "127.0.0.1:18429": NAME}
"""Who answers where on a machine of the site."""


@dataclass(frozen=True)
class Delivery:
    """What one machine brings to one store."""

    sender: machines.Machine
    url: str
    headers: Mapping[str, str]
    authority: str
    scraped: str
    """What is scraped, as the forwarder is told."""

    def samples(self) -> Iterator[tuple[promql.Labels, float]]:
        """Yield ``up`` of each target, 1 while what it is told to ask runs."""
        document: Any = json.loads(self.scraped)
        for job in document["scrape_configs"]:
            for static in job["static_configs"]:
                for address in static["targets"]:
                    labels = {"__name__": "up", "instance": address, **static["labels"]}
                    yield labels, float(_is_active(self.sender, _EXPORTERS.get(address, "")))


def deliveries(machine: machines.Machine) -> list[Delivery]:
    """Return what a machine's forwarder brings, and where; nothing while it does not run."""
    if not machine.powered or not _is_active(machine, NAME):
        return []
    lines = files.read(machine, f"/etc/systemd/system/{NAME}.service").splitlines()
    lent = dict(
        line.removeprefix("LoadCredential=").split(":", 1)
        for line in lines
        if line.startswith("LoadCredential=")
    )
    given = {f"%d/{name}": files.read(machine, path) for name, path in lent.items()}
    said: dict[str, list[str]] = {}
    (command,) = (line for line in lines if line.startswith("ExecStart="))
    for word in shlex.split(command)[1:]:
        option, _, value = word.lstrip("-").partition("=")
        said.setdefault(option, []).extend(_values(value))
    return [
        Delivery(
            machine,
            url,
            {"Authorization": _basic(_at(said, "basicAuth.username", n), secret)},
            given.get(_at(said, "tlsCAFile", n), ""),
            given[said["promscrape.config"][0]],
        )
        for n, url in enumerate(said["remoteWrite.url"])
        for secret in (given.get(_at(said, "basicAuth.passwordFile", n), ""),)
    ]


def _at(said: Mapping[str, list[str]], option: str, number: int) -> str:
    """Return what an option says of a store; said once, it holds for all of them."""
    values = said.get(f"remoteWrite.{option}", [""])
    return values[number] if number < len(values) else values[-1]


def _values(text: str) -> list[str]:
    return json.loads(f"[{text}]") if text.startswith('"') else [text]


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _is_active(machine: machines.Machine, name: str) -> bool:
    return machine.units.get(f"{name}.service", state.Unit()).active
