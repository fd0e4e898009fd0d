"""A step of the boot loader in the EEPROM, which has no second slot and therefore no way back.

Raspberry Pi's own program has it written at the next boot, from a file on this machine.
"""

from __future__ import annotations

from edgecloud.agent import boot_loader, trial
from edgecloud.agent import context as contexts
from edgecloud.agent.context import Context, EffectError, Look
from edgecloud.host import failures

UPDATE = "/usr/bin/rpi-eeprom-update"
IMAGES = "/lib/firmware/raspberrypi/bootloader-*/*/pieeprom-{date}.bin"

_WRITE_S = 300


def _look(context: Context) -> Look:
    runs = boot_loader.date(context.machine)
    running = f"eeprom:{runs}" if runs else ""
    staged = context.work.target if _image(context) else ""
    return Look(running=running, default=running, staged=staged)


def _image(context: Context) -> str:
    """Return the file of the wanted boot loader; empty if this machine has none."""
    wanted = context.work.target.partition(":")[2]
    found = context.machine.glob(IMAGES.format(date=wanted))
    return found[-1] if found else ""


def _check(context: Context) -> None:
    wanted = context.work.target.partition(":")[2]
    runs, firmware = boot_loader.date(context.machine), context.plan.targets.firmware
    if not runs:
        raise EffectError("the board does not say which boot loader it runs")
    if runs > wanted and not (firmware and firmware.accept_old):
        raise EffectError(f"the boot loader of {runs} is newer")


def _stage(context: Context) -> None:
    if not _image(context):
        raise EffectError("the package with this boot loader is not installed")


def _apply(context: Context) -> None:
    """Hand the file over to the boot loader, which writes it at the next boot."""
    command = (UPDATE, "-d", "-f", _image(context))
    try:
        context.machine.run(command, timeout_s=_WRITE_S)
    except failures.FAILURES as e:
        raise EffectError(failures.explain(e, "rpi-eeprom-update")) from e


def _reboot(context: Context) -> None:
    trial.reboot(context.machine)
    context.await_reboot()


def _roll_back(context: Context) -> None:
    raise EffectError("a boot loader has no way back")


DRIVER = contexts.Driver(
    look=_look,
    check=_check,
    stage=_stage,
    back_up=contexts.nothing,
    apply=_apply,
    roll_back=_roll_back,
    reboot=_reboot,
    commit=contexts.nothing,
)
