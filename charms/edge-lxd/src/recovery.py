"""Bring LXD back after its majority is lost for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import membership
from edgecloud import host as machines
from edgecloud.host import failures, snap
from edgecloud.interfaces import lxd_cluster
from edgecloud.lxd import daemon
from view import View

READY_S = 60.0
TAR = "/usr/bin/tar"
FOLDER = "/var/lib/edge-lxd"

_TIMEOUT_S = 600


class RecoveryError(failures.WorkloadError):
    """Refused, or it failed; says why and what to do."""


def quorum(
    host: machines.Host, view: View | None, record: lxd_cluster.ClusterRecord, confirm: str
) -> dict[str, str]:
    """Make this member the only voter. Without the right confirmation only say what that means.

    Args:
        host: the survivor that knows most.
        view: how the cluster looks from here.
        record: the books.
        confirm: the first 12 digits of the cluster's certificate.
    """
    identity = (record.cluster or "")[:12]
    if view is not None and view.clustered and view.quorate:
        raise RecoveryError("the cluster has its majority: nothing is to be recovered")
    if not identity:
        raise RecoveryError("this unit knows of no cluster")
    if confirm != identity:
        return {"plan": _plan(record, identity)}
    at = daemon.find(host) or daemon.SNAP
    saved = f"{FOLDER}/database-before-recovery-{host.now():.0f}.tar"
    host.write(saved, "", mode=0o600)
    snap.stop(host, "lxd")
    try:
        command = (TAR, "--create", f"--file={saved}", f"--directory={at.folder}", "database")
        host.run(command, timeout_s=_TIMEOUT_S)
        daemon.recover_quorum(host, at)
    except failures.FAILURES as error:
        raise RecoveryError(failures.explain(error, "saving the database")) from error
    finally:
        snap.start(host, "lxd")
    daemon.wait_ready(host, at, timeout_s=READY_S)
    return {
        "result": "this member serves alone; run remove-member for each that is lost",
        "saved": saved,
    }


def anew(
    view: View | None,
    record: lxd_cluster.ClusterRecord,
    lost: Sequence[str],
    confirm: str,
    give_up: Callable[[str], object],
) -> dict[str, str]:
    """Give up a cluster of which no unit is left; unconfirmed, only say what that means.

    Args:
        view: how the cluster looks from here.
        record: the books.
        lost: the members of the cluster.
        confirm: what the operator typed.
        give_up: notes which cluster is given up, for the leader.
    """
    if view is not None and view.clustered:
        raise RecoveryError("this machine is in a cluster already: nothing is to begin anew")
    if not lost:
        raise RecoveryError(
            "a unit of the cluster is left, or not all units have met yet: wait, or see the"
            " status of the others"
        )
    identity = membership.identity(record)
    if confirm != identity:
        return {"plan": _plan_anew(lost, identity)}
    give_up(identity)
    return {"result": f"{', '.join(lost)} are given up: the units that there are begin anew"}


def _plan_anew(lost: Sequence[str], identity: str) -> str:
    return "\n".join(
        (
            f"members in the books: {', '.join(lost)}; no unit of theirs is left",
            "1. LXD may live on where their units were, with its instances: take out what you"
            " want to keep, by `lxc export`, or by recover-disk here if this machine has the"
            " disk of theirs.",
            "2. Make sure that none of them starts again before it is wiped: `snap remove --purge"
            " lxd` there. It would be a second cluster.",
            f"3. Run this action with confirm={identity}. The books forget them, and the units"
            " that there are begin a cluster of their own.",
        )
    )


def _plan(record: lxd_cluster.ClusterRecord, identity: str) -> str:
    names = ", ".join(member.name for member in membership.joined(record))
    return "\n".join(
        (
            f"members in the books: {names}",
            "1. Bring members back to life if that is possible: a majority is enough, and then"
            " nothing has to be recovered.",
            "2. If it is not, choose the survivor whose database is newest: the highest"
            " 'Dqlite last entry' in `lxd cluster list-database`, run on each.",
            "3. Make sure that the lost ones never start again before they are wiped.",
            f"4. Run this action on that survivor with confirm={identity}.",
            "5. Run remove-member for each that is lost, then remove their units.",
        )
    )
