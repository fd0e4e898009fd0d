"""Scheduled backups of the datastore that need no Juju; restoring one.

A timer of systemd takes the archives, with a copy of :mod:`archives`, so that they go on while
the Juju controller is away. Restoring merges: it is no way back in time.
"""

from __future__ import annotations

import datetime
import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import archives
import edgecloud
from edgecloud import host as hosts
from edgecloud.host import failures, files, systemd

UNIT = "edge-microk8s-backup"
PROGRAM = "/usr/local/lib/edge-microk8s"
SD_FOLDER = "/var/backups/edge-microk8s"
SSD_FOLDER = "/var/snap/microk8s/common/edge-backups"

RESTORE_TIMEOUT_S = 900
_OVERDUE_S = 8 * 86400

MERGES = (
    "Restoring merges: keys of the archive are created or overwritten; keys that came later stay."
)

_WORDS = ("minutely", "hourly", "daily", "weekly", "monthly", "quarterly", "yearly", "annually")
_RARE = _WORDS[4:]
_DAYS = "(mon|tue|wed|thu|fri|sat|sun)[a-z]*"
_NUMBERS = r"[0-9*~][0-9*,./~]*"
_CALENDAR = re.compile(
    rf"(?:{_DAYS}(?:(?:,|\.\.){_DAYS})* *)?"
    rf"(?:(?:{_NUMBERS}-)?{_NUMBERS}[-~]{_NUMBERS} *)?"
    rf"(?:{_NUMBERS}:{_NUMBERS}(?::{_NUMBERS})?)?"
    r"(?: +(?:utc|[A-Za-z]+/[A-Za-z_/]+))?",
    re.IGNORECASE,
)

_SERVICE = f"""\
[Unit]
Description=Back up the MicroK8s datastore
After=snap.microk8s.daemon-k8s-dqlite.service

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -B {PROGRAM}/archives.py
TimeoutStartSec={archives.BACKUP_TIMEOUT_S + 300}
UMask=0077
Nice=10
IOSchedulingClass=idle
"""

_TIMER = """\
[Unit]
Description=Back up the MicroK8s datastore regularly

[Timer]
OnCalendar={schedule}
Persistent=true
RandomizedDelaySec=300

[Install]
WantedBy=timers.target
"""


class BackupError(failures.WorkloadError):
    """A backup could not be scheduled, taken or restored."""


# --- the schedule ------------------------------------------------------------------------------


def calendar_problem(schedule: str) -> str | None:
    """Return what is wrong with a calendar event of systemd, or None. Empty means no backups."""
    text = schedule.strip()
    if not text or text.lower() in _WORDS:
        return None
    if _CALENDAR.fullmatch(text):
        return None
    return f"{text} is no calendar event of systemd, such as 'daily' or 'Mon..Fri 02:30'"


def folder(datastore: str) -> str:
    """Return where archives lie: with the datastore if that is on a disk that bears writing."""
    return SSD_FOLDER if datastore == "ssd" else SD_FOLDER


def _folders(datastore: str) -> tuple[str, str]:
    """Return where archives may lie, where they lie now first: the option may have changed."""
    now = folder(datastore)
    return now, SD_FOLDER if now == SSD_FOLDER else SSD_FOLDER


def ensure_schedule(host: hosts.Host, schedule: str, *, keep: int, datastore: str) -> bool:
    """Ensure that archives are taken on this schedule; on none if it is empty.

    Raises:
        BackupError: systemd does not understand the schedule, or failed.
    """
    if not schedule.strip():
        return remove_schedule(host)
    settings = json.dumps({"folder": folder(datastore), "keep": keep}, sort_keys=True)
    timer = _TIMER.format(schedule=schedule.strip())
    if timer != files.read(host, f"{systemd.UNITS}/{UNIT}.timer"):
        _check_with_systemd(host, schedule.strip())
    changed = host.write(archives.SETTINGS, settings + "\n", mode=0o600)
    for path, text in _program().items():
        changed = host.write(f"{PROGRAM}/{path}", text) or changed
    try:
        return systemd.ensure_timer(host, UNIT, service=_SERVICE, timer=timer) or changed
    except systemd.SystemdError as e:
        raise BackupError(str(e)) from e


def remove_schedule(host: hosts.Host) -> bool:
    """Take no more archives. Those that are there stay."""
    try:
        changed = systemd.remove_timer(host, UNIT)
    except systemd.SystemdError as e:
        raise BackupError(str(e)) from e
    for path in (archives.SETTINGS, archives.RESULT):
        changed = host.remove(path) or changed
    for path in _program():
        host.remove(f"{PROGRAM}/{path}")
    return changed


def _check_with_systemd(host: hosts.Host, schedule: str) -> None:
    try:
        host.run(("/usr/bin/systemd-analyze", "calendar", schedule), timeout_s=30)
    except failures.FAILURES as e:
        raise BackupError(f"backup-schedule: {failures.explain(e, 'systemd-analyze')}") from e


def _program() -> dict[str, str]:
    """Return the files that take archives without this charm, by their place."""
    shared = pathlib.Path(str(edgecloud.__file__)).parent
    return {
        "archives.py": pathlib.Path(archives.__file__).read_text(encoding="utf-8"),
        **{
            f"edgecloud/{part}": (shared / part).read_text(encoding="utf-8")
            for part in ("__init__.py", "host/__init__.py", "host/failures.py")
        },
    }


# --- what is there -----------------------------------------------------------------------------


def warning(result: Mapping[str, Any], schedule: str, now: float, *, since: float) -> str | None:
    """Return what the status should say about the last backup, or None if all is well.

    Args:
        result: of the last backup; empty if there was none.
        schedule: when there ought to be one.
        now: seconds since 1970 UTC.
        since: when this schedule was first kept.
    """
    if not schedule.strip():
        return None
    if result.get("error"):
        return f"the last backup failed: {result['error']}"
    is_rare = schedule.strip().lower() in _RARE or re.search(r"-0?[1-9]\d?\b", schedule)
    if not is_rare and now - float(result.get("at", since)) > _OVERDUE_S:
        last_at = f"since {_moment(float(result['at']))}" if "at" in result else "yet"
        return f"no backup {last_at}: run the action backup to see why"
    return None


def last(host: hosts.Host) -> dict[str, Any]:
    """Return the result of the last backup; nothing if there was none."""
    return files.read_state(host, archives.RESULT)


def take(host: hosts.Host, *, keep: int, datastore: str) -> dict[str, str]:
    """Take an archive now and return the results of the action.

    Raises:
        BackupError: there is no new archive.
    """
    where = folder(datastore)
    try:
        archive = archives.take(host, archives.Settings(where, keep))
    except archives.ArchiveError as e:
        raise BackupError(str(e)) from e
    return {"path": f"{where}/{archive.name}", **_described(archive)}


def listing(host: hosts.Host, *, datastore: str) -> dict[str, str]:
    """Read every archive back and return the results of the action, newest first.

    Those of another ``datastore`` are listed, too, with their place.
    """
    now, *others = _folders(datastore)
    found = [(name, where) for where in (now, *others) for name in archives.find(host, where)]
    lines = [
        _line(archives.inspect(host, where, name), "" if where == now else f"  in {where}")
        for name, where in sorted(found, key=lambda one: archives.taken_at(one[0]), reverse=True)
    ]
    return {"folder": now, "count": str(len(lines)), "backups": "\n".join(lines)}


def _line(archive: archives.Archive, place: str) -> str:
    state = archive.problem or f"{archive.keys} keys, good"
    return f"{archive.name}  {archive.size} bytes  {state}{place}"


def _described(archive: archives.Archive) -> Mapping[str, str]:
    return {
        "backup": archive.name,
        "taken": _moment(archive.taken) if archive.taken else "unknown",
        "size": str(archive.size),
        "keys": str(archive.keys),
    }


def _moment(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


# --- restoring ---------------------------------------------------------------------------------


def restore(
    host: hosts.Host, name: str, *, datastore: str, dry_run: bool = True
) -> dict[str, str]:
    """Write an archive's keys into the running datastore, and return the results of the action.

    Raises:
        BackupError: the archive is missing, renamed or damaged, or MicroK8s refused.
    """
    places = [where for where in _folders(datastore) if host.exists(f"{where}/{name}")]
    if name != pathlib.PurePosixPath(name).name or not places:
        raise BackupError(f"there is no {name} in {folder(datastore)}: see list-backups")
    where = places[0]
    archive = archives.inspect(host, where, name)
    if archive.problem:
        raise BackupError(archive.problem)
    results = {**_described(archive), "note": MERGES}
    if dry_run:
        return {**results, "result": "the archive is good; run again with dry-run=false"}
    command = (archives.MICROK8S, "dbctl", "restore", f"{where}/{name}")
    try:
        host.run(command, timeout_s=RESTORE_TIMEOUT_S)
    except failures.FAILURES as e:
        raise BackupError(failures.explain(e, "microk8s dbctl restore")) from e
    return {**results, "result": f"{archive.keys} keys written"}
