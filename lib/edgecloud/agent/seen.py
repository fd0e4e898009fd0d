"""How much time passed with this machine seen alive, which is what a soak counts.

The span between two wake-ups of one boot counts, but never more than a few turns of the timer: a
clock that jumps must not end a soak.
"""

from __future__ import annotations

import contextlib

from edgecloud import host
from edgecloud.agent import paths
from edgecloud.host import files

MOST_S = 300


def seconds(machine: host.Host, boot: str) -> int:
    """Return the seconds since the last wake-up in this boot, and note this one."""
    now = machine.now()
    last = files.read_state(machine, paths.SEEN)
    with contextlib.suppress(OSError):  # On a full disk, the time until there is room is lost.
        files.write_state(machine, paths.SEEN, {"boot": boot, "at": now})
    if last.get("boot") != boot:
        return 0
    return int(min(max(0.0, now - float(last.get("at", now))), MOST_S))
