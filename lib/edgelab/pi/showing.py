"""Who gets to see a machine's metrics: by its exporter's unit, and the files of both sides."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from typing import Any

from edgelab.pi import forwarding

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

NAME = "edge-node-exporter"


def shower(
    asking: machines.Machine, address: str, job: Mapping[str, Any]
) -> machines.Machine | None:
    """Return the machine whose page a job gets to see at an address; None if it sees none.

    Args:
        asking: the machine that scrapes.
        address: with a port.
        job: as its scraper is told.
    """
    if job.get("scheme") != "https":
        return asking if address.startswith("127.0.0.1:") else None
    target = asking.world.machine_at(address.rpartition(":")[0].strip("[]"))
    if target is None or not asking.world.reaches(asking, target):
        return None
    if not forwarding.is_active(target, NAME):
        return None
    is_there = forwarding.command(target, NAME).get("web.listen-address") == [address]
    return target if is_there and _know_each_other(asking, target, job["tls_config"]) else None


def _know_each_other(
    asking: machines.Machine, target: machines.Machine, tls: Mapping[str, str]
) -> bool:
    """Return whether each side shows what the other was told to trust."""
    kept = forwarding.lent(target, NAME)
    guard = json.loads(kept["web.yml"])["tls_server_config"]
    if guard["client_auth_type"] != "RequireAndVerifyClientCert":
        return False
    mine, theirs = _file(asking, tls["cert_file"]), _file(asking, tls["ca_file"])
    return (
        bool(mine)
        and mine in kept[guard["client_ca_file"]]
        and theirs == (kept[guard["cert_file"]].strip())
    )


def _file(machine: machines.Machine, path: str) -> str:
    """Return a file that a scraper names below where it is lent its credentials."""
    unit, name = path.removeprefix("/run/credentials/").split(".service/")
    return forwarding.lent(machine, unit).get(name, "").strip()
