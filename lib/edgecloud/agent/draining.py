"""Move the pods of this node elsewhere, as far as the plan lets what protects them be overruled.

A budget that never yields, or a pod that nobody would start again, blocks; only ``evict-force``
removes them, and on a worker only the latter. What the plan itself says to keep, data in an
``emptyDir`` or on a disk of this node, no policy removes: the drain fails, and the plan's
``on-block`` says what follows.
"""

from __future__ import annotations

from typing import Any, cast

from edgecloud import host
from edgecloud.agent import settings as machine_settings
from edgecloud.agent.context import EffectError
from edgecloud.host import kubectl
from edgecloud.rollout import terms

Settings = machine_settings.Settings
_Object = dict[str, Any]

_NAMED = 3
_FORCED_S = 60
"""So long may pods take to end that were removed past their budget, besides their grace."""


def drain(machine: host.Host, settings: Settings, policy: terms.Drain) -> None:
    """Empty the node; raise :class:`EffectError` or :class:`kubectl.KubectlError` if it cannot."""
    if policy.local_pv == "block":
        tied = _tied(machine, settings)
        if tied:
            raise EffectError(f"data on a disk of this node: {_few(tied)}")
    try:
        _drain(machine, settings, policy, policy.timeout_s)
    except kubectl.KubectlError:
        if policy.on_block != "evict-force":
            raise
        _drain(machine, settings, policy, policy.grace_s + _FORCED_S, force=True)


def _drain(
    machine: host.Host,
    settings: Settings,
    policy: terms.Drain,
    timeout_s: int,
    *,
    force: bool = False,
) -> None:
    kubectl.drain(
        machine,
        settings.kubeconfig,
        settings.node,
        timeout_s,
        grace_s=policy.grace_s,
        delete_local=policy.empty_dir == "delete",
        force=force,
        # A worker's account may delete no pods: there a budget still has the last word.
        evict=not force or settings.worker,
    )


def _tied(machine: host.Host, settings: Settings) -> list[str]:
    """Return the pods of this node whose volumes lie on a disk that only this node has."""
    mine = f"--field-selector=spec.nodeName={settings.node}"
    pods = _items(machine, settings, "pods", "--all-namespaces", mine)
    claimed = {
        f"{pod['metadata']['namespace']}/{claim}": f"{_name(pod)}"
        for pod in pods
        if not _belongs_here(pod)
        for claim in _claims(pod)
    }
    if not claimed:
        return []
    local = {_claimant(each) for each in _items(machine, settings, "pv") if _is_local(each)}
    return sorted({pod for claim, pod in claimed.items() if claim in local})


def _items(machine: host.Host, settings: Settings, *what: str) -> list[_Object]:
    found = kubectl.get_json(machine, settings.kubeconfig, *what)
    return cast("list[_Object]", found.get("items") or [])


def _name(pod: _Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _belongs_here(pod: _Object) -> bool:
    """Return whether a drain leaves a pod alone: a daemon's, or one that has ended."""
    owners = cast("list[_Object]", pod["metadata"].get("ownerReferences") or [])
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return ended or any(owner.get("kind") == "DaemonSet" for owner in owners)


def _claims(pod: _Object) -> list[str]:
    volumes = cast("list[_Object]", pod.get("spec", {}).get("volumes") or [])
    return [each["persistentVolumeClaim"]["claimName"] for each in volumes if _is_claim(each)]


def _is_claim(volume: _Object) -> bool:
    return bool(volume.get("persistentVolumeClaim"))


def _is_local(volume: _Object) -> bool:
    return "local" in volume["spec"] or "hostPath" in volume["spec"]


def _claimant(volume: _Object) -> str:
    claim = cast("_Object", volume["spec"].get("claimRef") or {})
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}"


def _few(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
