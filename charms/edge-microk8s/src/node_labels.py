"""Labels and taints of this node, set through the API so that they can be taken back.

The kubelet's own flags would not do: it reads them only when it registers, and a joining node is
given the flags of another one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import microk8s
from edgecloud import host
from edgecloud.host import files, kubectl

STATE = f"{microk8s.STATE}/labels.json"
ZONE = "topology.kubernetes.io/zone"


@dataclasses.dataclass(frozen=True)
class Changes:
    """What to change about a node, and what to remember afterwards."""

    labels: Mapping[str, str | None]
    """None removes a label."""
    add: tuple[str, ...]
    remove: tuple[str, ...]
    replaced: Mapping[str, str | None]
    """For every label that is set by us: the value it had before."""


def changes(
    node: kubectl.Node,
    *,
    labels: Mapping[str, str],
    taints: Sequence[str],
    our_labels: Mapping[str, Mapping[str, str | None]],
    our_taints: Sequence[str],
) -> Changes:
    """Return what to change so that a node has these labels and taints.

    Args:
        node: the node as it is.
        labels: what it shall have, beside the labels of others.
        taints: what it shall have, beside the taints of others.
        our_labels: for each label that was set before, ``ours`` and ``former``.
        our_taints: those that were set before.
    """
    todo: dict[str, str | None] = {}
    for key, edit in our_labels.items():
        # One that somebody else has changed since is theirs now.
        if key not in labels and key in node.labels and node.labels[key] == edit["ours"]:
            todo[key] = edit["former"]
    replaced: dict[str, str | None] = {}
    for key, value in labels.items():
        present = node.labels.get(key)
        known = key in our_labels
        replaced[key] = our_labels[key]["former"] if known else _if_other(present, value)
        if present != value:
            todo[key] = value
    return Changes(
        labels=todo,
        add=tuple(taint for taint in taints if taint not in node.taints),
        remove=tuple(t for t in our_taints if t not in taints and t in node.taints),
        replaced=replaced,
    )


def ensure(
    host: host.Host,
    kubeconfig: str,
    node: kubectl.Node,
    *,
    labels: Mapping[str, str],
    taints: Sequence[str],
) -> bool:
    """Ensure that this node has these labels and taints. Return whether anything changed.

    Costs no process if all is as it should be: the node was looked up already.
    """
    known = files.read_state(host, STATE)
    our_labels, our_taints = known.get("labels", {}), known.get("taints", [])
    todo = changes(
        node, labels=labels, taints=taints, our_labels=our_labels, our_taints=our_taints
    )
    wanted = {key: {"ours": value, "former": todo.replaced[key]} for key, value in labels.items()}
    # Before: what we are about to set is ours even if the power goes in between.
    _remember(host, {**our_labels, **wanted}, [*our_taints, *taints])
    # Taints of one key and effect are replaced, so those to be removed must go first.
    kubectl.taint(host, kubeconfig, node.name, (), todo.remove)
    kubectl.taint(host, kubeconfig, node.name, todo.add)
    kubectl.label(host, kubeconfig, node.name, todo.labels)
    _remember(host, wanted, list(taints))
    return bool(todo.labels or todo.add or todo.remove)


def _remember(
    host: host.Host, labels: Mapping[str, Mapping[str, str | None]], taints: Sequence[str]
) -> None:
    state = {"labels": dict(labels), "taints": sorted(set(taints))}
    files.write_state(host, STATE, {key: value for key, value in state.items() if value})


def _if_other(present: str | None, value: str) -> str | None:
    return None if present == value else present
