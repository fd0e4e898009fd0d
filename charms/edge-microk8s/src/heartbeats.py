"""Whether what Kubernetes says of a node agrees with the node's own sign of life, its lease.

A kubelet renews its lease every ten seconds. The controller that should notice when it stops may
stop itself (seen with MicroK8s 1.34 to 1.36): a dead node stays Ready then, one that came back
stays NotReady. Each lease bears the time of its node's own clock, and those differ between Pis. So
nobody's clock is compared with another's: what counts is whether a lease moves from look to look.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import types
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import microk8s
from edgecloud import host as machines
from edgecloud.host import files, kubectl

STATE = "/run/edge-microk8s/heartbeats.json"
"""In memory: it is written at every look, and after a boot all begins anew."""

SILENT_S = 120
"""So long a lease may stand still. Kubernetes allows 40 s; a busy Pi raises no false alarm."""

STUCK_S = 300
"""So long a node that renews its lease may be not ready."""

_LEASES = "--namespace=kube-node-lease"
_REFUSED = ('resource type "leases"', 'resource "leases"')

_REMEDY = "run restart-kubelite on one control plane after the other"


class Track(NamedTuple):
    """What the looks so far found of a node; moments are on the clock of :class:`History`."""

    renewed: float
    """The time in its lease, by its own clock."""
    since: float
    """When its lease was first seen like this."""
    unready_since: float | None = None


class History(NamedTuple):
    """What the looks so far found. Its clock runs only while some lease moves."""

    at: float = 0
    """This machine's time of the last look."""
    elapsed: float = 0
    tracks: Mapping[str, Track] = types.MappingProxyType({})


class Seen(NamedTuple):
    """The nodes, each as ready as it is, and what to say of those that Kubernetes gets wrong."""

    nodes: tuple[kubectl.Node, ...]
    remarks: Mapping[str, str] = types.MappingProxyType({})


def look(host: machines.Host, kubeconfig: str) -> Seen:
    """Return the nodes by name, for the price of one process.

    A worker may not list leases, so it takes Kubernetes' word; so does everybody whose API does
    not serve them.

    Raises:
        kubectl.KubectlError: the API does not answer.
    """
    if microk8s.is_worker(host):
        return Seen(kubectl.nodes(host, kubeconfig))
    try:
        found = kubectl.get_json(host, kubeconfig, "nodes,leases", _LEASES)
    except kubectl.KubectlError as e:
        if not any(words in str(e) for words in _REFUSED):
            raise
        return Seen(kubectl.nodes(host, kubeconfig))
    items = cast("list[dict[str, Any]]", found.get("items") or [])
    nodes = sorted(
        (kubectl.parse_node(item) for item in items if item.get("kind") == "Node"),
        key=lambda node: node.name,
    )
    if len(nodes) < 2:
        return Seen(tuple(nodes))  # Whoever is alone is asked by nobody else.
    history = note(_load(host), nodes, renewals(items), host.now())
    with contextlib.suppress(OSError):  # Who cannot remember accuses nobody.
        tracks = {name: track._asdict() for name, track in history.tracks.items()}
        files.write_state(host, STATE, {**history._asdict(), "tracks": tracks})
    return judge(history, nodes)


def renewals(items: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return when each node says that it renewed its lease, of those that say so legibly."""
    found = dict[str, float]()
    for item in items:
        if item.get("kind") != "Lease":
            continue
        try:
            moment = datetime.datetime.fromisoformat(item["spec"]["renewTime"].rstrip("Z"))
            name = str(item["metadata"]["name"])
            found[name] = moment.replace(tzinfo=datetime.timezone.utc).timestamp()
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return found


def note(
    history: History, nodes: Sequence[kubectl.Node], renewed: Mapping[str, float], now: float
) -> History:
    """Return the history with one more look.

    As much time passed as both this machine's clock and the lease that moved furthest say: a
    clock that was put right in between accuses nobody, nor does a datastore that stands still.
    """
    tracks = history.tracks
    moved = [renewed[name] - track.renewed for name, track in tracks.items() if name in renewed]
    elapsed = history.elapsed + max(0.0, min(now - history.at, max(moved, default=0.0)))
    found = {
        node.name: _follow(tracks.get(node.name), node, renewed[node.name], elapsed)
        for node in nodes
        if node.name in renewed
    }
    return History(now, elapsed, found)


def _follow(before: Track | None, node: kubectl.Node, renewed: float, elapsed: float) -> Track:
    since = before.since if before is not None and before.renewed == renewed else elapsed
    if node.readiness is kubectl.Readiness.READY:
        return Track(renewed, since)
    earlier = before.unready_since if before is not None else None
    return Track(renewed, since, elapsed if earlier is None else earlier)


def judge(history: History, nodes: Sequence[kubectl.Node]) -> Seen:
    """Return the nodes; one that is Ready by word only counts as one that nobody hears of."""
    remarks = dict[str, str]()
    judged = list[kubectl.Node]()
    for node in nodes:
        track = history.tracks.get(node.name)
        silent = track is not None and history.elapsed - track.since >= SILENT_S
        if silent and node.readiness is kubectl.Readiness.READY:
            remarks[node.name] = (
                f"{node.name} is silent but Kubernetes holds it for ready: {_REMEDY}"
            )
            node = dataclasses.replace(node, readiness=kubectl.Readiness.UNKNOWN)
        elif track is not None and not silent and _is_stuck(track, history.elapsed):
            remarks[node.name] = f"{node.name} is alive but stays not ready: {_REMEDY}, or on it"
        judged.append(node)
    return Seen(tuple(judged), remarks)


def _is_stuck(track: Track, elapsed: float) -> bool:
    return track.unready_since is not None and elapsed - track.unready_since >= STUCK_S


def _load(host: machines.Host) -> History:
    """Return what the looks so far found; nothing if that was damaged."""
    known = files.read_state(host, STATE)
    try:
        tracks = {name: Track(**track) for name, track in known["tracks"].items()}
        return History(float(known["at"]), float(known["elapsed"]), tracks)
    except (AttributeError, KeyError, TypeError, ValueError):
        return History()
