"""Take units, applications and relations out of a model, with all that belongs to them."""

from __future__ import annotations

from typing import Protocol

from edgelab.model import entities
from edgelab.model.entities import Life, Relation, Secret, Unit


class Juju(Protocol):
    """What things are removed from."""

    applications: dict[str, entities.Application]
    units: dict[str, Unit]
    relations: dict[int, Relation]
    secrets: dict[str, Secret]


def forget_unit(juju: Juju, unit: Unit) -> None:
    """Take a unit out for good: its scopes and secrets, and its application if it was dying."""
    unit.life = Life.DEAD
    juju.units.pop(unit.name, None)
    for relation in list(juju.relations.values()):
        relation.members.discard(unit.name)
        forget_relation(juju, relation)
    _forget_secrets(juju, unit.name)
    app = juju.applications[unit.app]
    if app.life is not Life.ALIVE and not any(u.app == app.name for u in juju.units.values()):
        forget_application(juju, app)


def forget_application(juju: Juju, app: entities.Application) -> None:
    """Take an application without units out, and end its relations."""
    del juju.applications[app.name]
    _forget_secrets(juju, app.name)
    for relation in list(juju.relations.values()):
        if app.name in relation.endpoints:
            relation.life = Life.DYING
            forget_relation(juju, relation)


def forget_relation(juju: Juju, relation: Relation) -> None:
    """Drop a dying relation once nobody takes part in it any more."""
    if relation.life is Life.ALIVE:
        return
    views = [unit.relations.get(relation.id) for unit in juju.units.values()]
    if all(told is None or told.broken for told in views):
        juju.relations.pop(relation.id, None)
        for unit in juju.units.values():
            unit.relations.pop(relation.id, None)


def unbound(juju: Juju) -> list[str]:
    """Return the subordinate units that nothing holds to their principals any more."""
    bonds = [
        set(relation.endpoints)
        for relation in juju.relations.values()
        if relation.scope == "container" and relation.life is Life.ALIVE
    ]
    return [
        unit.name
        for unit in juju.units.values()
        if unit.principal is not None
        and unit.life is Life.ALIVE
        and {unit.app, unit.principal.partition("/")[0]} not in bonds
    ]


def _forget_secrets(juju: Juju, owner: str) -> None:
    for secret in [secret for secret in juju.secrets.values() if secret.owner == owner]:
        del juju.secrets[secret.id]
