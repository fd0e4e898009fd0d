"""Deploy a bundle: its machines, applications, units and relations, in Juju's order."""

from __future__ import annotations

import typing
from typing import Any

from edgelab import bundle as bundles
from edgelab.model import checks

if typing.TYPE_CHECKING:
    from edgelab.model import model

BOARDS = {1: "Raspberry Pi 3 Model B Plus Rev 1.3", 2: "Raspberry Pi 4 Model B Rev 1.5"}
"""What a board with as many GiB of memory, or fewer, is likely to be."""

BOARD = "Raspberry Pi 5 Model B Rev 1.0"
MEMORY_MB = 4096


def deploy(juju: model.Model, bundle: bundles.Bundle) -> None:
    """Deploy a bundle that was read, and so checked, before.

    Raises checks.CheckError for what the lab cannot stand in for.
    """
    if bundle.saas:
        names = ", ".join(bundle.saas)
        raise checks.CheckError(f"the lab has one model only, so there is no saas: {names}")
    placed = bundles.assign(bundle)
    needed = {machine.partition("/")[0] for machine in placed.values()}
    for name in sorted({*bundle.machines, *needed}, key=_number):
        juju.add_machine(name, **_hardware(bundle, name, placed))
    for container in sorted({machine for machine in placed.values() if "/" in machine}):
        host = container.partition("/")[0]
        hostname = f"juju-{container.replace('/', '-')}"
        juju.add_machine(container, container_of=host, hostname=hostname)
    for application in bundle.applications.values():
        _add_application(juju, bundle, application)
    for unit, machine in placed.items():
        juju.add_unit(unit.partition("/")[0], machine)
    for relation in bundle.relations:
        juju.integrate(str(relation.ends[0]), str(relation.ends[1]))


def _add_application(
    juju: model.Model, bundle: bundles.Bundle, application: bundles.Application
) -> None:
    if application.name not in bundle.charms:
        raise checks.CheckError(
            f"{application.place}: the lab has no charm {application.charm!r} at hand: "
            "pack it and name it by its path"
        )
    juju.add_application(
        application.name,
        bundle.charms[application.name].path,
        config={name: v for name, v in application.options.items() if v is not None},
        trusted=application.trust,
        base=bundle.base(application) or "ubuntu@24.04",
        resources={n: p for n, p in application.resources.items() if not isinstance(p, int)},
        storage={name: wanted.count for name, wanted in application.storage.items()},
    )


def _hardware(bundle: bundles.Bundle, name: str, placed: Any) -> dict[str, Any]:
    """Return the machine that a bundle's constraints ask for."""
    declared = bundle.machines.get(name)
    wanted = declared.constraints if declared else None
    if wanted is None:
        apps = [unit.partition("/")[0] for unit, machine in placed.items() if machine == name]
        wanted = bundle.applications[apps[0]].constraints if apps else None
    mem_mb = max(int(wanted.mem_mb or 0) if wanted else 0, MEMORY_MB)
    base = (declared.base if declared else "") or bundle.default_base or "ubuntu@24.04"
    return {
        "arch": (wanted.arch if wanted else "") or "arm64",
        "mem_kb": mem_mb * 1024,
        "cores": int((wanted.cores if wanted else 0) or 4),
        "release": base.partition("@")[2].partition("/")[0] or "24.04",
        "model": BOARDS.get(mem_mb // 1024, BOARD),
    }


def _number(name: str) -> int:
    return int(name) if name.isdigit() else 0
