"""What the board of a simulated Pi shows of itself in files, and how a test spoils it."""

from __future__ import annotations

import typing

from edgelab.pi import files

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

THROTTLED = "/run/throttled"
"""The firmware's word of bits, as hexadecimal text."""
UNDER_VOLTAGE, SINCE_BOOT = 0x1, 16

_HEAT = "/sys/class/thermal/thermal_zone0/temp"
_BATTERY = "/sys/class/rtc/rtc0/battery_voltage"
_FLASH = "/sys/block/mmcblk0/device"
_ROOT = "/sys/fs/ext4/mmcblk0p2"
_CORE = "/run/core-amperes"
_RAILS = (("3V7_WL_SW", 0.1, 3.7), ("3V3_SYS", 0.1, 3.3), ("1V8_SYS", 0.1, 1.8))
"""Rails that take the same whatever the processor does, 0.88 W together."""


def shown(machine: machines.Machine) -> dict[str, str]:
    """Return the files of a board as it comes, by path. A container sees only its model."""
    chip = "bcm2712" if is_five(machine) else "bcm2711" if has_eeprom(machine) else "bcm2837"
    found = {
        "/proc/device-tree/model": machine.model + "\0",
        "/proc/device-tree/compatible": f"raspberrypi,board\0brcm,{chip}\0",
    }
    if machine.container_of is not None:
        return found
    found[_HEAT] = "48312\n"
    found[f"{_ROOT}/lifetime_write_kbytes"] = "7340032\n"
    found[f"{_ROOT}/errors_count"] = "0\n"
    found[f"{_FLASH}/type"] = "SD\n"
    if is_five(machine):
        found[_BATTERY] = "3012480\n"
    if "Compute Module" in machine.model:
        found |= _emmc((1, 1), 1)
    return found


def is_five(machine: machines.Machine) -> bool:
    """Return whether this is a board of the fifth generation."""
    return machine.model.startswith(("Raspberry Pi 5", "Raspberry Pi Compute Module 5"))


def has_eeprom(machine: machines.Machine) -> bool:
    """Return whether the boot loader lies in a chip of its own, as on all boards since the 4."""
    return not machine.model.startswith(("Raspberry Pi 3", "Raspberry Pi Compute Module 3"))


def rails(machine: machines.Machine) -> str:
    """Return what the power chip of a Pi 5 measures of its rails, in the words of the firmware."""
    core = float(files.read(machine, _CORE).strip() or 1)
    rows = [f"{name}_A current({at})={amps:.8f}A" for at, (name, amps, _) in enumerate(_RAILS)]
    rows += [f"{name}_V volt({at})={volts:.8f}V" for at, (name, _, volts) in enumerate(_RAILS, 8)]
    rows += [f"VDD_CORE_A current(7)={core:.8f}A", "VDD_CORE_V volt(15)=0.80000000V"]
    return "\n".join([*rows, "EXT5V_V volt(24)=5.14620000V", "BATT_V volt(25)=3.01000000V"])


def work(machine: machines.Machine, amperes: float) -> None:
    """Let the processor of a Pi 5 take this current, at 0.8 V."""
    files.write(machine, _CORE, f"{amperes}\n")


def heat(machine: machines.Machine, celsius: float) -> None:
    """Let the processor be this hot."""
    files.write(machine, _HEAT, f"{celsius * 1000:.0f}\n")


def sag(machine: machines.Machine, *, now: bool = True) -> None:
    """Let the supply be too weak now, or have been so since the board got power."""
    bits = UNDER_VOLTAGE << SINCE_BOOT | (UNDER_VOLTAGE if now else 0)
    files.write(machine, THROTTLED, f"{bits:#x}\n")


def wear(machine: machines.Machine, *, life: tuple[int, int] = (1, 1), spare: int = 1) -> None:
    """Let the machine have eMMC that is as worn as these codes of its maker say."""
    for path, text in _emmc(life, spare).items():
        files.write(machine, path, text)


def wear_file_system(machine: machines.Machine, *, kilobytes: int, errors: int = 0) -> None:
    """Let the root file system have counted this in its life."""
    files.write(machine, f"{_ROOT}/lifetime_write_kbytes", f"{kilobytes}\n")
    files.write(machine, f"{_ROOT}/errors_count", f"{errors}\n")


def run_battery_down(machine: machines.Machine, volts: float) -> None:
    """Let the battery of the clock have this voltage."""
    files.write(machine, _BATTERY, f"{volts * 1e6:.0f}\n")


def _emmc(life: tuple[int, int], spare: int) -> dict[str, str]:
    return {
        f"{_FLASH}/type": "MMC\n",
        f"{_FLASH}/life_time": f"0x{life[0]:02x} 0x{life[1]:02x}\n",
        f"{_FLASH}/pre_eol_info": f"0x{spare:02x}\n",
    }
