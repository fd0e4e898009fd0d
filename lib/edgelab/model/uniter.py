"""Which hooks a unit may run next, by the rules of Juju's unit agent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from edgelab.model import entities
from edgelab.model.entities import Hook, Life, Relation, RelationView, Unit


class Juju(Protocol):
    """What the rules look at."""

    applications: dict[str, entities.Application]
    units: dict[str, Unit]
    relations: dict[int, Relation]


def runnable(juju: Juju, unit: Unit, now: float) -> list[Hook]:
    """Return the hooks of which the unit's agent would run one next; often none or one."""
    if unit.failed is not None:
        return [unit.failed] if now >= unit.retry_at else []
    if not unit.installed:
        return _before_install(unit)
    created = [Hook("relation-created", relation=r.id) for r in _uncreated(juju, unit)]
    if created and unit.life is Life.ALIVE:
        return created
    if unit.life is not Life.ALIVE:
        return _dying(juju, unit)
    if not unit.started:
        return _starting(juju, unit)
    return _running(juju, unit, now)


def visible(juju: Juju, unit: Unit, relation: Relation) -> set[str]:
    """Return the remote units that this unit sees in a relation."""
    remote = relation.remote_app(unit.app)
    seen = {name for name in relation.members if juju.units[name].app == remote} - {unit.name}
    if relation.scope == "container":
        seen = {name for name in seen if _beside(juju.units[name]) == _beside(unit)}
    return seen


def relations_of(juju: Juju, unit: Unit) -> Iterator[Relation]:
    """Yield the relations that concern a unit, container-scoped ones only beside its principal."""
    for relation in juju.relations.values():
        if unit.app in relation.endpoints and _concerns(juju, unit, relation):
            yield relation


def _concerns(juju: Juju, unit: Unit, relation: Relation) -> bool:
    if relation.scope != "container":
        return True
    remote = relation.remote_app(unit.app)
    return any(
        other.app == remote and _beside(other) == _beside(unit) for other in juju.units.values()
    )


def _beside(unit: Unit) -> str:
    """Return the principal unit whose machine and life a unit shares."""
    return unit.principal or unit.name


def _before_install(unit: Unit) -> list[Hook]:
    if unit.life is not Life.ALIVE:
        return []
    attach = [Hook("storage-attached", storage=s) for s, done in unit.storages.items() if not done]
    return attach or [Hook("install")]


def _uncreated(juju: Juju, unit: Unit) -> Iterator[Relation]:
    for relation in relations_of(juju, unit):
        if relation.life is Life.ALIVE and relation.id not in unit.relations:
            yield relation


def _starting(juju: Juju, unit: Unit) -> list[Hook]:
    app = juju.applications[unit.app]
    if app.leader == unit.name and not unit.leader_told:
        return [Hook("leader-elected")]
    if unit.config_version != app.config_version:
        return [Hook("config-changed")]
    return [Hook("start")]


def _dying(juju: Juju, unit: Unit) -> list[Hook]:
    live = {id: view for id, view in unit.relations.items() if not view.broken}
    departed = [
        Hook("relation-departed", relation=id, remote=remote, departing=unit.name)
        for id, view in live.items()
        for remote in sorted(view.joined)
    ]
    if departed:
        return departed
    if live:
        return [Hook("relation-broken", relation=id) for id in live]
    if any(other.principal == unit.name for other in juju.units.values()):
        return []  # Its subordinates go first.
    if unit.started and not unit.stopped:
        return [Hook("stop")]
    detach = [Hook("storage-detaching", storage=s) for s, done in unit.storages.items() if done]
    return detach or [Hook("remove")]


def _running(juju: Juju, unit: Unit, now: float) -> list[Hook]:
    app = juju.applications[unit.app]
    for id, view in unit.relations.items():
        if view.pending_changed is not None:
            return [Hook("relation-changed", relation=id, remote=view.pending_changed)]
    if unit.charm_revision != app.revision:
        return [Hook("upgrade-charm")]
    found: list[Hook] = []
    if unit.restarted:
        found.append(Hook("start"))
    if unit.config_version != app.config_version:
        found.append(Hook("config-changed"))
    if app.leader == unit.name and not unit.leader_told:
        found.append(Hook("leader-elected"))
    found.extend(unit.queue[:1])
    for id, view in unit.relations.items():
        if not view.broken:
            found.extend(_relation_hooks(juju, unit, juju.relations[id], view))
    if not found and now >= unit.next_update_status:
        found.append(Hook("update-status"))
    return found


def _relation_hooks(
    juju: Juju, unit: Unit, relation: Relation, view: RelationView
) -> Iterator[Hook]:
    there = visible(juju, unit, relation) if relation.life is Life.ALIVE else set[str]()
    for remote in sorted(set(view.joined) - there):
        yield Hook("relation-departed", relation=relation.id, remote=remote, departing=remote)
    if relation.life is not Life.ALIVE:
        if not view.joined:
            yield Hook("relation-broken", relation=relation.id)
        return
    for remote in sorted(there):
        if remote not in view.joined:
            yield Hook("relation-joined", relation=relation.id, remote=remote)
        elif relation.unit_bags[remote].version > view.joined[remote]:
            yield Hook("relation-changed", relation=relation.id, remote=remote)
    if relation.app_bags[relation.remote_app(unit.app)].version > view.app_version:
        yield Hook("relation-changed", relation=relation.id)
