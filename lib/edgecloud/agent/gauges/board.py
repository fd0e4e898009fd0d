"""The board: its model, power, heat, clock and boot loader."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

from edgecloud import host
from edgecloud.agent import hardware
from edgecloud.agent.gauges.source import QUERY_S, Settings, number, text
from edgecloud.metrics import node
from edgecloud.metrics.exposition import Sample

MODEL, COMPATIBLE = "/proc/device-tree/model", "/proc/device-tree/compatible"
HEAT = "/sys/class/thermal/thermal_zone0/temp"
BATTERIES = "/sys/class/rtc/rtc*/battery_voltage"
FIRMWARE = "/lib/firmware/raspberrypi"
EEPROM_OPTIONS = "/etc/default/rpi-eeprom-update"

_CHIP = re.compile(r"brcm,bcm(2711|2712)")
"""Those whose boot loader lies in an EEPROM."""
_TIMESTAMP = re.compile(r"^timestamp (\d+)$", re.MULTILINE)
_DATE = re.compile(r"^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)", re.MULTILINE)
_IMAGE = re.compile(r"/pieeprom-(\d{4}-\d\d-\d\d)\.bin$")
_RELEASE = re.compile(r"^\s*FIRMWARE_RELEASE_STATUS=[\"']?(\w+)", re.MULTILINE)


def model(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield which board this is."""
    found = text(machine, MODEL)
    if found:
        yield node.BOARD.at(1, model=found)


def power(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield what the firmware says of power and throttling."""
    bits = hardware.throttled(machine, QUERY_S)
    if bits is None:
        return
    for since, first in zip(node.SINCE, (0, 16), strict=True):
        for at, fault in enumerate(node.FAULTS, first):
            yield node.POWER.at(bits >> at & 1, fault=fault, since=since)


def temperature(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield how hot the processor is."""
    found = number(machine, HEAT)
    if found is not None:
        yield node.TEMPERATURE.at(found / 1000)


def battery(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield the voltage of the clock's battery."""
    found = [number(machine, path) for path in machine.glob(BATTERIES)]
    if found and found[0] is not None:
        yield node.RTC_BATTERY.at(found[0] / 1e6)


def eeprom(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield when the boot loader was built, and whether a newer one is here."""
    chip = _CHIP.search(text(machine, COMPATIBLE))
    if chip is None or not machine.exists(hardware.VCGENCMD):
        return
    command = (hardware.VCGENCMD, "bootloader_version")
    found = built(machine.run(command, timeout_s=QUERY_S).stdout)
    if found is None:
        return
    yield node.EEPROM.at(found.timestamp())
    yield node.EEPROM_UPDATE.at(_newest(machine, chip[1]) > found.strftime("%Y-%m-%d"))


def built(said: str) -> datetime.datetime | None:
    """Return when the boot loader was built; early ones say so by a date only."""
    stamp, date = _TIMESTAMP.search(said), _DATE.search(said)
    if stamp and int(stamp[1]):
        return datetime.datetime.fromtimestamp(int(stamp[1]), datetime.timezone.utc)
    if date is None:
        return None
    moment = datetime.datetime.strptime(date[1], "%Y/%m/%d %H:%M:%S")
    return moment.replace(tzinfo=datetime.timezone.utc)


def _newest(machine: host.Host, chip: str) -> str:
    """Return the date of the newest boot loader that Raspberry Pi's own program would write."""
    chosen = _RELEASE.search(text(machine, EEPROM_OPTIONS))
    folder = f"{FIRMWARE}/bootloader-{chip}/{chosen[1] if chosen else 'default'}"
    names = (_IMAGE.search(path) for path in machine.glob(f"{folder}/pieeprom-*.bin"))
    return max((found[1] for found in names if found), default="")
