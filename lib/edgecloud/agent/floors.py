"""What a machine must have before it is written to, and again before it is disturbed."""

from __future__ import annotations

from edgecloud import host
from edgecloud.agent import hardware, paths
from edgecloud.agent import settings as machine_settings
from edgecloud.rollout import terms

_MIB = 1024**2


def problem(machine: host.Host, floors: terms.Floors) -> str:
    """Return which floor of a plan does not hold; empty if all do."""
    if machine.free_bytes(paths.HOME) < floors.free_mib * _MIB:
        return f"less than {floors.free_mib} MiB are free"
    board = hardware.look(machine)
    if floors.no_undervoltage and board.undervoltage_now:
        return "the supply voltage is too low"
    if board.temperature is not None and board.temperature > floors.temp_max:
        return f"{board.temperature:.0f} °C is too hot"
    if board.battery is not None and board.battery < floors.battery_min:
        return f"the battery is at {board.battery} %"
    return ""


def link_problem(
    machine: host.Host, settings: machine_settings.Settings, floors: terms.Floors
) -> str:
    """Return why nothing may be fetched over the link that this machine has; empty if it may."""
    is_metered = settings.metered or machine.exists(paths.METERED)
    if floors.metered == "forbid" and is_metered:
        return "the link is metered"
    return ""
