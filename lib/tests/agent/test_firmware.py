"""The boot loader in the EEPROM: its own kind of plan, without a way back."""

import pytest

from edgecloud.rollout import state
from edgelab import pi

State = state.State
IMAGE = "/lib/firmware/raspberrypi/bootloader-2712/default/pieeprom-2025-08-13.bin"


def firmware_plan(site):
    return site.plan(targets={"firmware": {"eeprom": "2025-08-13"}})


def order(site, verb):
    site.order(0, verb, firmware_plan(site), part="firmware/2025-08-13")
    site.wake(0)


def test_given_the_package_when_granted_then_it_is_written_at_a_reboot_and_soaks(single):
    single.host(0).write(IMAGE, "")
    single.machine(0).faults.add(pi.Fault(("reboot",), pi.cut_after()))
    order(single, "prepare")

    with pytest.raises(pi.PowerCut):
        order(single, "grant")
    single.machine(0).power_on()
    single.wait(90)
    single.synchronise(0)
    single.wake(0)

    assert single.node(0).state is State.SOAKING
    assert not single.kube(0).cordoned


def test_given_no_package_when_prepared_then_nothing_is_disturbed(single):
    order(single, "prepare")

    assert single.node(0).state is State.FAILED_SAFE
    assert "not installed" in single.node(0).reason


def test_given_a_writer_that_fails_when_applied_then_it_is_quarantined_not_retried(single):
    single.host(0).write(IMAGE, "")
    single.machine(0).faults.add(pi.Fault(("rpi-eeprom-update",), pi.fail(1, "no")))
    order(single, "prepare")

    order(single, "grant")

    assert single.node(0).state is State.QUARANTINED
    assert single.node(0).burnt == ("eeprom:2025-08-13",)
