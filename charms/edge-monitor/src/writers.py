"""Remember who was let in to deliver samples, so that it is noticed when one has left."""

from __future__ import annotations

from collections.abc import Collection

import door
import targets
from edgecloud import host as hosts
from edgecloud.host import files
from edgecloud.interfaces import node_metrics

STATE = "/var/lib/edge-monitor/writers.json"


def left(host: hosts.Host, units: Collection[str]) -> list[str]:
    """Return the units that were let in, and that are not related any more."""
    return sorted(set(files.read_state(host, STATE).get("units", [])) - set(units))


def note(host: hosts.Host, units: Collection[str]) -> None:
    """Note who is let in."""
    files.write_state(host, STATE, {"units": sorted(units)} if units else {})


def contents(host: hosts.Host, senders: Collection[targets.Sender]) -> dict[str, dict[str, str]]:
    """Return the content of each unit's secret."""
    return {
        each.unit: {
            node_metrics.USERNAME: door.writer_name(each.unit),
            node_metrics.PASSWORD: door.password(host, door.writer_name(each.unit)),
        }
        for each in senders
    }
