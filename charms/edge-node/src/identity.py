"""What this machine is: its name, its part in the site, and the agent's settings. Pure."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from dataclasses import dataclass

from edgecloud.agent import settings as agent_settings
from edgecloud.interfaces import edge_component, node_upgrade
from edgecloud.rollout import skew

if typing.TYPE_CHECKING:
    from edgecloud.rollout import audit
    from node_options import NodeOptions

LEAST_SAMPLES = 3
"""Fewer upgrades say nothing of how long the next one takes."""

_BEGINS = "granted"
_ENDS = frozenset({"soaking", "failed-safe", "rolled-back", "quarantined", "done"})


@dataclass(frozen=True)
class Board:
    """What the machine says of itself without anything running on it."""

    hostname: str
    arch: str
    model: str = ""
    base: str = ""


@dataclass(frozen=True)
class Identity:
    """Who a machine is to the controller and to the agent."""

    name: str
    kubernetes: edge_component.Component | None
    lxd: edge_component.Component | None

    @property
    def is_control_plane(self) -> bool:
        """Whether the API server and the datastore run here."""
        return self.kubernetes is not None and self.kubernetes.role == skew.CONTROL_PLANE

    @property
    def is_voter(self) -> bool:
        """Whether the datastore counts this node for its quorum."""
        return self.is_control_plane and bool(self.kubernetes and self.kubernetes.voter)


def identify(components: Sequence[edge_component.Component], board: Board) -> Identity | None:
    """Return who this machine is; None while no principal has said what runs here.

    A machine goes by its name in Kubernetes; one without, by its name in LXD.
    """
    known = {each.kind: each for each in components if each.kind and each.node}
    kubernetes, lxd = known.get(edge_component.MICROK8S), known.get(edge_component.LXD)
    first = kubernetes or lxd
    if first is None:
        return None
    return Identity(str(first.node), kubernetes, lxd)


def settings(
    who: Identity, board: Board, options: NodeOptions, unit: str
) -> agent_settings.Settings:
    """Return what the agent has to know of this machine."""
    kubernetes = who.kubernetes
    plain = agent_settings.Settings()
    return agent_settings.Settings(
        name=who.name,
        node=(kubernetes.node or "") if kubernetes else "",
        arch=board.arch,
        kubeconfig=(kubernetes.kubeconfig if kubernetes else None) or plain.kubeconfig,
        worker=kubernetes is not None and not who.is_control_plane,
        sign=options.sign_plans,
        clock=options.clock,
        modules=options.module_names,
        slots=options.slots,
        apt=options.apt,
        metered=options.metered,
        lxd=(who.lxd.node or "") if who.lxd else "",
        lamp=options.lamp,
        unit=unit,
    )


def machine(
    who: Identity, board: Board, options: NodeOptions, version: str, duration_s: int
) -> node_upgrade.Machine:
    """Return what a plan's inventory holds of this machine."""
    kubernetes = who.kubernetes
    domains = [each.failure_domain for each in (kubernetes, who.lxd) if each]
    labels = {**dict(options.label_pairs), "model": _slug(board.model), "base": board.base}
    return node_upgrade.Machine(
        role=(kubernetes.role or skew.WORKER) if kubernetes else skew.WORKER,
        voter=who.is_voter,
        domain=next((domain for domain in domains if domain), ""),
        arch=board.arch,
        version=version if kubernetes else "",
        lxd=who.lxd is not None,
        duration_s=duration_s,
        labels=tuple(sorted(node_upgrade.Label(k, v) for k, v in labels.items() if v)),
        hosted=who.lxd.hosted if who.lxd else (),
    )


def measured_s(links: Sequence[audit.Record]) -> int:
    """Return how long an upgrade takes here, from the audit chain; 0 if too few were seen.

    How long it takes to replace nodes in LXD says nothing of that.

    The longest that was seen: with so few of them it stands for the 95th percentile.
    """
    spans, began = list[int](), None
    for link in links:
        entry = link.entry
        if entry.get("to") == _BEGINS:
            is_own = not str(entry.get("part", "")).startswith("hosted")
            began = int(str(entry.get("at", 0))) if is_own else None
        elif began is not None and entry.get("to") in _ENDS:
            spans.append(int(str(entry.get("at", 0))) - began)
            began = None
    return max(spans) if len(spans) >= LEAST_SAMPLES else 0


def _slug(model: str) -> str:
    """Return a board's model as a label may be written: ``raspberry-pi-5``."""
    words = model.lower().replace("\0", " ").split()
    plain = words[: words.index("model")] if "model" in words else words[:4]
    return "-".join(word for word in plain if word.isalnum())
