"""The boot loader's promise: a system on trial runs once, and the next boot is the old one."""

from __future__ import annotations

from edgecloud import host
from edgecloud.host import failures

FLAG = "/proc/device-tree/chosen/bootloader/tryboot"
REBOOT = "/usr/sbin/reboot"

_TIMEOUT_S = 120


def is_on_trial(machine: host.Host) -> bool:
    """Return whether this boot is a trial, as the boot loader itself recorded it."""
    try:
        return int.from_bytes(machine.path(FLAG).read_bytes(), "big") == 1
    except OSError:
        return False


def begin(machine: host.Host) -> None:
    """Boot the system on trial, once. Does not return where reboots are real."""
    _run(machine, (REBOOT, "0 tryboot"))


def reboot(machine: host.Host) -> None:
    """Boot what is the default."""
    _run(machine, (REBOOT,))


def _run(machine: host.Host, command: tuple[str, ...]) -> None:
    try:
        machine.run(command, timeout_s=_TIMEOUT_S)
    except failures.FAILURES as e:
        # systemd kills whoever asked, and that is not a failure of the reboot.
        raise OSError(failures.explain(e, "reboot")) from e
