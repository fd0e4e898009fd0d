"""What a unit has been told, noted after each hook that succeeded."""

from __future__ import annotations

from edgelab.model import uniter
from edgelab.model.entities import Hook, Unit


def note(juju: uniter.Juju, unit: Unit, hook: Hook) -> None:
    """Note that a unit ran a hook, so that it is not told the same thing again."""
    if hook.relation is not None:
        _relation(juju, unit, hook)
    elif hook.storage is not None:
        unit.storages[hook.storage] = hook.kind == "storage-attached"
    else:
        _lifecycle(juju, unit, hook.kind)


def _lifecycle(juju: uniter.Juju, unit: Unit, kind: str) -> None:
    app = juju.applications[unit.app]
    if kind == "install":
        unit.installed, unit.charm_revision = True, app.revision
    elif kind == "start":
        unit.started, unit.restarted = True, False
    elif kind == "config-changed":
        unit.config_version = app.config_version
    elif kind == "leader-elected":
        unit.leader_told = app.leader == unit.name
    elif kind == "upgrade-charm":
        unit.charm_revision, unit.config_version = app.revision, 0
    elif kind == "stop":
        unit.stopped = True


def _relation(juju: uniter.Juju, unit: Unit, hook: Hook) -> None:
    assert hook.relation is not None
    relation = juju.relations[hook.relation]
    told = unit.relations[relation.id]
    if hook.kind == "relation-created":
        relation.members.add(unit.name)
    elif hook.kind == "relation-joined":
        told.pending_changed = hook.remote
    elif hook.kind == "relation-changed":
        told.app_version = relation.app_bags[relation.remote_app(unit.app)].version
        if hook.remote is not None and hook.remote in told.joined:
            told.joined[hook.remote] = relation.unit_bags[hook.remote].version
    elif hook.kind == "relation-broken":
        told.broken = True
    if hook.kind in ("relation-changed", "relation-departed") and (
        hook.remote == told.pending_changed
    ):
        told.pending_changed = None
