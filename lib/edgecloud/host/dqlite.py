"""Ask the datastore of MicroK8s, dqlite, who belongs to it, who leads it, and who answers."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, cast

from edgecloud import host
from edgecloud.host import failures, files

SHELL = "/snap/microk8s/current/bin/dqlite"
BACKEND = "/var/snap/microk8s/current/var/kubernetes/backend"
CURL = "/usr/bin/curl"
PORT = 19001
VOTER = 0

_QUERY_S = 20
_KNOCK_S = 3
_SILENCE = frozenset({6, 7, 28})
"""What curl ends with when nobody is there: no such host, refused, timed out."""
_ENTRY = re.compile(r"Address:\s*(\S+)\s+ID:\s*\d+\s+Role:\s*(\d)")


class DqliteError(failures.WorkloadError):
    """The datastore does not answer, or not in a way that can be understood."""


@dataclasses.dataclass(frozen=True, order=True)
class Member:
    """A member of the datastore."""

    address: str
    """Without the port."""
    role: int
    """0 for a voter, 1 for a stand-by, 2 for a spare."""


def members(machine: host.Host) -> tuple[Member, ...]:
    """Return the members as the datastore's leader has them now. Raises DqliteError."""
    text = _ask(machine, ".cluster", "-f", "json")
    try:
        rows = cast("list[dict[str, Any]]", json.loads(text))
        return tuple(sorted(Member(_plain(str(r["Address"])), int(r["Role"])) for r in rows))
    except (ValueError, KeyError, TypeError) as error:
        raise DqliteError(f"dqlite .cluster printed no members: {text[:200]}") from error


def heard(machine: host.Host) -> tuple[Member, ...]:
    """Return the members of which the leader told this machine last. Costs no process."""
    rows = _ENTRY.findall(files.read(machine, f"{BACKEND}/cluster.yaml"))
    return tuple(sorted(Member(_plain(address), int(role)) for address, role in rows))


def leader(machine: host.Host) -> str:
    """Return the address of the member that leads. Raises DqliteError."""
    return _plain(_ask(machine, ".leader").strip())


def answers(machine: host.Host, address: str) -> bool:
    """Return whether something listens at a member's place, right now.

    That a node is Ready says only that it was so a minute ago. The datastore lets nobody in
    without its certificate, so any answer but silence is a good one.
    """
    limit = ("--max-time", str(_KNOCK_S))
    command = (CURL, "--silent", "--insecure", *limit, f"https://{address}:{PORT}/")
    try:
        return machine.run(command, timeout_s=10, check=False).returncode not in _SILENCE
    except failures.FAILURES:
        return False


def _ask(machine: host.Host, statement: str, *options: str) -> str:
    base = ("-s", f"file://{BACKEND}/cluster.yaml")
    keys = ("-c", f"{BACKEND}/cluster.crt", "-k", f"{BACKEND}/cluster.key")
    command = (SHELL, *base, *keys, *options, "k8s", statement)
    try:
        return machine.run(command, timeout_s=_QUERY_S).stdout
    except failures.FAILURES as error:
        raise DqliteError(failures.explain(error, f"dqlite {statement}")) from error


def _plain(address: str) -> str:
    return address.rpartition(":")[0] or address
