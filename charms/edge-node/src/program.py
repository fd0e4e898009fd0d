"""Keep the agent's program on this machine the one that this charm brought, at safe moments."""

from __future__ import annotations

import os
import pathlib
import typing

from edgecloud import host as machines
from edgecloud.agent import archive, paths, units
from edgecloud.host import files
from edgecloud.lxd_member import renewal
from edgecloud.metrics import node

if typing.TYPE_CHECKING:
    from edgecloud.rollout import state

STAMP = "/var/lib/edge-node/program"
LEFT = (
    paths.SETTINGS,
    paths.INBOX,
    paths.OUTBOX,
    paths.REJOIN,
    paths.SEEN,
    paths.GAUGES,
    f"{node.FOLDER}/{node.TEXTFILE}",
    renewal.WISH,
)
"""What means nothing without the agent. Journal and backups stay: they are evidence."""

_LIBRARY = pathlib.Path(archive.__file__).resolve().parents[2]


def ensure(host: machines.Host) -> bool:
    """Put program and units in place. Return false if that has to wait for the agent.

    The program is replaced only while no wake-up runs, and not in the middle of an upgrade: the
    one that began it ends it.
    """
    wanted = stamp()
    if files.read(host, STAMP).strip() != wanted or not host.exists(units.PROGRAM):
        if not is_safe(host):
            return False
        from edgecloud.agent import wake_lock  # Once in the life of a program.

        try:
            with wake_lock.lock(host):
                _install(host, archive.build(_LIBRARY))
        except wake_lock.BusyError:
            return False
        host.write(STAMP, wanted + "\n")
    units.ensure(host)
    return True


def is_safe(host: machines.Host) -> bool:
    """Return whether the agent may be replaced or taken away now."""
    from edgecloud.agent import journal  # A hook that changes nothing needs none of these.
    from edgecloud.rollout import state

    found = journal.Journal(host).node
    # In REGRESSED nothing is under way: the node waits for leave to go back.
    still = {state.State.SOAKING, state.State.REGRESSED}
    return (
        found is None
        or found.state in state.RESTING | state.UNTOUCHED | still
        or _waits_for_another(found)
    )


def _waits_for_another(found: state.Node) -> bool:
    """Return whether nodes in LXD are being replaced, which the unit beside does and ends."""
    is_hosted = found.work is not None and found.work.part.startswith(renewal.KIND)
    return is_hosted and found.state.value == "applying"


def retire(host: machines.Host) -> bool:
    """Let the agent begin nothing more. Return false while it is in the middle of something."""
    from edgecloud.agent import wake_lock

    try:
        with wake_lock.lock(host):
            if not is_safe(host):
                return False
            host.remove(paths.INBOX)
    except wake_lock.BusyError:
        return False
    return True


def is_outdated(host: machines.Host) -> bool:
    """Return whether another program than this charm's is in place."""
    return files.read(host, STAMP).strip() != stamp()


def remove(host: machines.Host) -> None:
    """Take the agent off this machine, and every secret that was left for it."""
    for path in LEFT:  # First, because there are secrets among them.
        host.remove(path)
    units.remove(host)
    for path in (units.PROGRAM, STAMP):
        host.remove(path)


def stamp() -> str:
    """Return what tells this revision's program from another's, for the price of one look.

    Juju writes every file of a charm anew when it is refreshed, also those that did not change.
    """
    status = pathlib.Path(archive.__file__).stat()
    return f"{status.st_ino} {status.st_mtime_ns}"


def _install(host: machines.Host, content: bytes) -> None:
    """Put the file in place in one step: the host writes text only."""
    target = host.path(units.PROGRAM)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.chmod(0o755)
    part.replace(target)
