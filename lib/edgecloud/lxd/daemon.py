"""Where a machine's daemon is, what only its own program can do, how it joins a cluster."""

from __future__ import annotations

import dataclasses
import json
import socket
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from edgecloud import host
from edgecloud.host import failures
from edgecloud.lxd import client as lxd
from edgecloud.lxd import (
    cluster,
    errors,
    images,
    instances,
    networks,
    projects,
    storage,
    transport,
)

JOIN_S = 180.0

_SHORT_S = 30.0


@dataclasses.dataclass(frozen=True)
class Daemon:
    """Where an LXD daemon lives."""

    program: str
    folder: str
    """``LXD_DIR``: database, certificates, socket."""

    @property
    def socket(self) -> str:
        """Return the path of its socket."""
        return f"{self.folder}/unix.socket"


SNAP = Daemon("/snap/bin/lxd", "/var/snap/lxd/common/lxd")
DEBIAN = Daemon("/usr/bin/lxd", "/var/lib/lxd")


@runtime_checkable
class Dials(Protocol):
    """A host whose sockets only it can open: a simulated machine."""

    def dial(self, path: str, timeout_s: float) -> socket.socket:
        """Return a connection to a socket of the machine's. Raises ``OSError``."""
        ...


@dataclasses.dataclass(frozen=True)
class _Dialled:
    """The daemon's socket on a machine that opens it by itself."""

    machine: Dials
    path: str

    def open(self, timeout_s: float) -> socket.socket:
        try:
            return self.machine.dial(self.path, timeout_s)
        except OSError as error:
            raise errors.UnreachableError(f"Nobody listens at {self.path}: {error}") from error


@dataclasses.dataclass(frozen=True)
class Joining:
    """How a daemon becomes a member."""

    token: cluster.JoinToken
    address: str
    """Its own, with port; the other members reach it there for ever after."""
    member_config: Sequence[Mapping[str, str]] = ()
    """What it has for itself: ``entity``, ``name``, ``key``, ``value`` of pools and networks."""
    adopts: Sequence[str] = ()
    """Empty pools that it may hold already, because the cluster has them under the same name."""


def find(machine: host.Host) -> Daemon | None:
    """Return the daemon that this machine has, the snap's before the distribution's."""
    return next((one for one in (SNAP, DEBIAN) if machine.exists(one.socket)), None)


def connect(machine: host.Host, daemon: Daemon, *, timeout_s: float = lxd.TIMEOUT_S) -> lxd.Client:
    """Return a client of a machine's daemon."""
    if isinstance(machine, Dials):
        return lxd.Client(_Dialled(machine, daemon.socket), timeout_s=timeout_s)
    return lxd.Client(transport.UnixSocket(machine.path(daemon.socket)), timeout_s=timeout_s)


def wait_ready(machine: host.Host, daemon: Daemon, *, timeout_s: float) -> None:
    """Return once the daemon serves. One whose release differs from its peers' never does.

    Raises:
        errors.TimedOutError: it does not serve in time.
    """
    try:
        _run(machine, daemon, "waitready", f"--timeout={int(timeout_s)}", timeout_s=timeout_s + 5)
    except errors.LxdError as error:
        raise errors.TimedOutError(f"LXD is not ready after {timeout_s:g} s") from error


def holdings(client: lxd.Client, *, adopts: Sequence[str] = ()) -> tuple[str, ...]:
    """Return what a daemon holds that joining would make it forget, a phrase each.

    Joining succeeds all the same; the files would then lie on the disk with nobody to know them.
    """
    held = [f"the instance {one.name}" for one in instances.of_all_projects(client)]
    held += [f"the project {one.name}" for one in projects.every(client) if one.name != "default"]
    held += [f"the image {one.fingerprint[:12]}" for one in images.every(client)]
    held += [f"the network {one.name}" for one in networks.every(client)]
    for pool in storage.every(client):
        volumes = storage.volumes(client, pool.name, storage.CUSTOM)
        held += [f"the volume {pool.name}/{volume.name}" for volume in volumes]
        held += [f"the pool {pool.name}"] if pool.name not in adopts else []
    return tuple(held)


def join(
    machine: host.Host, daemon: Daemon, joining: Joining, *, timeout_s: float = JOIN_S
) -> None:
    """Have an empty daemon join a cluster, by its own program, the one way all releases share.

    The member gets the name that the token was made for. The token goes by standard input.

    Raises:
        errors.AlreadyClusteredError: it is a member already.
        errors.NotEmptyError: it holds something; nothing was changed.
        errors.TokenUsedError: the token was used or revoked.
        errors.TokenExpiredError: the token is too old.
    """
    client = connect(machine, daemon)
    if cluster.own_name(client):
        raise errors.AlreadyClusteredError("This server is already clustered")
    held = holdings(client, adopts=joining.adopts)
    if held:
        raise errors.NotEmptyError(held)
    preseed = {
        "cluster": {
            "enabled": True,
            "server_address": joining.address,
            "cluster_token": joining.token.encode(),
            "member_config": [dict(one) for one in joining.member_config],
        }
    }
    text = json.dumps(preseed)  # Every JSON text is a YAML text.
    _run(machine, daemon, "init", "--preseed", stdin=text, timeout_s=timeout_s)


def dump(machine: host.Host, daemon: Daemon, database: str) -> str:
    """Return a database as SQL: ``global``, the cluster's, or ``local``, this machine's."""
    return _run(machine, daemon, "sql", database, ".dump", timeout_s=_SHORT_S)


def recover_quorum(machine: host.Host, daemon: Daemon) -> None:
    """Make this member the only voter, for when most are lost for good.

    Only on the survivor that knows most, and only while its daemon is stopped. The lost ones must
    never start again before they are wiped.
    """
    _run(machine, daemon, "cluster", "recover-from-quorum-loss", "--quiet", timeout_s=_SHORT_S)


def _run(
    machine: host.Host, daemon: Daemon, *command: str, timeout_s: float, stdin: str | None = None
) -> str:
    # LXD's programs print to standard output what they refuse, and errors to standard error.
    try:
        result = machine.run(
            (daemon.program, *command),
            timeout_s=timeout_s,
            stdin=stdin,
            env=None if daemon == SNAP else {"LXD_DIR": str(machine.path(daemon.folder))},
        )
    except failures.FAILURES as error:
        raise errors.of(0, failures.explain(error, f"lxd {command[0]}")) from error
    return result.stdout
