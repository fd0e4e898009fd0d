"""``rpi-eeprom-update`` and the boot loader's version, which changes with the boot after it."""

from __future__ import annotations

import datetime
import hashlib
import re
import typing

from edgelab.pi import files
from edgelab.pi.process import Process

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

CURRENT = "/var/lib/raspberrypi/bootloader/current"
NEXT = "/var/lib/raspberrypi/bootloader/next"
SHIPPED = "2025-02-11"

_NAME = re.compile(r"pieeprom-(\d{4}-\d\d-\d\d)\.bin$")


def update(process: Process) -> int:
    """Note which boot loader the next boot writes."""
    found = _NAME.search(process.argv[-1])
    if process.argv[1:-1] != ["-d", "-f"] or found is None:
        process.fail("usage: rpi-eeprom-update [options]... [FILE]")
    if not files.exists(process.machine, process.argv[-1]):
        process.fail(f"image file not found: {process.argv[-1]}")
    files.write(process.machine, NEXT, f"{process.machine.boots} {found[1]}\n")
    process.say("EEPROM updates pending. Please reboot to apply the update.")
    return 0


def say_version(process: Process) -> int:
    """Say when the boot loader was built, as the firmware does."""
    date = version(process.machine)
    noon = datetime.datetime.fromisoformat(f"{date}T12:00:00+00:00")
    process.say(f"{noon:%Y/%m/%d %H:%M:%S}")
    process.say(f"version {hashlib.sha1(date.encode()).hexdigest()} (release)")
    process.say(f"timestamp {noon.timestamp():.0f}\nupdate-time 0\ncapabilities 0x0000007f")
    return 0


def version(machine: machines.Machine) -> str:
    """Return the date of the boot loader, once a pending one was written by a boot."""
    boots, _, date = files.read(machine, NEXT).strip().partition(" ")
    if date and machine.boots > int(boots):
        files.write(machine, CURRENT, date)
        files.remove(machine, NEXT)
    return files.read(machine, CURRENT) or SHIPPED
