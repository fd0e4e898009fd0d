"""Which nodes could not be drained now, because a disruption budget lets none of their pods go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from edgecloud import host as machines
from edgecloud.host import kubectl
from edgecloud.interfaces import node_upgrade

LOOK_AGAIN_S = 3600
"""Nothing is decided by it, so a look an hour is enough: each is a question to the API server."""
_PATIENCE_S = 10

_Object = Mapping[str, Any]


def look(
    host: machines.Host, kubeconfig: str, said: node_upgrade.BudgetView | None
) -> node_upgrade.BudgetView | None:
    """Return what is seen; what was said before while that is fresh, or nothing else is known."""
    now = int(host.now())
    if said is not None and 0 <= now - said.at < LOOK_AGAIN_S:
        return said
    try:
        full = [
            each for each in _items(host, kubeconfig, "poddisruptionbudgets") if _is_full(each)
        ]
        pods = _items(host, kubeconfig, "pods") if full else []
    except kubectl.KubectlError:
        return said
    return node_upgrade.BudgetView(now, blocked(full, pods))


def blocked(
    budgets: Iterable[_Object], pods: Iterable[_Object]
) -> tuple[node_upgrade.Blocked, ...]:
    """Return the nodes on which budgets that allow nothing have pods. Pure."""
    found = dict[str, set[str]]()
    there = [pod for pod in pods if _is_moved_by_a_drain(pod)]
    for budget in budgets:
        of = budget["metadata"]
        for pod in there:
            same = pod["metadata"].get("namespace") == of.get("namespace")
            if same and selects(budget["spec"].get("selector") or {}, pod):
                names = found.setdefault(pod["spec"]["nodeName"], set())
                names.add(f"{of.get('namespace')}/{of['name']}")
    return tuple(
        node_upgrade.Blocked(node, tuple(sorted(names))) for node, names in sorted(found.items())
    )


def selects(selector: _Object, pod: _Object) -> bool:
    """Return whether a label selector takes a pod in; an empty one takes all. Pure."""
    labels = cast("Mapping[str, str]", pod["metadata"].get("labels") or {})
    wanted = cast("Mapping[str, str]", selector.get("matchLabels") or {})
    rules = cast("list[_Object]", selector.get("matchExpressions") or [])
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(rule, labels) for rule in rules
    )


def _holds(rule: _Object, labels: Mapping[str, str]) -> bool:
    key, operator = rule["key"], rule["operator"]
    values = cast("list[str]", rule.get("values") or [])
    if operator in ("Exists", "DoesNotExist"):
        return (key in labels) == (operator == "Exists")
    return (labels.get(key) in values) == (operator == "In")


def _items(host: machines.Host, kubeconfig: str, kind: str) -> list[_Object]:
    words = (kind, "--all-namespaces")
    found = kubectl.get_json(host, kubeconfig, *words, within_s=_PATIENCE_S)
    return cast("list[_Object]", found.get("items") or [])


def _is_full(budget: _Object) -> bool:
    status = cast("_Object", budget.get("status", {}))
    return not status.get("disruptionsAllowed") and bool(status.get("expectedPods"))


def _is_moved_by_a_drain(pod: _Object) -> bool:
    owners = cast("list[_Object]", pod["metadata"].get("ownerReferences") or [])
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    is_daemons = any(owner.get("kind") == "DaemonSet" for owner in owners)
    return bool(pod["spec"].get("nodeName")) and not ended and not is_daemons
