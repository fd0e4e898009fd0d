"""Show a unit its part of the model as an ``ops.testing`` state, and take back what it wrote."""

# Revisions of a secret are a private part of ops.testing's Secret.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any, Protocol

import ops
from ops import testing

from edgelab.model import entities, uniter
from edgelab.model.entities import Relation, Secret, Unit

_STATUSES = {
    "active": testing.ActiveStatus,
    "blocked": testing.BlockedStatus,
    "maintenance": testing.MaintenanceStatus,
    "waiting": testing.WaitingStatus,
}

_ROTATION_DAYS = {
    ops.SecretRotate.HOURLY: 1 / 24,
    ops.SecretRotate.DAILY: 1,
    ops.SecretRotate.WEEKLY: 7,
    ops.SecretRotate.MONTHLY: 30,
    ops.SecretRotate.QUARTERLY: 91,
    ops.SecretRotate.YEARLY: 365,
}


class DuplicateLabelError(Exception):
    """Juju would fail the hook at its end: an owner's labels differ from each other."""


class Juju(uniter.Juju, Protocol):
    """What a unit's view is made from."""

    secrets: dict[str, Secret]
    state_model: testing.Model

    def address(self, unit: Unit) -> str:
        """Return the address of a unit's machine."""
        ...


class _Shown(testing.State):
    """A state that was made for one hook: it is the hook's own, and needs no copy."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _Shown:
        """Return this very state. Its databags and secrets are copies of the model's already."""
        return self


def state(juju: Juju, unit: Unit) -> testing.State:
    """Return what a unit may see now."""
    app = juju.applications[unit.app]
    return _Shown(
        leader=app.leader == unit.name,
        config=dict(app.config),
        model=juju.state_model,
        relations=[relation_of(juju, unit, juju.relations[id]) for id in _open(unit)],
        networks=_networks(juju, unit),
        secrets=list(_secrets(juju, unit)),
        resources=[testing.Resource(name=n, path=p) for n, p in app.resources.items()],
        storages=[_storage(id) for id in unit.storages],
        opened_ports=[_port(text) for text in unit.ports],
        planned_units=sum(
            other.app == unit.app and other.life is entities.Life.ALIVE
            for other in juju.units.values()
        ),
        unit_status=_status(unit.status),
        app_status=_status(app.status),
        workload_version=app.version,
    )


def relation_of(juju: Juju, unit: Unit, relation: Relation) -> testing.RelationBase:
    """Return one relation as a unit sees it."""
    remote_app = relation.remote_app(unit.app)
    view = unit.relations[relation.id]
    units = {
        juju.units[name].number: dict(relation.unit_bags[name].data)
        for name in sorted(uniter.visible(juju, unit, relation) & set(view.joined))
    }
    common: dict[str, Any] = {
        "endpoint": relation.endpoints[unit.app],
        "interface": relation.interface,
        "id": relation.id,
        "local_app_data": dict(relation.app_bags[unit.app].data),
        "local_unit_data": dict(relation.unit_bags[unit.name].data),
    }
    if relation.peer:
        return testing.PeerRelation(**common, peers_data=units)
    remote_app_data = dict(relation.app_bags[remote_app].data)
    common.update(remote_app_name=remote_app, remote_app_data=remote_app_data)
    mine = juju.applications[unit.app].endpoint(relation.endpoints[unit.app])
    # One end may ask for a container without the other knowing, as observability agents do.
    if mine.get("scope") == "container":
        number = next(iter(units), 0)
        return testing.SubordinateRelation(
            **common, remote_unit_id=number, remote_unit_data=units.get(number, {})
        )
    return testing.Relation(**common, remote_units_data=units)


def secret_of(unit: Unit, secret: Secret) -> testing.Secret:
    """Return one secret as a unit sees it. The unit must be allowed to read it."""
    owner = {unit.name: "unit", unit.app: "app"}.get(secret.owner)
    tracked = secret.tracked.get(unit.name, secret.latest)
    shown = testing.Secret(
        secret.revisions.get(tracked, secret.revisions[secret.latest]),
        latest_content=secret.revisions[secret.latest],
        id=secret.id,
        owner=owner,  # type: ignore[arg-type]
        label=secret.label if owner else secret.labels.get(unit.name),
        description=secret.description,
        expire=secret.expire,
        rotate=secret.rotate,
        remote_grants={id: frozenset(to) for id, to in secret.grants.items()} if owner else {},
    )
    object.__setattr__(shown, "_tracked_revision", tracked)
    object.__setattr__(shown, "_latest_revision", secret.latest)
    return shown


def may_read(juju: Juju, unit: Unit, secret: Secret) -> bool:
    """Return whether a unit owns a secret or was granted it over a relation that still is."""
    if secret.owner in (unit.name, unit.app):
        return True
    return any(
        unit.name in grantees or unit.app in grantees
        for id, grantees in secret.grants.items()
        if id == -1 or id in juju.relations
    )


def take(juju: Juju, unit: Unit, out: testing.State, now: float) -> list[str]:
    """Write what a unit's hook left behind into the model. Return what changed, in words."""
    changed = [*_take_relations(juju, unit, out), *_take_secrets(juju, unit, out, now)]
    unit.ports = frozenset(
        f"{port.port}/{port.protocol}" if port.port else port.protocol for port in out.opened_ports
    )
    app = juju.applications[unit.app]
    changed.extend(_take_status(unit.status, out.unit_status, now, unit.name))
    if out.leader:
        changed.extend(_take_status(app.status, out.app_status, now, app.name))
    if out.workload_version:
        app.version = out.workload_version
    return changed


def _take_relations(juju: Juju, unit: Unit, out: testing.State) -> Iterator[str]:
    for shown in out.relations:
        relation = juju.relations.get(shown.id)
        if relation is None:
            continue
        if relation.unit_bags[unit.name].replace(shown.local_unit_data):
            yield f"{shown.endpoint}:{shown.id} {unit.name}"
        bag = relation.app_bags[unit.app]
        if out.leader and bag.replace(shown.local_app_data):
            yield f"{shown.endpoint}:{shown.id} {unit.app}"
            if relation.peer:
                unit.relations[relation.id].app_version = bag.version


def _take_secrets(juju: Juju, unit: Unit, out: testing.State, now: float) -> Iterator[str]:
    left = {secret.id: secret for secret in out.secrets}
    for id, shown in left.items():
        if id not in juju.secrets:
            owner = unit.name if shown.owner == "unit" else unit.app
            _refuse_second(juju, owner, shown.label)
            juju.secrets[id] = Secret(id, owner, {1: dict(shown.tracked_content)})
            yield f"{id} added"
        secret = juju.secrets[id]
        if shown.owner is None:
            _take_reading(secret, unit, shown)
        elif _take_owned(secret, shown, now):
            yield f"{id} changed"
    for id, secret in list(juju.secrets.items()):
        if id not in left and secret.owner in (unit.name, unit.app):
            del juju.secrets[id]
            yield f"{id} removed"


def _refuse_second(juju: Juju, owner: str, label: str | None) -> None:
    """Raise for a second secret of one owner with the same label, as Juju does."""
    for other in juju.secrets.values():
        if label is not None and (other.owner, other.label) == (owner, label):
            raise DuplicateLabelError(f"{owner} has a secret with the label {label!r} already")


def _take_reading(secret: Secret, unit: Unit, shown: testing.Secret) -> None:
    secret.tracked[unit.name] = shown._tracked_revision
    if shown.label:
        secret.labels[unit.name] = shown.label


def _take_owned(secret: Secret, shown: testing.Secret, now: float) -> bool:
    before = (secret.latest, secret.grants, secret.expire, secret.label)
    content = dict(shown.latest_content or {})
    if content != secret.revisions[secret.latest]:
        secret.revisions[secret.latest + 1] = content
    secret.grants = {id: set(to) for id, to in shown.remote_grants.items()}
    secret.label, secret.description = shown.label, shown.description
    if secret.rotate != shown.rotate:
        secret.rotate_at = next_rotation(shown.rotate, now)
    secret.expire, secret.rotate = shown.expire, shown.rotate
    return before != (secret.latest, secret.grants, secret.expire, secret.label)


def _take_status(status: entities.Status, shown: Any, now: float, who: str) -> Iterator[str]:
    if (status.name, status.message) != (shown.name, shown.message):
        status.name, status.message, status.since = shown.name, shown.message, now
        yield f"{who} is {status}"


def _open(unit: Unit) -> Iterator[int]:
    for id, view in unit.relations.items():
        if not view.broken:
            yield id


def _secrets(juju: Juju, unit: Unit) -> Iterator[testing.Secret]:
    for secret in juju.secrets.values():
        if may_read(juju, unit, secret):
            yield secret_of(unit, secret)


def _networks(juju: Juju, unit: Unit) -> list[testing.Network]:
    address = juju.address(unit)
    bind = [testing.BindAddress([testing.Address(address)], interface_name="eth0")]
    metadata = juju.applications[unit.app].charm.metadata
    names: set[str] = set()
    for role in ("provides", "requires", "peers"):
        endpoints: dict[str, dict[str, Any]] = metadata.get(role) or {}
        names |= {name for name, meta in endpoints.items() if meta.get("scope") != "container"}
    return [
        testing.Network(name, bind, ingress_addresses=[address], egress_subnets=[f"{address}/32"])
        for name in sorted(names | {"juju-info"})
    ]


def _status(status: entities.Status) -> Any:
    kind = _STATUSES.get(status.name)
    return kind(status.message) if kind else testing.UnknownStatus()


def _storage(id: str) -> testing.Storage:
    name, _, index = id.rpartition("/")
    return testing.Storage(name, index=int(index))


def _port(text: str) -> Any:
    number, _, protocol = text.partition("/")
    if protocol == "tcp":
        return testing.TCPPort(int(number))
    return testing.UDPPort(int(number)) if protocol == "udp" else testing.ICMPPort()


def next_rotation(rotate: ops.SecretRotate | None, now: float) -> float | None:
    """Return when the owner of a secret is asked next to change it, None if never."""
    days = _ROTATION_DAYS.get(rotate) if rotate is not None else None
    return None if days is None else now + days * 86400


def expired(secret: Secret, now: float) -> bool:
    """Return whether a secret's newest revision is past its date and nobody was told."""
    if secret.expire is None or secret.expired_told == secret.latest:
        return False
    expire = secret.expire
    if expire.tzinfo is None:
        expire = expire.replace(tzinfo=datetime.timezone.utc)
    return expire.timestamp() <= now


def newly_obsolete(secret: Secret) -> list[int]:
    """Return the revisions that nobody reads any more, each once."""
    kept = {secret.latest, *secret.tracked.values(), *secret.obsolete}
    found = sorted(set(secret.revisions) - kept)
    secret.obsolete.update(found)
    return found
