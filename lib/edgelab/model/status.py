"""A model's status as tables, laid out as ``juju status`` prints it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgelab.model import engine, entities
from edgelab.model.entities import Life, Unit


def text(juju: engine.Engine) -> str:
    """Return the whole status as plain text."""
    tables = (applications(juju), units(juju), machines(juju), relations(juju))
    return "\n\n".join(_table(rows) for rows in tables if len(rows) > 1)


def applications(juju: engine.Engine) -> list[Sequence[str]]:
    """Return one row for each application, the heading first."""
    rows: list[Sequence[str]] = [
        ("App", "Version", "Status", "Scale", "Charm", "Rev", "Message"),
    ]
    for name, app in sorted(juju.applications.items()):
        mine = [unit for unit in juju.units.values() if unit.app == name]
        status = app_status(juju, app)
        rows.append(
            (
                name,
                app.version,
                status.name,
                str(len(mine)),
                app.charm.name,
                str(app.revision),
                status.message,
            )
        )
    return rows


def units(juju: engine.Engine) -> list[Sequence[str]]:
    """Return one row for each unit, subordinates below their principals."""
    rows: list[Sequence[str]] = [
        ("Unit", "Workload", "Agent", "Machine", "Public address", "Ports", "Message"),
    ]
    for unit in _ordered(juju):
        leader = "*" if juju.applications[unit.app].leader == unit.name else ""
        workload, agent, message = unit_status(juju, unit)
        rows.append(
            (
                f"{'  ' if unit.principal else ''}{unit.name}{leader}",
                workload,
                agent,
                unit.machine,
                juju.address(unit),
                " ".join(sorted(unit.ports)),
                message,
            )
        )
    return rows


def machines(juju: engine.Engine) -> list[Sequence[str]]:
    """Return one row for each machine."""
    rows: list[Sequence[str]] = [("Machine", "State", "Address", "Host name", "Base", "Model")]
    for name, machine in sorted(juju.world.machines.items(), key=lambda item: _natural(item[0])):
        state = "started" if juju.online(name) else "down"
        rows.append(
            (
                name,
                state,
                machine.address,
                machine.hostname,
                f"ubuntu@{machine.release}",
                f"{machine.model}, {machine.mem_kb // 1024} MiB",
            )
        )
    return rows


def relations(juju: engine.Engine) -> list[Sequence[str]]:
    """Return one row for each relation between applications, and for each peer relation."""
    rows: list[Sequence[str]] = [("Endpoint", "Endpoint", "Interface", "Type")]
    for relation in juju.relations.values():
        ends = [f"{app}:{endpoint}" for app, endpoint in relation.endpoints.items()]
        kind = "peer" if relation.peer else "regular"
        kind = "subordinate" if relation.scope == "container" else kind
        rows.append((ends[0], ends[-1], relation.interface, kind))
    return rows


def app_status(juju: engine.Engine, app: entities.Application) -> entities.Status:
    """Return what an application says of itself, or else the worst of what its units say."""
    if app.status.name != "unknown":
        return app.status
    order = ["error", "blocked", "maintenance", "waiting", "active", "unknown"]
    found = [_status(juju, unit) for unit in juju.units.values() if unit.app == app.name]
    return min(found, key=lambda status: order.index(status.name), default=app.status)


def _status(juju: engine.Engine, unit: Unit) -> entities.Status:
    name, _, message = unit_status(juju, unit)
    return entities.Status(name, message)


def unit_status(juju: engine.Engine, unit: Unit) -> tuple[str, str, str]:
    """Return the workload status, the agent's, and the message of a unit."""
    if not juju.online(unit.machine):
        return "unknown", "lost", "agent lost, see 'juju show-status-log " + unit.name + "'"
    if unit.failed is not None:
        return "error", "idle", f'hook failed: "{juju.label(unit, unit.failed)}"'
    agent = "idle" if unit.started else "allocating"
    if unit.life is not Life.ALIVE:
        agent = "executing"
    return unit.status.name, agent, unit.status.message


def _ordered(juju: engine.Engine) -> Iterable[Unit]:
    principals = [unit for unit in juju.units.values() if unit.principal is None]
    for unit in sorted(principals, key=lambda unit: (unit.app, unit.number)):
        yield unit
        for other in juju.units.values():
            if other.principal == unit.name:
                yield other


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _natural(name: str) -> tuple[int, str]:
    head = name.partition("/")[0]
    return (int(head) if head.isdigit() else 0, name)
