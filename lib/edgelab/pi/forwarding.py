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
                    yield labels, float(is_active(self.sender, _EXPORTERS.get(address, "")))


def deliveries(machine: machines.Machine) -> list[Delivery]:
    """Return what a machine's forwarder brings, and where; nothing while it does not run."""
    if not machine.powered or not is_active(machine, NAME):
        return []
    given = {f"%d/{name}": text for name, text in lent(machine, NAME).items()}
    said = {
        option: [each for value in values for each in _values(value)]
        for option, values in command(machine, NAME).items()
    }
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


def lent(machine: machines.Machine, name: str) -> dict[str, str]:
    """Return the credentials that a unit of systemd is lent, as they lie on the disk."""
    pairs = (
        line.removeprefix("LoadCredential=").split(":", 1)
        for line in _unit(machine, name)
        if line.startswith("LoadCredential=")
    )
    return {credential: files.read(machine, path) for credential, path in pairs}


def command(machine: machines.Machine, name: str) -> dict[str, list[str]]:
    """Return the options that a unit of systemd runs its program with."""
    said: dict[str, list[str]] = {}
    (line,) = (line for line in _unit(machine, name) if line.startswith("ExecStart="))
    for word in shlex.split(line)[1:]:
        option, _, value = word.lstrip("-").partition("=")
        said.setdefault(option, []).append(value)
    return said


def is_active(machine: machines.Machine, name: str) -> bool:
    """Return whether a unit of systemd runs."""
    return machine.units.get(f"{name}.service", state.Unit()).active


def _unit(machine: machines.Machine, name: str) -> list[str]:
    return files.read(machine, f"/etc/systemd/system/{name}.service").splitlines()


def _at(said: Mapping[str, list[str]], option: str, number: int) -> str:
    """Return what an option says of a store; said once, it holds for all of them."""
    values = said.get(f"remoteWrite.{option}", [""])
    return values[number] if number < len(values) else values[-1]


def _values(text: str) -> list[str]:
    return json.loads(f"[{text}]") if text.startswith('"') else [text]


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
