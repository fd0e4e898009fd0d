"""What an upgrade takes of energy, where the board or a sensor on it measures power.

Asked only while an upgrade disturbs this node, once in a minute: a quiet minute costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from edgecloud import host
from edgecloud.agent import hardware, tally
from edgecloud.agent.gauges.source import QUERY_S, Settings, number, text
from edgecloud.agent.gauges.upgrade import reported
from edgecloud.host import failures
from edgecloud.metrics import node
from edgecloud.metrics.exposition import Sample

PATH = "/run/edge-agent/energy.json"
SENSORS = "/sys/class/hwmon/hwmon*/power1_input"

_DISTURBED = frozenset({"disrupted", "uncommitted"})
_LONGEST_GAP_S = 150
"""Between two readings further apart than this nobody knows what was taken."""
_RAIL = re.compile(
    r"^\s*(?P<rail>\w+)_(?P<kind>[AV])\b[^=\n]*=(?P<value>\d+(?:\.\d+)?)", re.MULTILINE
)


def energy(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield the joules that upgrades took here since boot, by whoever measured them."""
    known: dict[str, Any] = tally.read(machine, PATH).get("meters", {})
    if reported(machine).get("status") in _DISTURBED:
        known = _counted(known, machine.now(), watts(machine))
        if known:
            tally.write(machine, {"meters": known}, PATH)
    for meter, entry in sorted(known.items()):
        yield node.ENERGY.at(entry["joules"], meter=meter)


def _counted(known: dict[str, Any], now: float, drawn: dict[str, float]) -> dict[str, Any]:
    """Return the counts after a reading; between two readings power is taken to change evenly."""
    counted = dict(known)
    for meter, power in drawn.items():
        before = known.get(meter, {"at": 0.0, "watts": 0.0, "joules": 0.0})
        gap = now - before["at"]
        taken = (before["watts"] + power) / 2 * gap if 0 < gap <= _LONGEST_GAP_S else 0.0
        counted[meter] = {"at": now, "watts": power, "joules": before["joules"] + taken}
    return counted


def watts(machine: host.Host) -> dict[str, float]:
    """Return what is drawn now, by meter; nothing where nobody measures it."""
    found = dict(_sensors(machine))
    drawn = rails(_said(machine))
    return {**found, "pmic": drawn} if drawn else found


def _sensors(machine: host.Host) -> Iterator[tuple[str, float]]:
    for path in machine.glob(SENSORS):
        power, name = number(machine, path), text(machine, f"{path.rpartition('/')[0]}/name")
        if power is not None and name:
            yield name, power / 1e6


def _said(machine: host.Host) -> str:
    """Return what the power chip of a Pi 5 says; boards before it have no such chip."""
    if not machine.exists(hardware.VCGENCMD):
        return ""
    try:
        return machine.run((hardware.VCGENCMD, "pmic_read_adc"), timeout_s=QUERY_S).stdout
    except failures.FAILURES:
        return ""


def rails(said: str) -> float:
    """Return the power of all rails whose current the power chip measures. Pure.

    Firmware says ``VDD_CORE_A current(7)=0.84664500A``, or ``VDD_CORE_A=0.8466A``.
    """
    rows = [(row["rail"], row["kind"], float(row["value"])) for row in _RAIL.finditer(said)]
    volts = {rail: value for rail, kind, value in rows if kind == "V"}
    return sum(value * volts.get(rail, 0.0) for rail, kind, value in rows if kind == "A")
