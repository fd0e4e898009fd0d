"""``microk8s status``: cluster-wide, whatever its name suggests, and odd in its YAML."""

from __future__ import annotations

import math

from edgelab.pi import (
    addons,
    datastore,
    files,
    kube_api,
    kube_nodes,
    paths,
)
from edgelab.pi import cluster as clusters
from edgelab.pi.process import Process

_SENTENCE = "microk8s is not running. Use microk8s inspect for a deeper inspection."


def status(process: Process, words: list[str]) -> int:
    """Print the state of the cluster, and exit with 1 if nothing in it is ready."""
    style, addon, wait, seconds = _options(process, words)
    process.take("status")
    if paths.locked(process.machine, "low-memory-guard.lock"):
        process.quit("microk8s is not running: not enough RAM for the control plane")
    deadline = math.inf if seconds == 0 else process.seconds + seconds
    ready = _is_ready(process)
    while wait and not ready and process.seconds < deadline:
        process.take("status-poll")
        ready = _is_ready(process)
    nodes = _members(process)
    if addon is not None:
        process.say("enabled" if ready and addon in _enabled(process) else "disabled")
        return 0 if ready else 1
    _STYLES[style](process, ready, nodes)
    return 0 if ready else 1


def _options(process: Process, words: list[str]) -> tuple[str, str | None, bool, float]:
    style, addon, wait, seconds = "pretty", None, False, 0.0
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name in ("--wait-ready", "-w"):
            wait = True
            continue
        if name == "--yaml":
            style = "old-yaml"
            continue
        if not equals and rest:
            value = rest.pop(0)
        if name == "--format" and value in ("pretty", "yaml", "short"):
            style = value
        elif name in ("-a", "--addon"):
            addon = value
        elif name in ("-t", "--timeout") and value.isdigit():
            seconds = float(value)
        else:
            process.fail(f"usage: microk8s status\nerror: argument {name}: invalid", 2)
    return style, addon, wait, seconds


def _is_ready(process: Process) -> bool:
    """Return whether any node of the cluster is ready and schedulable."""
    found = kube_api.at(process.machine)
    if isinstance(found, str):
        return False
    return any(kube_nodes.is_ready(node) and not node.cordoned for node in found.nodes.values())


def _members(process: Process) -> list[clusters.Member] | None:
    """Ask dqlite, up to ten times. Without ``info.yaml`` there is nothing to ask."""
    machine = process.machine
    if not files.exists(machine, f"{paths.BACKEND}/info.yaml"):
        process.fail(
            "Traceback (most recent call last):\nFileNotFoundError: [Errno 2] No such file or"
            f" directory: '{paths.BACKEND}/info.yaml'"
        )
    try:
        datastore.leader_seen_by(machine)
    except datastore.NoLeader:
        process.take("datastore-down")
        return None
    found = datastore.cluster_of(machine)
    return None if found is None else found.members


def _enabled(process: Process) -> set[str]:
    found = kube_api.at(process.machine)
    return set() if isinstance(found, str) else set(found.addons)


def _pretty(process: Process, ready: bool, nodes: list[clusters.Member] | None) -> None:
    if not ready:
        process.say(_SENTENCE)
        return
    process.say("microk8s is running")
    members = nodes or []
    voters = [item.address for item in members if item.role == clusters.VOTER]
    standbys = [item.address for item in members if item.role == clusters.STANDBY]
    process.say(f"high-availability: {'yes' if len(voters) >= 3 else 'no'}")
    process.say(f"  datastore master nodes: {' '.join(voters) or 'none'}")
    process.say(f"  datastore standby nodes: {' '.join(standbys) or 'none'}")
    process.say("addons:")
    enabled = _enabled(process)
    for title, wanted in (("enabled", True), ("disabled", False)):
        process.say(f"  {title}:")
        for addon in addons.offered(process.machine):
            if (addon.name in enabled) == wanted:
                process.say(f"    {addon.name:<20} # ({addon.repository}) {addon.description}")


def _yaml(process: Process, ready: bool, nodes: list[clusters.Member] | None) -> None:
    process.say(f"microk8s:\n  running: {ready}")
    high = paths.locked(process.machine, "ha-cluster")
    process.say(f"high-availability:\n  enabled: {high}")
    if high:
        # With no member list this is a key without a value, which reads as null.
        process.say("  nodes:")
        for member in nodes or []:
            process.say(f"    - address: {member.address}\n      role: {member.role}")
    if not ready:
        process.say(f"  message: {_SENTENCE}")  # two spaces: inside high-availability
        return
    process.say("addons:")
    enabled = _enabled(process)
    for addon in addons.offered(process.machine):
        process.say(f"  - name: {addon.name}\n    repository: {addon.repository}")
        process.say(f"    description: {addon.description}\n    version: {addon.version}")
        process.say(f"    status: {'enabled' if addon.name in enabled else 'disabled'}")


def _short(process: Process, ready: bool, nodes: list[clusters.Member] | None) -> None:
    process.say("microk8s is running" if ready else _SENTENCE)
    if ready:
        process.say("addons:")
        _say_states(process, "")


def _old_yaml(process: Process, ready: bool, nodes: list[clusters.Member] | None) -> None:
    process.say(f"microk8s:\n  running: {ready}")
    if ready:
        process.say("addons:")
        _say_states(process, "  ")
    else:
        process.say(f"  message: {_SENTENCE}")


def _say_states(process: Process, indent: str) -> None:
    enabled = _enabled(process)
    for addon in addons.offered(process.machine):
        shown = "enabled" if addon.name in enabled else "disabled"
        process.say(f"{indent}{addon.repository}/{addon.name}: {shown}")


_STYLES = {"pretty": _pretty, "yaml": _yaml, "short": _short, "old-yaml": _old_yaml}
