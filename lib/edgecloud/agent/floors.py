"""What a machine must have before it is written to, and again before it is disturbed."""

from __future__ import annotations

from edgecloud import host
from edgecloud.agent import hardware, paths
from edgecloud.agent import settings as machine_settings
from edgecloud.rollout import terms

_MIB = 1024**2


def space_problem(machine: host.Host, floors: terms.Floors) -> str:
    """Return whether the disk is too full, which nothing but an operator changes."""
    if machine.free_bytes(paths.HOME) < floors.free_mib * _MIB:
        return f"less than {floors.free_mib} MiB are free"
    return ""


def power_problem(machine: host.Host, floors: terms.Floors) -> str:
    """Return which floor of power or heat does not hold; empty if all do.

    No figure of the machine is in it: what is said anew each minute is written anew each minute.
    """
    board = hardware.look(machine)
    if floors.no_undervoltage and board.undervoltage_now:
        return "the supply voltage is too low"
    if board.temperature is not None and board.temperature > floors.temp_max:
        return f"it is hotter than {floors.temp_max} °C"
    if board.is_mute and (floors.mains or floors.battery_min):
        return "its power supply does not answer"
    if floors.mains and board.on_battery:
        return "it runs on its battery"
    if board.battery is not None and board.battery < floors.battery_min:
        return f"its battery is below {floors.battery_min} %"
    return ""


def link_problem(
    machine: host.Host, settings: machine_settings.Settings, floors: terms.Floors
) -> str:
    """Return why nothing may be fetched over the link that this machine has; empty if it may."""
    is_metered = settings.metered or machine.exists(paths.METERED)
    if floors.metered == "forbid" and is_metered:
        return "the link is metered"
    return ""
