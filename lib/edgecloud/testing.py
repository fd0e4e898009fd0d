"""Builders of ``ops.testing`` relations, so that no charm's tests know how a databag is laid out.

Never imported at run time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ops import testing

from edgecloud.interfaces import cluster_join, databag, edge_component, lxd_cluster

Model = TypeVar("Model")


class _Bag(dict[str, str]):
    """A databag outside a hook: an empty value removes its key, as in Juju."""

    def update(self, changes: Mapping[str, str]) -> None:  # type: ignore[override]
        for name, text in changes.items():
            self[name] = text
            if not text:
                del self[name]


def encoded(*values: Any) -> dict[str, str]:
    """Return the databag that holds these data classes, as the interface writes it."""
    bag: Any = _Bag()
    for value in values:
        databag.save(value, bag)
    return dict(bag)


def decoded(cls: type[Model], bag: Mapping[str, str] | None) -> Model:
    """Return the data class that a databag of a relation holds."""
    return databag.load(cls, bag or {})


def cluster_peers(
    units: Mapping[int, Sequence[Any]] | None = None,
    *,
    record: cluster_join.ClusterRecord | None = None,
    mine: Sequence[Any] = (),
    endpoint: str = "cluster",
) -> testing.PeerRelation:
    """Return a peer relation of ``cluster_join``.

    Args:
        units: number of a peer → what it published: a NodeReport, a MemberReport, or both.
        record: what the leader published.
        mine: what the unit under test published.
        endpoint: the charm's name for it.
    """
    return testing.PeerRelation(
        endpoint,
        interface="cluster_join",
        local_app_data=encoded(*([record] if record else [])),
        local_unit_data=encoded(*mine),
        peers_data={number: encoded(*said) for number, said in (units or {}).items()},
    )


def cluster_workers(
    units: Mapping[int, cluster_join.NodeReport],
    *,
    app: str = "worker",
    endpoint: str = "workers",
) -> testing.Relation:
    """Return a relation of ``cluster_join`` to workers, as the control plane sees it."""
    return testing.Relation(
        endpoint,
        interface="cluster_join",
        remote_app_name=app,
        remote_units_data={number: encoded(report) for number, report in units.items()},
    )


def cluster_control_plane(
    units: Mapping[int, cluster_join.MemberReport] | None = None,
    *,
    record: cluster_join.ClusterRecord | None = None,
    mine: cluster_join.NodeReport | None = None,
    app: str = "edge-microk8s",
    endpoint: str = "control-plane",
) -> testing.Relation:
    """Return a relation of ``cluster_join`` to the control plane, as a worker sees it."""
    return testing.Relation(
        endpoint,
        interface="cluster_join",
        remote_app_name=app,
        remote_app_data=encoded(*([record] if record else [])),
        local_unit_data=encoded(*([mine] if mine else [])),
        remote_units_data={
            number: encoded(acts) for number, acts in (units or {0: _NONE}).items()
        },
    )


def lxd_peers(
    units: Mapping[int, lxd_cluster.MemberReport] | None = None,
    *,
    record: lxd_cluster.ClusterRecord | None = None,
    mine: lxd_cluster.MemberReport | None = None,
    endpoint: str = "cluster",
) -> testing.PeerRelation:
    """Return a peer relation of ``lxd_cluster``.

    Args:
        units: number of a peer → what it published.
        record: what the leader published.
        mine: what the unit under test published.
        endpoint: the charm's name for it.
    """
    return testing.PeerRelation(
        endpoint,
        interface="lxd_cluster",
        local_app_data=encoded(*([record] if record else [])),
        local_unit_data=encoded(*([mine] if mine else [])),
        peers_data={number: encoded(said) for number, said in (units or {}).items()},
    )


def component_of(
    component: edge_component.Component | None = None,
    *,
    principal: str = "edge-microk8s",
    endpoint: str = "component",
) -> testing.SubordinateRelation:
    """Return a relation of ``edge_component`` to a principal, as the unit beside it sees it."""
    return testing.SubordinateRelation(
        endpoint,
        interface="edge_component",
        remote_app_name=principal,
        remote_unit_data=encoded(*([component] if component else [])),
    )


def component_beside(
    wishes: edge_component.Wishes | None = None,
    *,
    component: edge_component.Component | None = None,
    beside: str = "edge-node",
    endpoint: str = "component",
) -> testing.SubordinateRelation:
    """Return a relation of ``edge_component`` to the edge-node, as the principal sees it."""
    return testing.SubordinateRelation(
        endpoint,
        interface="edge_component",
        remote_app_name=beside,
        local_unit_data=encoded(*([component] if component else [])),
        remote_unit_data=encoded(*([wishes] if wishes else [])),
    )


_NONE = cluster_join.MemberReport()
