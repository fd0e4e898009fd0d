"""What an operator does to a model: deploy, relate, configure, run actions, remove."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any, cast

from edgelab import bundle as bundles
from edgelab import names, pi
from edgelab.model import checks, deploying, engine, entities, record, removal, staging
from edgelab.model.entities import (
    ActionRun,
    Application,
    ConfigValue,
    Hook,
    Life,
    Relation,
    Secret,
    Unit,
)
from edgelab.pi import board

START = 1_795_000_000.0
"""When a run begins, unless told otherwise: 2026-11-18, 11:06:40 UTC."""


class Model(engine.Engine):
    """A Juju model on simulated machines."""

    def __init__(
        self,
        folder: str | pathlib.Path | None = None,
        *,
        seed: int = 0,
        start: float = START,
    ):
        """Make an empty model.

        Args:
            folder: where machines and charms live; a temporary folder if None.
            seed: picks the order in which hooks run, and whatever else is left to chance.
            start: the time at which the virtual clock starts, in seconds since 1970 UTC.
        """
        self._temporary = None
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="edgelab-")
            folder = self._temporary.name
        self.folder = pathlib.Path(folder)
        super().__init__(pi.World(self.folder / "world", pi.Clock(start), seed=seed), seed=seed)
        self._numbers = {"relation": 0, "action": 0, "secret": 0, "machine": 0}

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what the run left on disk, if its folder was a temporary one."""
        super().close()
        if self._temporary is not None:
            self._temporary.cleanup()

    # Machines

    def add_machine(
        self, name: str | None = None, *, zone: str | None = None, **hardware: Any
    ) -> str:
        """Add a Pi; ``hardware`` is what :class:`edgelab.pi.Machine` takes. Return its name."""
        if name is None:
            name = str(self._numbers["machine"])
        if name.isdigit():
            self._numbers["machine"] = max(self._numbers["machine"], int(name) + 1)
        number = len(self.world.machines)
        hardware.setdefault("hostname", f"pi-{number + 1}")
        hardware.setdefault("address", f"10.20.0.{11 + number}")
        self.world.add_machine(name, **hardware)
        if zone is not None:
            self.zones[name] = zone
        return name

    def power_off(self, machine: str) -> None:
        """Pull the plug of a machine."""
        self.world.machines[machine].power_off()
        self._incident(machine, "power cut")

    def power_on(self, machine: str) -> None:
        """Plug a machine in again; its units run ``start`` once the agent is up."""
        self.world.machines[machine].power_on()
        self._note_restart(machine)
        self._incident(machine, "powered on")

    def reboot(self, machine: str) -> None:
        """Let the supply of a machine sag, so that it restarts at once."""
        self.world.machines[machine].reboot()
        self._note_restart(machine)
        self._incident(machine, "brown-out: rebooted")

    def weaken_supply(self, machine: str) -> None:
        """Let the supply of a machine sag as far as it just bears."""
        board.sag(self.world.machines[machine])
        self._incident(machine, "its power supply gets weak")

    def mend_supply(self, machine: str) -> None:
        """Let the supply of a machine be well again."""
        board.sag(self.world.machines[machine], now=False)
        self._incident(machine, "its power supply is well again")

    def _note_restart(self, machine: str) -> None:
        """Have the agents on a machine, and in its containers, run ``start`` again."""
        for unit in self.units.values():
            if machine in (unit.machine, self.world.machines[unit.machine].container_of):
                unit.restarted = unit.started

    def cut_peers(self, machine: str) -> None:
        """Cut a machine from all the others; the controller still reaches it."""
        self.world.cut(machine)
        self._incident(machine, "cut from its peers")

    def heal_peers(self, machine: str) -> None:
        """Let a machine reach the others again."""
        self.world.heal(machine)
        self._incident(machine, "reaches its peers again")

    def fill_disk(self, machine: str) -> None:
        """Fill the disk of a machine to the last byte."""
        self.world.machines[machine].fill_disk()
        self._incident(machine, "disk full")

    def free_disk(self, machine: str) -> None:
        """Give the disk of a machine its room back."""
        self.world.machines[machine].free_disk()
        self._incident(machine, "disk has room again")

    def stop_clock(self, machine: str) -> None:
        """Let the clock of a machine stand still; time goes on for all others."""
        self.world.machines[machine].stop_clock()
        self._incident(machine, "its clock stands still")

    def start_clock(self, machine: str) -> None:
        """Let the clock of a machine show the right time again."""
        self.world.machines[machine].start_clock()
        self._incident(machine, "its clock is right again")

    def cut_controller(self, *machines: str) -> None:
        """Cut machines from the Juju controller, by default all of them."""
        for machine in machines or tuple(self.world.machines):
            self.unreachable.add(machine)
            self._incident(machine, "cut from the controller")

    def heal_controller(self, *machines: str) -> None:
        """Let machines, by default all, reach the Juju controller again."""
        for machine in machines or tuple(self.unreachable):
            self.unreachable.discard(machine)
            self._incident(machine, "reaches the controller again")

    def _incident(self, machine: str, text: str) -> None:
        self.record.note(record.Incident(self.clock.now(), machine, text))

    # Applications and units

    def deploy(self, bundle: bundles.Bundle) -> None:
        """Deploy a bundle; :func:`edgelab.bundle.read` makes one from its files."""
        deploying.deploy(self, bundle)

    def add_application(
        self,
        name: str,
        charm: str | pathlib.Path,
        *,
        config: Mapping[str, ConfigValue] | None = None,
        trusted: bool = False,
        base: str = "ubuntu@24.04",
        resources: Mapping[str, pathlib.Path] | None = None,
        storage: Mapping[str, int] | None = None,
    ) -> Application:
        """Deploy a charm, from its folder or its packed file, without units yet."""
        if name in self.applications:
            raise checks.CheckError(f"application {name} already exists")
        if not names.APPLICATION.fullmatch(name):
            raise checks.CheckError(f"{name!r} is no name for an application")
        path = pathlib.Path(charm)
        staged = staging.stage_once(path)
        app = Application(name, path, staged, {}, trusted=trusted, base=base)
        app.config = checks.config(staged, config or {})
        app.resources = {**self._empty_resources(staged), **(resources or {})}
        app.storage = dict(storage or {})
        self.applications[name] = app
        peers = cast("dict[str, dict[str, Any]]", staged.metadata.get("peers") or {})
        for endpoint, metadata in peers.items():
            self._add_relation(str(metadata["interface"]), {name: endpoint})
        return app

    def add_unit(self, app_name: str, machine: str | None = None) -> Unit:
        """Add a unit, on a new machine unless told where."""
        app = self._application(app_name)
        if app.subordinate:
            raise checks.CheckError(f"{app_name} is a subordinate: relate it to a principal")
        if machine is not None and machine not in self.world.machines:
            known = ", ".join(self.world.machines) or "none"
            raise checks.CheckError(f"there is no machine {machine!r}; there are {known}")
        unit = self._add_unit(app, machine if machine is not None else self.add_machine())
        for relation in list(self.relations.values()):
            if relation.scope == "container" and app_name in relation.endpoints:
                self._add_subordinates(relation)
        return unit

    def remove_unit(self, name: str, *, force: bool = False) -> None:
        """Remove a unit; with ``force`` at once, whether or not its machine still answers."""
        unit = self._unit(name)
        unit.life = Life.DYING
        for relation in self.relations.values():
            relation.members.discard(name)
        for other in list(self.units.values()):
            if other.principal == name:
                self.remove_unit(other.name, force=force)
        if force or not unit.installed:
            removal.forget_unit(self, unit)

    def remove_application(self, name: str, *, force: bool = False) -> None:
        """Remove an application with all its units and relations."""
        app = self._application(name)
        app.life = Life.DYING
        units = [unit for unit in self.units.values() if unit.app == name]
        for unit in units:
            self.remove_unit(unit.name, force=force)
        if not units:
            removal.forget_application(self, app)

    def set_config(self, name: str, options: Mapping[str, ConfigValue]) -> None:
        """Change options of an application. Raises CheckError for what the charm lacks."""
        app = self._application(name)
        app.config.update(checks.config(app.charm, options, defaults=False))
        app.config_version += 1

    def reset_config(self, name: str, *options: str) -> None:
        """Give options of an application their default values again."""
        app = self._application(name)
        defaults = checks.config(app.charm, {})
        for option in options:
            app.config.pop(option, None)
            if option in defaults:
                app.config[option] = defaults[option]
        app.config_version += 1

    def refresh(self, name: str, charm: str | pathlib.Path | None = None) -> None:
        """Move an application to another build of its charm (the same path, by default)."""
        app = self._application(name)
        app.charm_path = pathlib.Path(charm) if charm is not None else app.charm_path
        app.charm = staging.stage_once(app.charm_path)
        app.revision += 1
        app.config = {**checks.config(app.charm, {}), **app.config}

    def attach_resource(self, name: str, resource: str, path: pathlib.Path) -> None:
        """Give an application another file for a resource; its units run ``upgrade-charm``."""
        app = self._application(name)
        if resource not in (app.charm.metadata.get("resources") or {}):
            raise checks.CheckError(f"charm {app.charm.name} has no resource {resource!r}")
        app.resources[resource] = path
        app.revision += 1

    # Relations

    def integrate(self, left: str, right: str) -> Relation:
        """Relate two applications: ``app`` or ``app:endpoint`` each."""
        ends = checks.endpoints(self.applications, self.relations.values(), left, right)
        (left_app, left_name), (right_app, right_name) = ends
        interface = str(self.applications[left_app].endpoint(left_name)["interface"])
        scopes = [self.applications[app].endpoint(name).get("scope") for app, name in ends]
        relation = self._add_relation(
            interface,
            {left_app: left_name, right_app: right_name},
            scope="container" if "container" in scopes else "global",
        )
        self._add_subordinates(relation)
        return relation

    def remove_relation(self, left: str, right: str) -> None:
        """Take a relation apart again; subordinates go with what held them to their principals."""
        for relation in checks.related(self.relations.values(), left, right):
            relation.life = Life.DYING
            for unit in removal.unbound(self):
                self.remove_unit(unit)
            removal.forget_relation(self, relation)

    # Actions and secrets

    def run(self, unit: str, action: str, params: Mapping[str, Any] | None = None) -> ActionRun:
        """Run an action on a unit (or ``app/leader``) and return how it ended.

        Raises CheckError if the parameters do not fit the action's schema.
        """
        if unit.endswith("/leader"):
            unit = self._application(_app(unit.partition("/")[0])).leader or unit
        target = self._unit(unit)
        app = self.applications[target.app]
        self._numbers["action"] += 1
        filled = checks.parameters(app.charm, action, params or {})
        run = ActionRun(self._numbers["action"], unit, action, filled)
        self.actions[run.id] = run
        target.queue.insert(0, Hook("action", action=run.id))
        for _ in range(500):
            if run.status != "pending" or not self.step():
                break
        return run

    def add_secret(self, content: Mapping[str, str], *, to: str) -> str:
        """Add a user secret and grant it to an application. Return its id."""
        self._numbers["secret"] += 1
        id = f"secret:{self._numbers['secret']:020d}"
        self.secrets[id] = Secret(id, "model", {1: dict(content)}, grants={-1: {to}})
        return id

    def update_secret(self, id: str, content: Mapping[str, str]) -> None:
        """Give a user secret new content."""
        secret = self.secrets[id]
        before = {id: secret.latest}
        secret.revisions[secret.latest + 1] = dict(content)
        self._tell_readers(before)

    # Inside

    def _application(self, name: str) -> Application:
        if name not in self.applications:
            known = ", ".join(sorted(self.applications))
            raise checks.CheckError(f"no application {name!r}; there are {known}")
        return self.applications[name]

    def _unit(self, name: str) -> Unit:
        if name not in self.units:
            known = ", ".join(sorted(self.units))
            raise checks.CheckError(f"no unit {name!r}; there are {known}")
        return self.units[name]

    def _empty_resources(self, charm: staging.StagedCharm) -> dict[str, pathlib.Path]:
        """Return an empty file for each resource, as the store has it for one not in use."""
        empty = self.folder / "empty-resource"
        self.folder.mkdir(parents=True, exist_ok=True)
        empty.touch()
        return dict.fromkeys(charm.metadata.get("resources") or {}, empty)

    def _add_unit(self, app: Application, machine: str, principal: str | None = None) -> Unit:
        unit = Unit(f"{app.name}/{app.next_unit}", app.name, machine, principal)
        app.next_unit += 1
        for name, count in app.storage.items():
            for _ in range(count):
                unit.storages[f"{name}/{len(unit.storages)}"] = False
        self.units[unit.name] = unit
        return unit

    def _add_relation(
        self, interface: str, endpoints: dict[str, str], *, scope: str = "global"
    ) -> Relation:
        self._numbers["relation"] += 1
        relation = Relation(self._numbers["relation"], interface, endpoints, scope=scope)
        relation.app_bags = {app: entities.Bag() for app in endpoints}
        self.relations[relation.id] = relation
        return relation

    def _add_subordinates(self, relation: Relation) -> None:
        """Give each principal unit of a container-scoped relation its subordinate unit."""
        if relation.scope != "container":
            return
        apps = [self.applications[name] for name in relation.endpoints]
        for app in apps:
            if app.subordinate:
                self._place_beside(app, relation.remote_app(app.name))

    def _place_beside(self, app: Application, principal_app: str) -> None:
        taken = {unit.principal for unit in self.units.values() if unit.app == app.name}
        for unit in list(self.units.values()):
            if unit.app == principal_app and unit.name not in taken and unit.principal is None:
                self._add_unit(app, unit.machine, principal=unit.name)


def _app(endpoint: str) -> str:
    return endpoint.partition(":")[0]
