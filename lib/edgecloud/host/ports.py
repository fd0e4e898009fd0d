"""Which ports of a machine are taken."""

from __future__ import annotations

from collections.abc import Collection

from edgecloud import host as machines
from edgecloud.host import failures

_TIMEOUT_S = 20


def taken(host: machines.Host, wanted: Collection[int]) -> tuple[int, ...]:
    """Return on which of these TCP ports something listens, in order; none if nobody can tell.

    Not to know is no reason to refuse a machine: what wants the port says so itself.
    """
    try:
        text = host.run(("/usr/bin/ss", "-H", "-ltn"), timeout_s=_TIMEOUT_S).stdout
    except failures.FAILURES:
        return ()
    rows = [line.split() for line in text.splitlines()]
    ports = {row[3].rpartition(":")[2] for row in rows if len(row) > 3}
    return tuple(sorted(int(port) for port in ports if port.isdigit() and int(port) in wanted))
