"""What snapd is doing or did to a snap, and files of snaps that wait to be installed."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from edgecloud import host
from edgecloud.host import failures, snap

_QUERY_S = 60
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Change:
    """One line of ``snap changes``."""

    id: int
    status: str
    summary: str

    @property
    def is_open(self) -> bool:
        """Whether snapd is still at it."""
        return self.status in ("Do", "Doing", "Undoing", "Abort", "Wait")

    @property
    def is_undone(self) -> bool:
        """Whether snapd took it back."""
        return self.status in ("Error", "Undone", "Hold")


def changes(machine: host.Host, name: str) -> list[Change]:
    """Return the changes that concern a snap, the oldest first."""
    try:
        result = machine.run((snap.SNAP, "changes"), timeout_s=_QUERY_S, check=False)
    except failures.FAILURES as e:
        raise snap.SnapError(failures.explain(e, "snap changes")) from e
    rows = (re.split(r"\s{2,}", line.strip()) for line in result.stdout.splitlines()[1:])
    found = [
        Change(int(row[0]), row[1].split()[0], row[-1])
        for row in (_joined(row) for row in rows)
        if row and row[0].isdigit()
    ]
    names = re.compile(rf'["“/ ]{re.escape(name)}["”_ ]')
    return [change for change in found if names.search(change.summary)]


def _joined(row: list[str]) -> list[str]:
    """Split the number from the status where a single space stands between them."""
    return [*row[0].split(maxsplit=1), *row[1:]] if row and row[0] else []


def newest(machine: host.Host, name: str) -> int:
    """Return the number of the last change of a snap; 0 if there was none."""
    return max((change.id for change in changes(machine, name)), default=0)


def watch(machine: host.Host, change: int, timeout_s: float) -> None:
    """Wait for a change to end. One that does not end in time is given up, and undone."""
    try:
        machine.run((snap.SNAP, "watch", str(change)), timeout_s=timeout_s)
    except subprocess.TimeoutExpired as e:
        abort(machine, change)
        raise snap.SnapError(failures.explain(e, "snap watch")) from e
    except failures.FAILURES as e:
        raise snap.SnapError(failures.explain(e, "snap watch")) from e


def abort(machine: host.Host, change: int) -> None:
    """Tell snapd to take a change back."""
    machine.run((snap.SNAP, "abort", str(change)), timeout_s=_QUERY_S, check=False)


def settle(machine: host.Host, name: str, timeout_s: float) -> None:
    """Wait until snapd is done with a snap, whatever the end of it."""
    for change in changes(machine, name):
        if change.is_open:
            try:
                watch(machine, change.id, timeout_s)
            except snap.SnapError:
                continue  # How it ended is asked of the facts.


def download(
    machine: host.Host,
    name: str,
    folder: str,
    *,
    revision: str,
    channel: str,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
) -> str:
    """Fetch a snap and its assertion; return the file's path."""
    machine.path(folder).mkdir(parents=True, exist_ok=True)
    present = _present(machine, name, folder, revision)
    if present:
        return present
    options = [f"--target-directory={folder}"]
    options += [f"--revision={revision}"] if revision else [f"--channel={channel}"]
    try:
        machine.run((snap.SNAP, "download", name, *options), timeout_s=timeout_s, env=env)
    except failures.FAILURES as e:
        raise snap.SnapError(failures.explain(e, "snap download")) from e
    found = _present(machine, name, folder, revision)
    if not found:
        raise snap.SnapError(f"snap download of {name} left no file")
    return found


def _present(machine: host.Host, name: str, folder: str, revision: str) -> str:
    pattern = f"{folder}/{name}_{revision or '*'}.snap"
    files = [path for path in machine.glob(pattern) if machine.exists(assertion(path))]
    return files[-1] if files else ""


def assertion(file: str) -> str:
    """Return where the assertion of a snap's file lies."""
    return file.removesuffix(".snap") + ".assert"


def revision_of(file: str) -> str:
    """Return the revision in the name that ``snap download`` gives a file."""
    return file.rpartition("_")[2].removesuffix(".snap")


def sha3_384(machine: host.Host, file: str) -> str:
    """Return the digest of a file, in the form of which snapd's assertions speak."""
    sum_ = hashlib.sha3_384()
    with machine.path(file).open("rb") as source:
        while block := source.read(_BLOCK):
            sum_.update(block)
    return sum_.hexdigest()


def install(machine: host.Host, file: str, *, classic: bool, timeout_s: float) -> None:
    """Install a file, or move an installed snap to it, under the store's own assertion."""
    options = ("--classic",) if classic else ()
    try:
        machine.run((snap.SNAP, "ack", assertion(file)), timeout_s=_QUERY_S)
        machine.run((snap.SNAP, "install", *options, file), timeout_s=timeout_s)
    except failures.FAILURES as e:
        raise snap.SnapError(failures.explain(e, "snap install")) from e


def revert(machine: host.Host, name: str, revision: str, timeout_s: float) -> None:
    """Go back to a revision that snapd still has, and to its data as they were."""
    try:
        machine.run((snap.SNAP, "revert", name, f"--revision={revision}"), timeout_s=timeout_s)
    except failures.FAILURES as e:
        raise snap.SnapError(failures.explain(e, "snap revert")) from e
