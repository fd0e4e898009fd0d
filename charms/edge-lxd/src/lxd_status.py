"""Say in one line how this member is, from what is known of it. Pure."""

from __future__ import annotations

import dataclasses

import membership
from edgecloud.interfaces import lxd_cluster
from edgecloud.lxd import cluster
from view import View

ACTIVE = "active"
BLOCKED = "blocked"
MAINTENANCE = "maintenance"
WAITING = "waiting"

LONGEST = 240
"""As much of a message as `juju status` shows without tearing its table apart."""

FULL = 0.85
"""From here on a pool is worth a word."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known at the end of a hook."""

    unit: str
    blockers: tuple[str, ...] = ()
    """What an operator has to mend."""
    troubles: tuple[str, ...] = ()
    """What failed in this hook and will be tried again."""
    installed: bool = False
    record: lxd_cluster.ClusterRecord = dataclasses.field(
        default_factory=lxd_cluster.ClusterRecord
    )
    view: View | None = None
    moved: str = ""
    """Where the others look for this machine in vain, if it is somewhere else now."""
    laggards: tuple[str, ...] = ()
    """Units with another build of LXD than this one."""
    lost: tuple[str, ...] = ()
    """Members of the cluster, if no unit of it is left that could let this machine in."""
    holding: str = ""
    """Why the steward does not act on the record now."""
    speaks_for_all: bool = False
    """Whether this unit reports on the whole cluster: the leader."""
    notes: tuple[str, ...] = ()
    """What is worth knowing but stops nothing."""


@dataclasses.dataclass(frozen=True)
class Line:
    """A status and its message."""

    status: str
    message: str


def judge(facts: Facts) -> Line:
    """Return the line for this member."""
    line = _judge(facts)
    return Line(line.status, line.message[:LONGEST])


def _judge(facts: Facts) -> Line:
    if facts.blockers:
        return Line(BLOCKED, "; ".join(facts.blockers))
    if not facts.installed:
        return Line(*(_trouble(facts) or (MAINTENANCE, "installing LXD")))
    if facts.moved:
        return Line(BLOCKED, _elsewhere(facts.moved))
    if facts.view is None:
        return Line(*_silent(facts))
    if not facts.view.clustered:
        return Line(*(_trouble(facts) or _outside(facts)))
    if not facts.view.quorate:
        return Line(
            BLOCKED,
            "the cluster has lost its majority: bring members back to life, or see recover-quorum",
        )
    return Line(*(_trouble(facts) or _inside(facts, facts.view)))


def _trouble(facts: Facts) -> tuple[str, str] | None:
    if not facts.troubles:
        return None
    return WAITING, f"trying again: {facts.troubles[0]}"


def _elsewhere(former: str) -> str:
    """Return the way out for a machine whose address has changed under its LXD."""
    return (
        f"this machine was {former} when it joined, and LXD's members know each other by address:"
        f" give it {former} back, for good (a reservation in DHCP, or netplan)"
    )


def _silent(facts: Facts) -> tuple[str, str]:
    """Return the line of a member whose daemon has no socket."""
    if facts.laggards:
        return BLOCKED, (
            f"LXD waits for the same build on {', '.join(facts.laggards)}: upgrade"
            " them, or remove-member those that are gone"
        )
    return WAITING, "LXD does not answer on this machine"


def _outside(facts: Facts) -> tuple[str, str]:
    """Return the line of a machine that is not in the cluster yet."""
    record = facts.record
    if facts.lost:
        names = ", ".join((*facts.lost[:3], *["…"] * (len(facts.lost) > 3)))
        return BLOCKED, (
            f"no unit is left of {names}, which could let this machine in: run begin-anew, which"
            " shows what that takes and changes nothing by itself"
        )
    if record.founder == facts.unit and record.cluster is None:
        return MAINTENANCE, "beginning the cluster"
    if record.cluster is None:
        return WAITING, "waiting for the cluster to begin"
    admission = record.admission
    if admission is not None and admission.unit == facts.unit:
        return MAINTENANCE, f"joining the cluster (attempt {admission.attempt})"
    refusal = membership.refusal_of(record, facts.unit)
    if refusal is not None:
        return WAITING, f"joining again soon: {refusal.reason}"
    by = f": {record.steward} lets one in at a time" if record.steward else ""
    return WAITING, f"waiting for its turn to join the cluster{by}"


def _inside(facts: Facts, view: View) -> tuple[str, str]:
    """Return the line of a member."""
    if facts.record.cluster not in (None, view.fingerprint):
        return BLOCKED, (
            "this machine is in another cluster than its application: remove the unit, wipe the"
            " machine, add it again"
        )
    mine = view.member(view.name)
    parts = [summary(view) if facts.speaks_for_all else "member online"]
    if mine is not None and mine.status is cluster.Status.EVACUATED:
        parts = [parts[0] if facts.speaks_for_all else "evacuated: `restore` puts it into service"]
    if mine is not None and mine.status is cluster.Status.OFFLINE:
        return WAITING, "the other members do not hear from this one"
    return ACTIVE, "; ".join(part for part in (*parts, facts.holding, *facts.notes) if part)


def summary(view: View) -> str:
    """Return the cluster in a few words: ``3/3 members online, 3 voters``."""
    online = sum(view.is_online(member.name) for member in view.members)
    voters = sum(member.votes for member in view.members)
    words = "1 voter" if voters == 1 else f"{voters} voters"
    text = f"{online}/{len(view.members)} members online, {words}"
    silent = [member.name for member in view.members if not view.is_online(member.name)]
    away = [m.name for m in view.members if m.status is cluster.Status.EVACUATED]
    if silent:
        text += f"; {', '.join(silent)} silent"
    if away:
        text += f"; {', '.join(away)} evacuated"
    if len(view.members) == 2:
        text += "; two members are less available than one: add a third"
    return text
