"""Bring MicroK8s up in a node without a Juju agent, and have it join. No Juju, no LXD in here."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re

import renewing
from edgecloud import host as machines
from edgecloud.host import failures, files, kubectl, snap

SNAP = "microk8s"
LAUNCH = "/etc/microk8s.yaml"

_DATA = "/var/snap/microk8s/current"
_WORKER = f"{_DATA}/var/lock/clustered.lock"
_STALE = f"{_DATA}/var/lock/join-in-progress"
_LAUNCHING = "/var/snap/microk8s/common/etc/launcher/*.yaml"
_KUBELET = f"{_DATA}/credentials/kubelet.config"
_INIT = "$SNAP/bin/cluster-agent init --config-file -"
_BARE = {"version": "0.2.0"}
"""A worker gets its arguments from the cluster that it joins, and has no add-ons of its own."""

_JOIN_S = 600


class NodeError(failures.WorkloadError):
    """Something inside a node refused or failed."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a node says about itself."""

    ca: str = ""
    """SHA-256 of the authority that it trusts; empty until MicroK8s runs and is launched."""
    worker: bool = False
    """Whether it has joined a cluster."""
    ready: bool = False
    """Whether it is Ready in that cluster, as its own credentials see it."""
    version: str = ""
    """Of its MicroK8s, such as ``1.35.2``."""


def ensure_microk8s(node: machines.Host, channel: str, revision: str = "") -> bool:
    """Have MicroK8s in a node, held. Return whether anything was done.

    Args:
        node: the machine inside.
        channel: where to install from.
        revision: the build to install; what the channel holds if empty.

    Raises:
        NodeError: the store does not answer, or snapd is not up yet; try again.
    """
    try:
        if snap.info(node, SNAP) is None:
            node.write(LAUNCH, json.dumps(_BARE), mode=0o600)
            build = revision or None
            snap.install(node, SNAP, channel=channel, classic=True, revision=build)
        # One that refreshes by itself does so when all the others do.
        return snap.hold(node, SNAP)
    except snap.SnapError as error:
        raise NodeError(str(error)) from error
    except OSError as error:
        raise NodeError(f"the node does not answer: {error}") from error


def look(node: machines.Host, name: str) -> Facts:
    """Return what a node knows of itself. Raises NodeError."""
    try:
        worker = node.exists(_WORKER)
        launched = not node.glob(_LAUNCHING)
        ca = authority(node, worker=worker) if launched else ""
        found = snap.info(node, SNAP)
    except (OSError, snap.SnapError) as error:
        raise NodeError(f"{name} does not answer: {error}") from error
    version = found.version.lstrip("v") if found else ""
    return Facts(ca, worker, worker and _is_ready(node, name), version)


def build(node: machines.Host) -> renewing.Build:
    """Return which MicroK8s a node has; an empty one if none. Raises NodeError."""
    try:
        found = snap.info(node, SNAP)
    except (OSError, snap.SnapError) as error:
        raise NodeError(f"a node does not answer: {error}") from error
    return renewing.Build(found.version, found.revision) if found else renewing.Build("", "")


def authority(node: machines.Host, *, worker: bool) -> str:
    """Return the SHA-256 of the certificate of the authority that a node trusts."""
    names = ("ca.remote.crt", "ca.crt") if worker else ("ca.crt",)
    texts = (files.read(node, f"{_DATA}/certs/{name}") for name in names)
    text = next((text for text in texts if text.strip()), "")
    found = re.search(r"-----BEGIN CERTIFICATE-----(.+?)-----END", text, re.DOTALL)
    if not text:
        return ""
    content = base64.b64decode(found.group(1)) if found else text.encode()
    return hashlib.sha256(content).hexdigest()


def join(node: machines.Host, url: str) -> None:
    """Have a node join as a worker. The address is used up by any attempt; it is a secret.

    That this returns does not mean that the node is in: look at it.

    Raises:
        NodeError: MicroK8s refused, in its own words without the token.
    """
    node.remove(_STALE)
    wish = json.dumps({**_BARE, "join": {"url": url, "worker": True}})
    command = (snap.SNAP, "run", "--shell", f"{SNAP}.daemon-cluster-agent", "-c", _INIT)
    try:
        node.run(command, timeout_s=_JOIN_S, stdin=wish)
    except failures.FAILURES as error:
        node.remove(_STALE)
        token = url.partition("/")[2].partition("/")[0] or url
        said = failures.explain(error, "cluster-agent init").replace(token, "…")
        raise NodeError(said) from None


def _is_ready(node: machines.Host, name: str) -> bool:
    try:
        found = kubectl.nodes(node, _KUBELET)
    except kubectl.KubectlError:
        return False  # The cluster does not answer it now.
    return any(one.name == name and one.readiness is kubectl.Readiness.READY for one in found)
