"""What a hook looks up and ensures on this member, from modules that know one thing each."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import cluster_setup
import departure
import disks
import host_tuning
import joining
import lxd_status
import metrics
import pools
import site_network
from edgecloud import host as machines
from edgecloud.host import failures, files, snap, systemd
from edgecloud.interfaces import lxd_cluster
from edgecloud.lxd import client, daemon, errors, notices, server, storage
from view import View, connect


class MachineError(failures.WorkloadError):
    """This machine does not say what it is."""


class NotEmptyError(Exception):
    """This LXD holds something that joining would make it forget."""


READY_S = 30.0
"""What a daemon is given to come back before its machine is cleared."""

_DATABASE = f"{daemon.SNAP.folder}/database"
_UNIT = "snap.lxd.daemon.service"
_NOTE = "/var/snap/lxd/common/state"
"""Where the snap notes why its daemon is about to end; the next start empties it."""

UNFIT = (
    NotEmptyError,
    cluster_setup.SetupError,
    disks.NoDiskError,
    pools.KindError,
    site_network.NoNetworkError,
)
"""What only an operator can mend."""


def architecture(host: machines.Host) -> str:
    """Return the machine's architecture, as the snap store names it. Raises MachineError."""
    try:
        return host.run(("/usr/bin/dpkg", "--print-architecture"), timeout_s=20).stdout.strip()
    except failures.FAILURES as e:
        raise MachineError(failures.explain(e, "dpkg --print-architecture")) from e


def check_empty(lxd: client.Client) -> None:
    """Raise NotEmptyError if this daemon holds something that joining would make it forget."""
    held = daemon.holdings(lxd)
    if held:
        shown = ", ".join(held[:4])
        raise NotEmptyError(
            f"this LXD holds {shown}, which joining would make it forget: move it away and delete"
            " it, then this unit goes on"
        )


def place(host: machines.Host, view: View | None, wish: str) -> disks.Place:
    """Return where this member keeps its instances: what its pool says, once it has one.

    Raises disks.NoDiskError and errors.LxdError.
    """
    lxd = connect(host)
    if lxd is None:
        return disks.Place()
    path = client.url("storage-pools", cluster_setup.POOL)
    found = lxd.find(path, {"target": view.name if view is not None else ""})
    if found is not None:
        source = str(found.get("config", {}).get("source", ""))
        return disks.Place(source if source.startswith("/dev/") else "")
    if wish.startswith("/dev/") and not host.exists(wish):
        raise disks.NoDiskError(f"disk={wish} is not there: attach it, or name another")
    seen = server.resources(lxd).disks
    return disks.choose(seen, disks.occupied(host, seen), wish)


def ensure_shared(lxd: client.Client, view: View, wish: cluster_setup.Wish) -> tuple[str, ...]:
    """Have what the whole cluster shares. Return which profile keys differ and stay so."""
    if wish.driver not in view.drivers:
        raise cluster_setup.SetupError(
            f"this machine has no {wish.driver}: install it (`sudo apt-get install btrfs-progs`),"
            " or set storage-driver=dir, without snapshots"
        )
    names = [member.name for member in view.members]
    cluster_setup.ensure_pools(lxd, wish, view.name, names)
    cluster_setup.ensure_network(lxd, wish, view.name, names)
    return cluster_setup.ensure_profiles(lxd, wish)


def ensure_own(
    host: machines.Host, lxd: client.Client, name: str, wish: cluster_setup.Wish, address: str
) -> None:
    """Have what this member has for itself."""
    cluster_setup.ensure_own(lxd, wish, name)
    metrics.ensure(host, lxd, name, address)


def notes(host: machines.Host, lxd: client.Client, view: View) -> list[str]:
    """Return what is worth knowing but stops nothing."""
    found: list[str] = []
    try:
        fill = storage.space(lxd, cluster_setup.POOL, view.name).fill
        worst = notices.every(lxd, at_least=notices.Severity.MODERATE)
    except errors.LxdError:
        return found
    if fill >= lxd_status.FULL:
        found.append(f"pool {cluster_setup.POOL} is {fill:.0%} full")
    mine = [one for one in worst if one.member in ("", view.name)]
    if mine:
        found.append(f"LXD warns: {mine[0].kind}")
    changed = host_tuning.drifted(host)
    if changed:
        found.append(f"kernel settings changed: {', '.join(changed[:3])}")
    return found


def laggards(reports: Mapping[str, lxd_cluster.MemberReport], unit: str) -> tuple[str, ...]:
    """Return the units that have another build of LXD than this one, on the same architecture."""
    mine = reports.get(unit, lxd_cluster.MemberReport())
    return tuple(
        sorted(
            name
            for name, report in reports.items()
            if report.revision and mine.revision
            if report.arch == mine.arch and report.revision != mine.revision
        )
    )


def remove(host: machines.Host) -> None:
    """Leave nothing of the cluster on this machine, unless instances are still here."""
    if not (_is_there(host) and _may_be_inhabited(host)):
        lxd = connect(host)
        if lxd is not None:
            with contextlib.suppress(errors.LxdError):
                cluster_setup.remove_bridge(lxd)
        snap.remove(host, "lxd")
    metrics.remove(host)
    host_tuning.remove(host)
    host.remove(joining.MEMORY)


def wake(host: machines.Host) -> bool:
    """Have a daemon that hangs answer again, if there is one. Return whether it does."""
    return _is_there(host) and _asked(host) is not None


def _is_there(host: machines.Host) -> bool:
    return connect(host) is not None or host.exists(_DATABASE)


def _may_be_inhabited(host: machines.Host) -> bool:
    """Return whether instances are here; without an answer, nothing is deleted that may be all."""
    found = _asked(host)
    return found is None or bool(found)


def _asked(host: machines.Host) -> tuple[str, ...] | None:
    """Return the instances that are here, or None if the daemon cannot be had to say.

    One that waits for the others' build, or was stopped, does not answer. One that has left its
    cluster starts anew, perhaps just when it is asked, and may hang at that: so it is reloaded,
    which no instance notices, and asked again. One that hangs heeds no reload; but while that is
    noted, a restart ends it by force and spares the instances, too. Without the note it would
    stop them.
    """
    found = _inhabitants(host)
    with contextlib.suppress(systemd.SystemdError):
        if found is None:
            systemd.reload(host, _UNIT)
            found = _inhabitants(host)
        if found is None and files.read(host, _NOTE).strip() == "reload":
            systemd.restart(host, _UNIT)
            found = _inhabitants(host)
    return found


def _inhabitants(host: machines.Host) -> tuple[str, ...] | None:
    """Return the instances that are here, or None if the daemon does not say."""
    with contextlib.suppress(errors.LxdError):
        daemon.wait_ready(host, daemon.SNAP, timeout_s=READY_S)
        lxd = connect(host)
        return None if lxd is None else departure.is_inhabited(lxd, "")
    return None
