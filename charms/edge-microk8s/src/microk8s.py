"""Drive MicroK8s on this machine: its snap, its commands, and the files that tell its state."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import json
import re
import typing
from collections.abc import Collection, Sequence
from typing import Any, cast

import yaml

import lazily
from edgecloud import host
from edgecloud.host import failures, files, kubectl

if typing.TYPE_CHECKING:
    import quorum
    from edgecloud.host import snap
else:
    # A calm update-status asks neither snapd nor the datastore.
    quorum = lazily.load("quorum")
    snap = lazily.load("edgecloud.host.snap")

SNAP = "microk8s"
MICROK8S = "/snap/bin/microk8s"
DQLITE = "/snap/microk8s/current/bin/dqlite"
CURL = "/usr/bin/curl"
HOSTNAME = "/usr/bin/hostname"

_SILENCE = (6, 7, 28)
"""What curl exits with where nobody listens: no such host, refused, timed out."""

LAUNCH = "/etc/microk8s.yaml"
"""The first of the places where the snap looks for its launch configuration."""

DATA = "/var/snap/microk8s/current"
COMMON = "/var/snap/microk8s/common"
ARGS = f"{DATA}/args"
LOCKS = f"{DATA}/var/lock"
CERTS = f"{DATA}/certs"
CREDENTIALS = f"{DATA}/credentials"
BACKEND = f"{DATA}/var/kubernetes/backend"
TOKENS = f"{CREDENTIALS}/cluster-tokens.txt"
STATE = "/var/lib/edge-microk8s"
"""What the charm remembers on this machine. The snap's removal does not touch it."""

ADMIN = f"{CREDENTIALS}/client.config"
KUBELET = f"{CREDENTIALS}/kubelet.config"

AGENT_PORT = 25000
LOOPBACK = "127.0.0.1"
MINTED = f"{STATE}/minted.json"
LENT = f"{STATE}/lent.json"
_JOINING = f"{LOCKS}/join-in-progress"
_LAUNCHING = f"{COMMON}/etc/launcher/*.yaml"
_INIT = "$SNAP/bin/cluster-agent init --config-file -"

_MALFORMED = (ValueError, KeyError, TypeError)
"""What a list of members that was cut short raises when it is read."""

_QUERY_S = 30
_JOIN_S = 600
_LEAVE_S = 300
_REMOVE_S = 120


class MicroK8sError(failures.WorkloadError):
    """MicroK8s refused or failed; ``busy`` if only because snapd is at work on it already."""

    def __init__(self, message: str, *, busy: bool = False):
        super().__init__(message)
        self.busy = busy


@dataclasses.dataclass(frozen=True, order=True)
class Member:
    """A member of the datastore."""

    address: str
    """Without the port."""
    id: int
    role: quorum.Role


def install(host: host.Host, *, channel: str, launch: str, snaps: Sequence[str] = ()) -> bool:
    """Install MicroK8s if it is missing, and hold it. Return whether anything changed.

    Args:
        host: the machine.
        channel: where the store has it.
        launch: the launch configuration, which must lie there before the snap does.
        snaps: files to install from instead of the store, the snaps that it needs among them.
    """
    changed = False
    try:
        if snap.info(host, SNAP) is None:
            host.write(LAUNCH, launch, mode=0o600)
            _install(host, channel, snaps)
            changed = True
        # A node that refreshes by itself takes its site's quorum with it when all do so at once.
        return snap.hold(host, SNAP) or changed
    except snap.SnapError as error:
        raise MicroK8sError(str(error), busy=error.busy) from error


def refresh(host: host.Host, *, channel: str) -> None:
    """Move to what a channel holds, and stay held."""
    try:
        snap.refresh(host, SNAP, channel=channel)
    except snap.SnapError as error:
        raise MicroK8sError(str(error), busy=error.busy) from error


def version(host: host.Host) -> str | None:
    """Return the version installed, such as ``1.35.2``."""
    found = info(host)
    return found.version.lstrip("v") if found else None


def installed_version(host: host.Host) -> str | None:
    """Return the version installed, such as ``1.35.2``, without asking snapd."""
    text = files.read(host, f"/snap/{SNAP}/current/meta/snap.yaml")
    found = re.search(r"^version:\s*[\"']?v?([^\s\"']+)", text, re.MULTILINE)
    return found.group(1) if found else None


def revision(host: host.Host) -> str:
    """Return the snap's revision, without asking snapd; empty if it is not installed."""
    try:
        return host.path(f"/snap/{SNAP}/current").readlink().name
    except OSError:
        return ""


def info(host: host.Host) -> snap.Snap | None:
    """Return the snap that is installed."""
    try:
        return snap.info(host, SNAP)
    except snap.SnapError as error:
        raise MicroK8sError(str(error)) from error


def restart(host: host.Host, daemons: Collection[str]) -> None:
    """Restart daemons, for instance ``kubelite``, in one go."""
    if not daemons:
        return
    try:
        snap.restart(host, *(f"{SNAP}.daemon-{daemon}" for daemon in sorted(daemons)))
    except snap.SnapError as error:
        raise MicroK8sError(str(error), busy=error.busy) from error


def start(host: host.Host) -> None:
    """Start all daemons: a ``leave`` that failed halfway leaves them stopped."""
    try:
        snap.start(host, SNAP)
    except snap.SnapError as error:
        raise MicroK8sError(str(error), busy=error.busy) from error


def apply(host: host.Host, launch: str, *, timeout_s: float = _JOIN_S) -> None:
    """Apply a launch configuration to the running node, at once."""
    command = (snap.SNAP, "run", "--shell", f"{SNAP}.daemon-cluster-agent", "-c", _INIT)
    _run(host, command, "cluster-agent init", timeout_s=timeout_s, stdin=launch)


def is_launched(host: host.Host) -> bool:
    """Return whether the launch configuration was applied to the end, add-ons and all."""
    return not host.glob(_LAUNCHING)


def purge(host: host.Host) -> bool:
    """Remove MicroK8s with all its data. Return whether anything was there.

    A node that was a control plane holds the cluster's CA key, so nothing may be left of it.
    """
    try:
        changed = snap.remove(host, SNAP)
    except snap.SnapError as error:
        raise MicroK8sError(str(error), busy=error.busy) from error
    for path in (LAUNCH, MINTED, LENT):
        changed = host.remove(path) or changed
    left = host.glob("/var/snap/microk8s/*/certs/ca.key")
    if left:
        raise MicroK8sError(f"the snap is gone but the cluster's key is not: delete {left[0]}")
    return changed


# --- what this node is -------------------------------------------------------------------------


def is_worker(host: host.Host) -> bool:
    """Return whether this node joined a cluster as a worker."""
    return host.exists(f"{LOCKS}/clustered.lock")


def kubeconfig(host: host.Host) -> str:
    """Return the path of the credentials with which this node may ask the cluster."""
    return KUBELET if is_worker(host) else ADMIN


def node_name(host: host.Host) -> str:
    """Return the name under which this machine registers in Kubernetes."""
    return files.read(host, "/etc/hostname").strip().lower()


def authority(host: host.Host) -> str | None:
    """Return the SHA-256 of the cluster authority's certificate, which tells clusters apart."""
    names = ("ca.remote.crt", "ca.crt") if is_worker(host) else ("ca.crt",)
    texts = (files.read(host, f"{CERTS}/{name}") for name in names)
    text = next((text for text in texts if text.strip()), None)
    return digest_of(text) if text else None


def lost_address(host: host.Host, now: str) -> str:
    """Return where the datastore looks for this node, if the machine has that address no more.

    Empty if it does, for a worker, and for a node that nobody joined yet: it knows itself only.

    Args:
        host: this machine.
        now: the address that it is said to have; only if that is another one, it is asked.
    """
    text = files.read(host, f"{BACKEND}/info.yaml")
    found = re.search(r"^Address: (\S+):[0-9]+$", text, re.MULTILINE)
    own = found.group(1).strip("[]") if found else ""
    if own in ("", LOOPBACK, now):
        return ""
    try:
        here = host.run((HOSTNAME, "-I"), timeout_s=_QUERY_S).stdout.split()
    except failures.FAILURES:
        return ""
    return "" if own in here else own


def members(host: host.Host) -> tuple[Member, ...]:
    """Return the datastore's members as this node last heard. Costs no process."""
    try:
        return _listed(files.read(host, f"{BACKEND}/cluster.yaml"))
    except (yaml.YAMLError, *_MALFORMED) as error:
        raise MicroK8sError(f"{BACKEND}/cluster.yaml is damaged: {error}") from error


def live_members(host: host.Host) -> tuple[Member, ...]:
    """Return the datastore's members as its leader has them now."""
    store = f"file://{BACKEND}/cluster.yaml"
    keys = ("-c", f"{BACKEND}/cluster.crt", "-k", f"{BACKEND}/cluster.key")
    command = (DQLITE, "-s", store, *keys, "-f", "json", "k8s", ".cluster")
    text = _run(host, command, "dqlite .cluster", timeout_s=_QUERY_S)
    try:
        return _members(json.loads(text))
    except _MALFORMED as error:
        raise MicroK8sError(f"dqlite .cluster printed no JSON: {text[:200]}") from error


def answers(host: host.Host, address: str) -> bool:
    """Return whether something listens at a member's place in the datastore, right now.

    That a node is Ready says only that it was so a minute ago. The datastore lets nobody in
    without its certificate, so any answer but silence is a good one.
    """
    command = (CURL, "--silent", "--insecure", "--max-time", "3", f"https://{address}:19001/")
    try:
        return host.run(command, timeout_s=10, check=False).returncode not in _SILENCE
    except failures.FAILURES:
        return False


# --- join and leave -----------------------------------------------------------------------------


def join(host: host.Host, url: str, *, worker: bool) -> None:
    """Join the cluster at a URL of its. A URL for one use is used up by any attempt.

    That this returns does not mean that the node is a member: look at the members.
    """
    clear_stale_join(host)
    for path in host.glob(_LAUNCHING):
        # Tried again every few seconds until it works, it would be applied to the cluster joined.
        host.remove(path)
    wish = {"version": "0.2.0", "join": {"url": url, "worker": worker}}
    try:
        apply(host, yaml.safe_dump(wish))
    except MicroK8sError as error:
        secret = url.partition("/")[2].partition("/")[0]
        message = str(error).replace(secret, "…") if secret else str(error)
        raise MicroK8sError(message) from None


def clear_stale_join(host: host.Host) -> bool:
    """Remove what a failed join leaves, which keeps MicroK8s from renewing certificates."""
    return host.remove(_JOINING)


def leave(host: host.Host) -> bool:
    """Leave the cluster, from the node that leaves. Return whether it was in one."""
    try:
        _run(host, (MICROK8S, "leave"), "microk8s leave", timeout_s=_LEAVE_S)
    except MicroK8sError as error:
        if "not acting as a node in a cluster" in str(error):
            return False
        raise
    return True


def remove_node(host: host.Host, *, name: str, address: str) -> bool:
    """Take a node out of Kubernetes and of the datastore, from another node.

    Whether its own ``leave`` worked, and whether its machine exists, does not matter. Return
    whether anything of it was left.
    """
    present = _is_present(host, name)
    if present:
        _remove(host, name)
    ghost = _is_member(host, address)
    if ghost:
        # Only the address finds a member without a node; success is reported as a failure then.
        _remove(host, address)
    if _is_present(host, name) or _is_member(host, address):
        raise MicroK8sError(f"{name} ({address}) is still in the cluster after its removal")
    return present or ghost


def _install(host: host.Host, channel: str, snaps: Sequence[str]) -> None:
    if snaps:
        snap.install_files(host, snaps, classic=(SNAP,))
    else:
        snap.install(host, SNAP, channel=channel, classic=True)


def _remove(host: host.Host, node: str) -> None:
    """Run ``remove-node``, whose exit code says little: look for yourself what is left."""
    try:
        host.run((MICROK8S, "remove-node", node, "--force"), timeout_s=_REMOVE_S, check=False)
    except failures.FAILURES as error:
        raise MicroK8sError(failures.explain(error, "microk8s remove-node")) from error


def _is_present(host: host.Host, name: str) -> bool:
    try:
        return any(node.name == name for node in kubectl.nodes(host, ADMIN))
    except kubectl.KubectlError as error:
        raise MicroK8sError(str(error)) from error


def _is_member(host: host.Host, address: str) -> bool:
    return any(member.address == address for member in live_members(host))


def digest_of(certificate: str) -> str:
    """Return the SHA-256 of a certificate's bytes, of the text itself if it is no PEM."""
    found = re.search(r"-----BEGIN CERTIFICATE-----(.+?)-----END", certificate, re.DOTALL)
    try:
        content = base64.b64decode(found.group(1)) if found else certificate.encode()
    except ValueError:
        content = certificate.encode()
    return hashlib.sha256(content).hexdigest()


@functools.lru_cache(maxsize=16)
def _listed(text: str) -> tuple[Member, ...]:
    """Return the members that a file lists. A hook reads the same file more than once."""
    return _members(yaml.safe_load(text))


def _members(document: object) -> tuple[Member, ...]:
    if not isinstance(document, list):
        return ()
    return tuple(sorted(map(_member, cast("list[dict[str, Any]]", document))))


def _member(entry: dict[str, Any]) -> Member:
    address = str(entry["Address"]).rpartition(":")[0].strip("[]")
    return Member(address, int(entry["ID"]), quorum.Role(int(entry["Role"])))


def _run(
    host: host.Host,
    command: Sequence[str],
    what: str,
    *,
    timeout_s: float,
    stdin: str | None = None,
) -> str:
    try:
        return host.run(command, timeout_s=timeout_s, stdin=stdin).stdout
    except failures.FAILURES as error:
        raise MicroK8sError(failures.explain(error, what)) from error
