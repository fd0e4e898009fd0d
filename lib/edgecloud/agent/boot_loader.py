"""The boot loader in the EEPROM: which one runs, and whether trials may rest on it."""

from __future__ import annotations

import re

from edgecloud import host
from edgecloud.agent import hardware
from edgecloud.agent.context import Context, EffectError
from edgecloud.host import failures

DEPENDABLE = "2025-08-13"
"""From here on it walks on to the next partition where one does not boot, without being told."""

_QUERY_S = 30
_VERSION = re.compile(r"^(\d{4})/(\d\d)/(\d\d)", re.MULTILINE)


def date(machine: host.Host) -> str:
    """Return the date of the boot loader that runs; empty if the board does not say."""
    try:
        said = machine.run((hardware.VCGENCMD, "bootloader_version"), timeout_s=_QUERY_S).stdout
    except failures.FAILURES:
        return ""
    found = _VERSION.search(said)
    return "-".join(found.groups()) if found else ""


def check(context: Context) -> None:
    """Refuse a trial on a boot loader that is too old for it, unless the plan accepts that."""
    system, runs = context.plan.targets.os, date(context.machine)
    accepts = system is not None and system.accept_old_eeprom
    if runs and runs < DEPENDABLE and not accepts:
        raise EffectError(f"the boot loader of {runs} is older than {DEPENDABLE}")
