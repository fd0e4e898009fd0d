"""Whether an update-status has anything to do beyond a look at the cluster.

Juju tells a unit of everything that changes in its options and databags by a hook of its own. So
when a unit last found all well, the next update-status only has to see whether the cluster and
the machine still look the same. On a Pi that is the hook that runs most, by far.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import heartbeats
import microk8s
from edgecloud import host as machines
from edgecloud.host import files, kubectl

STATE = f"{microk8s.STATE}/calm.json"

LASTS_S = 1800
"""After this long everything is looked at again: files that somebody edited, certificates."""

_WATCHED = (
    f"{microk8s.BACKEND}/cluster.yaml",
    f"{microk8s.STATE}/backup-result.json",
    f"{microk8s.STATE}/restart.json",
)

Lines = Mapping[str, list[str]]
"""Status and message by whom they are of: ``unit`` and, on the leader, ``app``."""


def remember(host: machines.Host, seen: heartbeats.Seen, lines: Lines, *, leader: bool) -> None:
    """Note that all is well and nothing is left to do, with these nodes and these statuses."""
    known = files.read_state(host, STATE)
    found = {"lines": dict(lines), "looks": _digest(host, seen), "leader": leader}
    fresh = host.now() - float(known.get("at", 0)) < LASTS_S / 2
    if fresh and {**known, **found} == known:
        return
    files.write_state(host, STATE, {**found, "at": host.now()})


def forget(host: machines.Host) -> None:
    """Have the next hook look at everything."""
    host.remove(STATE)


def still(host: machines.Host, *, leader: bool) -> Lines | None:
    """Return what the statuses said if all is still as it was; None if it has to be looked at."""
    known = files.read_state(host, STATE)
    if not known or known.get("leader") != leader:
        return None
    if not 0 <= host.now() - float(known["at"]) < LASTS_S:
        return None
    try:
        seen = heartbeats.look(host, microk8s.kubeconfig(host))
    except kubectl.KubectlError:
        return None
    return known["lines"] if _digest(host, seen) == known["looks"] else None


def _digest(host: machines.Host, seen: heartbeats.Seen) -> str:
    """Return a digest of how the cluster and this machine look."""
    ordered = sorted(seen.nodes, key=lambda node: node.name)
    looks = [
        repr(ordered),
        repr(dict(seen.remarks)),
        *(files.read(host, path) for path in _WATCHED),
    ]
    return hashlib.sha256("\n".join(looks).encode()).hexdigest()
