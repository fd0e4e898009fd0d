"""Drive snapd: what is installed, install, hold, refresh, remove, and the services of a snap."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import re
import subprocess
from collections.abc import Sequence

from edgecloud import host
from edgecloud.host import failures

SNAP = "/usr/bin/snap"

QUERY_S = 60
CHANGE_S = 1800
"""A Pi with a slow card and a slow uplink needs many minutes to install a snap."""

_NONE = re.compile("no matching snaps|no snaps are installed", re.IGNORECASE)
_HOLD_DAYS = 60
"""As far ahead as a snapd that knows no ``--hold`` lets refreshes be put off."""


class SnapError(failures.WorkloadError):
    """Snapd refused or failed; ``busy`` if only because it is at work on this snap already."""

    def __init__(self, message: str):
        super().__init__(message)
        self.busy = "change in progress" in message


@dataclasses.dataclass(frozen=True)
class Snap:
    """An installed snap."""

    name: str
    version: str
    revision: str
    """A number, or ``x1`` and so on if it was installed without assertions."""
    channel: str
    """What it tracks; empty if it was installed from a file."""
    held: bool
    classic: bool


def info(host: host.Host, name: str) -> Snap | None:
    """Return what is installed under this name."""
    try:
        text = host.run((SNAP, "list", name), timeout_s=QUERY_S).stdout
    except subprocess.CalledProcessError as error:
        if _NONE.search(error.stderr):
            return None
        raise SnapError(failures.explain(error, "snap list")) from error
    except failures.FAILURES as error:
        raise SnapError(failures.explain(error, "snap list")) from error
    return next((snap for snap in map(_parse, text.splitlines()[1:]) if snap.name == name), None)


def installed(host: host.Host, *, timeout_s: float = QUERY_S) -> tuple[Snap, ...]:
    """Return every installed snap."""
    try:
        text = host.run((SNAP, "list"), timeout_s=timeout_s).stdout
    except subprocess.CalledProcessError as error:
        if _NONE.search(error.stderr):
            return ()
        raise SnapError(failures.explain(error, "snap list")) from error
    except failures.FAILURES as error:
        raise SnapError(failures.explain(error, "snap list")) from error
    return tuple(map(_parse, text.splitlines()[1:]))


def all_held(host: host.Host, *, timeout_s: float = QUERY_S) -> bool:
    """Return whether refreshes of all snaps are put off now."""
    now = datetime.datetime.fromtimestamp(host.now(), datetime.timezone.utc)
    return _lasts(_put_off_until(host, timeout_s), now)


def install(
    host: host.Host,
    name: str,
    *,
    channel: str,
    classic: bool = False,
    revision: str | None = None,
) -> bool:
    """Install a snap from the store if it is not there. Return whether it was missing."""
    if info(host, name) is not None:
        return False
    options = [f"--channel={channel}"]
    options += [f"--revision={revision}"] if revision else []
    options += ["--classic"] if classic else []
    _run(host, "install", name, *options)
    return True


def install_files(
    host: host.Host, files: Sequence[str], *, classic: Sequence[str] = ()
) -> list[str]:
    """Install snaps from files, those that others need first. Return what was installed.

    A snap with its ``.assert`` file beside it is installed as the store's own: it keeps its
    revision number and can be refreshed later. One without is installed as ``--dangerous``.

    Args:
        host: the machine.
        files: paths of ``NAME_REVISION.snap`` files.
        classic: names of the snaps that need ``--classic``.
    """
    for file in sorted(files, key=_order):
        assertion = file.removesuffix(".snap") + ".assert"
        asserted = host.exists(assertion)
        if asserted:
            _run(host, "ack", assertion)
        options = [] if asserted else ["--dangerous"]
        options += ["--classic"] if name_of(file) in classic else []
        _run(host, "install", *options, file)
    return sorted(map(name_of, files))


def name_of(file: str) -> str:
    """Return the snap's name from the name that ``snap download`` gives its file."""
    return pathlib.PurePosixPath(file).stem.partition("_")[0]


def hold(host: host.Host, name: str) -> bool:
    """Keep snapd from refreshing a snap by itself. Return whether anything changed.

    Where snapd is too old to hold one snap, refreshes of all are put off as far as it allows;
    call this regularly and the date moves on.
    """
    snap = info(host, name)
    if snap is None or snap.held:
        return False
    try:
        _run(host, "refresh", "--hold", name)
    except SnapError as error:
        if "unknown flag" not in str(error):
            raise
        return _put_off(host)
    return True


def unhold(host: host.Host, name: str) -> bool:
    """Let snapd refresh a snap by itself again. Return whether anything changed."""
    snap = info(host, name)
    if snap is None or not snap.held:
        return False
    _run(host, "refresh", "--unhold", name)
    return True


def refresh(host: host.Host, name: str, *, channel: str = "", revision: str = "") -> None:
    """Move a snap to what a channel holds, or to one revision. A hold does not prevent it."""
    options = [f"--channel={channel}"] if channel else []
    options += [f"--revision={revision}"] if revision else []
    _run(host, "refresh", name, *options)


def remove(host: host.Host, name: str) -> bool:
    """Remove a snap with all its data, no snapshot kept. Return whether it was there."""
    if info(host, name) is None:
        return False
    _run(host, "remove", name, "--purge")
    return True


def restart(host: host.Host, *names: str) -> None:
    """Restart services (``SNAP.SERVICE``), or all of a snap (``SNAP``)."""
    _run(host, "restart", *names)


def start(host: host.Host, *names: str) -> None:
    """Start services, or all of a snap."""
    _run(host, "start", *names)


def stop(host: host.Host, *names: str) -> None:
    """Stop services, or all of a snap, until the next start or boot."""
    _run(host, "stop", *names)


def services(host: host.Host, name: str) -> dict[str, bool]:
    """Return the services of a snap (``SNAP.SERVICE``) and whether each is active."""
    rows = [line.split() for line in _run(host, "services", name).splitlines()[1:]]
    return {row[0]: row[2] == "active" for row in rows if len(row) > 2}


def _run(host: host.Host, subcommand: str, *arguments: str) -> str:
    command = (SNAP, subcommand, *arguments)
    try:
        return host.run(command, timeout_s=CHANGE_S).stdout
    except failures.FAILURES as error:
        raise SnapError(failures.explain(error, f"snap {subcommand}")) from error


def _parse(line: str) -> Snap:
    name, version, revision, tracking, _, notes = line.split()
    marks = notes.split(",")
    channel = "" if tracking == "-" else tracking
    return Snap(name, version, revision, channel, "held" in marks, "classic" in marks)


def _order(file: str) -> tuple[int, str]:
    """Sort snapd before the bases, and these before what runs on them."""
    name = name_of(file)
    if name == "snapd":
        return 0, file
    return (1 if name.startswith(("core", "bare")) else 2), file


def _put_off(host: host.Host) -> bool:
    """Put refreshes of all snaps off, unless they are put off for long enough already."""
    now = datetime.datetime.fromtimestamp(host.now(), datetime.timezone.utc)
    if _lasts(_put_off_until(host), now + datetime.timedelta(days=_HOLD_DAYS / 2)):
        return False
    until = now + datetime.timedelta(days=_HOLD_DAYS)
    _run(host, "set", "system", f"refresh.hold={until.strftime('%Y-%m-%dT%H:%M:%SZ')}")
    return True


def _put_off_until(host: host.Host, timeout_s: float = QUERY_S) -> str:
    command = (SNAP, "get", "system", "refresh.hold")
    try:
        return host.run(command, timeout_s=timeout_s, check=False).stdout.strip()
    except failures.FAILURES as error:
        raise SnapError(failures.explain(error, "snap get")) from error


def _lasts(hold: str, until: datetime.datetime) -> bool:
    """Return whether a hold reaches at least to this time."""
    if hold == "forever":
        return True
    try:
        end = datetime.datetime.fromisoformat(hold.replace("Z", "+00:00"))
    except ValueError:
        return False
    return end.tzinfo is not None and end >= until
