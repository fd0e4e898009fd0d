"""What the board says of itself: power, heat, boot, and whether its clock may be believed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgecloud import host
from edgecloud.agent import paths
from edgecloud.agent import settings as machine_settings
from edgecloud.host import failures, files

VCGENCMD = "/usr/bin/vcgencmd"
TIMEDATECTL = "/usr/bin/timedatectl"
SYNCHRONISED = "/run/systemd/timesync/synchronized"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock")

_QUERY_S = 15
_SURELY_PAST = 1_735_689_600  # The first of January 2025.
_UNDER_VOLTAGE, _WAS_UNDER_VOLTAGE = 1 << 0, 1 << 16


@dataclass(frozen=True)
class Board:
    """Power and heat; None or False where the board cannot tell."""

    temperature: float | None = None
    undervoltage_now: bool = False
    undervoltage_ever: bool = False
    """Since the board was powered on."""
    battery: int | None = None
    on_battery: bool = False
    """Whether nothing else feeds it."""
    is_mute: bool = False
    """Whether a supply does not answer, as one on a bus may for a while."""


def look(machine: host.Host) -> Board:
    """Return how the board stands."""
    bits = throttled(machine) or 0
    heat = files.read(machine, "/sys/class/thermal/thermal_zone0/temp").strip()
    supplies = _supplies(machine)
    charge = [each["capacity"] for each in supplies]
    return Board(
        temperature=int(heat) / 1000 if heat.isdigit() else None,
        undervoltage_now=bool(bits & _UNDER_VOLTAGE),
        undervoltage_ever=bool(bits & _WAS_UNDER_VOLTAGE),
        battery=min((int(text) for text in charge if text.isdigit()), default=None),
        on_battery=machine.exists(paths.ON_BATTERY) or _is_on_battery(supplies),
        is_mute=any(_MUTE in each.values() for each in supplies),
    )


_SUPPLIES = "/sys/class/power_supply/*"
_SUPPLY = ("type", "scope", "online", "status", "capacity")
_STORES = frozenset({"Battery", "UPS"})
_MUTE = "?"


def _supplies(machine: host.Host) -> list[dict[str, str]]:
    """Return what the kernel says of each supply of the board; not of a mouse's battery."""
    folders = machine.glob(_SUPPLIES)
    found = [{n: _said(machine, f"{f}/{n}") for n in _SUPPLY} for f in folders]
    return [each for each in found if each["scope"] != "Device"]


def _said(machine: host.Host, path: str) -> str:
    try:
        return files.read(machine, path).strip()
    except OSError:  # The file is there; who would tell what is in it does not.
        return _MUTE


def _is_on_battery(supplies: list[dict[str, str]]) -> bool:
    """Return whether a battery feeds the board; a board that lists none has none."""
    lines = {each["online"] for each in supplies if each["type"] not in _STORES}
    stores = {each["status"] for each in supplies if each["type"] in _STORES}
    return "1" not in lines and ("0" in lines or "Discharging" in stores)


def throttled(machine: host.Host, timeout_s: float = _QUERY_S) -> int | None:
    """Return the firmware's bits of power and throttling; None if it does not tell.

    The file is second choice: it shows what the kernel heard last, and newer kernels have none.
    """
    try:
        said = machine.run((VCGENCMD, "get_throttled"), timeout_s=timeout_s).stdout
    except failures.FAILURES:
        said = _shown(machine)
    found = re.fullmatch(r"(?:throttled=0x)?([0-9a-fA-F]+)", said.strip("\0 \n"))
    return int(found[1], 16) if found else None


_THROTTLED = "/sys/devices/platform/*/*firmware/get_throttled"


def _shown(machine: host.Host) -> str:
    try:
        return next((machine.read(path) for path in machine.glob(_THROTTLED)), "")
    except OSError:
        return ""


def boot_id(machine: host.Host) -> str:
    """Return what tells one boot from another."""
    return files.read(machine, BOOT_ID).strip()


def is_clock_trusted(machine: host.Host, settings: machine_settings.Settings) -> bool:
    """Return whether windows may be judged by the clock.

    A board without a battery starts somewhere in the past; only others can tell it the time.
    """
    if settings.clock == "kept":
        return machine.now() > _SURELY_PAST
    if machine.exists(SYNCHRONISED):
        return True
    command = (TIMEDATECTL, "show", "--property=NTPSynchronized", "--value")
    try:
        return machine.run(command, timeout_s=_QUERY_S).stdout.strip() == "yes"
    except failures.FAILURES:
        return False


def foreign(machine: host.Host) -> str:
    """Return which other tool is changing this machine now, by the locks of dpkg and apt."""
    for path in LOCKS:
        if machine.exists(path) and _is_locked(machine, path):
            return path
    return ""


def _is_locked(machine: host.Host, path: str) -> bool:
    inode = str(machine.path(path).stat().st_ino)
    rows = (line.split() for line in files.read(machine, "/proc/locks").splitlines())
    fields = (field for row in rows for field in row if field.count(":") == 2)
    return any(field.rpartition(":")[2] == inode for field in fields)
