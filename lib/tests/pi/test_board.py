"""What the board of a simulated Pi shows, and how a test spoils it."""

import pytest

from edgelab import pi
from edgelab.pi import board


@pytest.fixture
def world(tmp_path):
    return pi.World(tmp_path, pi.Clock())


def read(machine, path):
    return machine.host().read(path)


@pytest.mark.parametrize(
    ("model", "chip", "has_clock", "has_emmc"),
    [
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "bcm2837", False, False),
        ("Raspberry Pi 4 Model B Rev 1.5", "bcm2711", False, False),
        ("Raspberry Pi 5 Model B Rev 1.0", "bcm2712", True, False),
        ("Raspberry Pi Compute Module 4 Rev 1.1", "bcm2711", False, True),
        ("Raspberry Pi Compute Module 5 Rev 1.0", "bcm2712", True, True),
    ],
)
def test_given_a_model_when_flashed_then_it_shows_what_that_board_has(
    world, model, chip, has_clock, has_emmc
):
    machine = world.add_machine("0", model=model)

    assert chip in read(machine, "/proc/device-tree/compatible")
    assert bool(machine.host().glob("/sys/class/rtc/rtc*/battery_voltage")) == has_clock
    assert bool(machine.host().glob("/sys/block/*/device/life_time")) == has_emmc
    kind = read(machine, "/sys/block/mmcblk0/device/type")
    assert kind == ("MMC\n" if has_emmc else "SD\n")


def test_given_a_container_when_made_then_the_board_is_all_it_sees(world):
    machine = world.add_machine("0/lxd/0", container_of="0")

    assert read(machine, "/proc/device-tree/model")
    assert not machine.host().exists("/sys/class/thermal/thermal_zone0/temp")


def test_given_a_weak_supply_when_the_firmware_is_asked_then_it_says_so(world):
    machine = world.add_machine("0")
    command = ("/usr/bin/vcgencmd", "get_throttled")
    said = [machine.host().run(command, timeout_s=5).stdout]
    for now in (True, False):
        board.sag(machine, now=now)
        said.append(machine.host().run(command, timeout_s=5).stdout)

    assert said == ["throttled=0x0\n", "throttled=0x10001\n", "throttled=0x10000\n"]


def test_given_a_boot_loader_when_its_version_is_asked_then_it_has_date_and_timestamp(world):
    machine = world.add_machine("0")

    said = machine.host().run(("/usr/bin/vcgencmd", "bootloader_version"), timeout_s=5).stdout

    first, version, timestamp, *_ = said.splitlines()
    assert first == "2025/02/11 12:00:00"
    assert version.startswith("version ")
    assert timestamp == "timestamp 1739275200"
