"""A site that has settled in the lab, and one of its units as a packed charm would find it."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from ops import testing

from edgelab import model as lab
from edgelab.model import entities, view
from standins import unit

NODES = 3
QUIET_S = 1800.0
"""How long the site is left alone, so that nothing of its birth is still going on."""


@dataclasses.dataclass(frozen=True)
class Scene:
    """What surrounds one unit at a moment at which it has nothing to do."""

    unit: str
    model: Mapping[str, Any]
    machine: pathlib.Path
    answers: Mapping[tuple[str, ...], subprocess.CompletedProcess[str]]
    now: float


def scenes(charm: pathlib.Path, scratch: pathlib.Path) -> list[Scene]:
    """Let a charm settle on three Pis; return what its leader and a follower see."""
    with lab.Model(scratch / "site") as site:
        site.add_application(charm.name, charm)
        for _ in range(NODES):
            site.add_unit(charm.name)
        site.settle()
        site.advance(QUIET_S)
        site.settle()
        leader = site.applications[charm.name].leader
        members = sorted(site.units, key=lambda name: name != leader)
        return [_scene(site, site.units[name], scratch) for name in members[:2]]


def _scene(site: lab.Model, member: entities.Unit, scratch: pathlib.Path) -> Scene:
    """Take down what a unit sees, and what its machine answers during a no-op hook."""
    machine = site.world.machines[member.machine]
    copy = scratch / f"machine-{machine.id}"
    shutil.copytree(machine.root, copy, symlinks=True)
    now = machine.now()
    juju: Any = site
    shown = _described(member, view.state(juju, member), site.address(member))
    return Scene(member.name, shown, copy, _recorded(site, member), now)


def _recorded(
    site: lab.Model, member: entities.Unit
) -> dict[tuple[str, ...], subprocess.CompletedProcess[str]]:
    """Run one ``update-status`` in the lab; return what the machine's programs answered."""
    answers: dict[tuple[str, ...], subprocess.CompletedProcess[str]] = {}
    run = site.world.run

    def listen(machine: Any, command: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        answer = run(machine, command, **options)
        if machine.id == member.machine:
            answers[tuple(command)] = answer
        return answer

    site.world.run = listen  # type: ignore[method-assign]
    try:
        member.queue.append(entities.Hook("update-status"))
        site.settle()
    finally:
        site.world.run = run  # type: ignore[method-assign]
    return answers


def _described(member: entities.Unit, state: testing.State, address: str) -> dict[str, Any]:
    """Return a unit's view in the words of :meth:`standins.unit.Unit.set_model`."""
    return {
        "unit": member.name,
        "leader": state.leader,
        "config": dict(state.config),
        "relations": [_relation(member, relation) for relation in state.relations],
        "secrets": {
            secret.id: {
                "label": secret.label or "",
                "owner": {"app": "application", "unit": "unit"}.get(secret.owner or "", ""),
                "revision": 1,
                "content": dict(secret.latest_content or secret.tracked_content),
            }
            for secret in state.secrets
        },
        "address": address,
        "unit_status": _status(member.status),
        "version": state.workload_version,
    }


def _relation(member: entities.Unit, relation: Any) -> dict[str, Any]:
    """Return one relation of a unit's view."""
    if isinstance(relation, testing.PeerRelation):
        application, units, remote = member.app, relation.peers_data, relation.local_app_data
    else:
        application, remote = relation.remote_app_name, relation.remote_app_data
        units = relation.remote_units_data
    return unit.relation(
        relation.id,
        relation.endpoint,
        application,
        units={f"{application}/{number}": dict(bag) for number, bag in units.items()},
        own_unit=dict(relation.local_unit_data),
        own_application=dict(relation.local_app_data),
        remote_application=dict(remote),
    )


def _status(status: entities.Status) -> dict[str, Any]:
    return {"status": status.name, "message": status.message, "status-data": {}}
