"""What the agent is told about its machine by whoever installed it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any

from edgecloud import host
from edgecloud.agent import paths
from edgecloud.host import files


@dataclass(frozen=True)
class Settings:
    """The machine's place in the site."""

    name: str = ""
    """Its name in plans and reports."""
    node: str = ""
    """Its name in Kubernetes; empty if it runs none."""
    arch: str = "arm64"
    kubeconfig: str = "/var/snap/microk8s/current/credentials/client.config"
    """Must allow to read and patch its own node, and to drain it."""
    worker: bool = False
    sign: str = "optional"
    """``required`` if only plans with a good signature are taken up."""
    clock: str = "synchronised"
    """``kept`` on a machine whose own clock runs on without power."""
    modules: tuple[str, ...] = ()
    """Kernel modules that must be loaded for the node to be well."""
    slots: dict[str, str] = field(default_factory=dict[str, str])
    """For a machine with two systems: ``a`` and ``b``, and ``boot`` where their kernels lie."""
    unit: str = ""
    """The unit of the charm that publishes what the agent says; empty where there is none."""
    apt: dict[str, str] = field(default_factory=dict[str, str])
    """Where packages of a moment come from: ``url`` with ``{stamp}``, ``suites``, ``components``,
    ``options``; Ubuntu's own snapshots where nothing is said."""
    metered: bool = False
    """Whether what this machine fetches costs somebody money, whatever its own file says."""
    lxd: str = ""
    """Its name as a member of LXD; empty if it is none."""
    lamp: str = ""
    """The LED that blinks when the agent is at its wit's end."""


def read(machine: host.Host) -> Settings:
    """Return the settings of this machine; fields that this agent does not know are left aside."""
    document: dict[str, Any] = files.read_state(machine, paths.SETTINGS)
    known = {each.name for each in fields(Settings)}
    values = {name: value for name, value in document.items() if name in known}
    if "modules" in values:
        values["modules"] = tuple(values["modules"])
    return Settings(**values)


def write(machine: host.Host, wanted: Settings) -> bool:
    """Put the settings of a machine in place. Return whether anything changed."""
    text = json.dumps(vars(wanted), indent=1, sort_keys=True) + "\n"
    return machine.write(paths.SETTINGS, text, mode=0o600)
