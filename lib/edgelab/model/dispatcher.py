"""Run a charm's own code for one hook, in the charm's folder, with its own modules."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Generator
from typing import Any, Protocol

from ops import testing

from edgelab import pi
from edgelab.model import context, entities, view
from edgelab.model.entities import Hook, Unit
from edgelab.model.namespace import Namespace

_namespaces: dict[str, Namespace] = {}
"""The code of each staged charm, loaded once for all models of this process."""


class Juju(view.Juju, Protocol):
    """What a hook runs in."""

    world: pi.World
    random: random.Random
    actions: dict[int, entities.ActionRun]
    zones: dict[str, str]


class Dispatcher:
    """The charms of a model, loaded and ready to be told of events."""

    def __init__(self, juju: Juju):
        self._juju = juju
        self._contexts: dict[tuple[str, str], context.UnitContext] = {}

    def run(self, unit: Unit, hook: Hook) -> tuple[testing.State, list[str]]:
        """Run one hook; return the state it leaves, and the lines it logged.

        Raises what ``ops.testing`` raises for a charm that fails, SystemExit, and pi.PowerCut.
        """
        juju = self._juju
        machine = juju.world.machines[unit.machine]
        random.seed(juju.random.getrandbits(32))  # The ids that ops.testing draws follow the seed.
        with self._charm(unit) as (namespace, ctx):
            seam: Any = namespace.module("edgecloud.host")
            former = seam.use(machine.host())
            try:
                shown = view.state(juju, unit)
                event = self._event(ctx, unit, hook, shown)
                out = ctx.dispatch(event, shown, self._remote(unit, hook))
            finally:
                seam.use(former)
            if hook.action is not None:
                _finish(juju.actions[hook.action], ctx)
            return out, _lines(ctx)

    def close(self) -> None:
        """Remove what ``ops.testing`` keeps on disk for each unit."""
        for ctx in self._contexts.values():
            ctx.close()
        self._contexts.clear()

    @contextlib.contextmanager
    def _charm(self, unit: Unit) -> Generator[tuple[Namespace, context.UnitContext], None, None]:
        """Enter the world of a unit's charm: its modules, its folder."""
        app = self._juju.applications[unit.app]
        root = str(app.charm.root)
        if root not in _namespaces:
            context.write_metadata(app.charm)
            _namespaces[root] = Namespace(app.charm.root)
        namespace = _namespaces[root]
        with namespace.active(), _working_in(root):
            if (unit.name, root) not in self._contexts:
                self._contexts[unit.name, root] = context.UnitContext(
                    namespace.charm_type(),
                    app.charm,
                    app_name=unit.app,
                    unit_id=unit.number,
                    machine_id=unit.machine,
                    principal_unit=unit.principal,
                    availability_zone=self._juju.zones.get(unit.machine),
                    app_trusted=app.trusted,
                )
            yield namespace, self._contexts[unit.name, root]

    def _event(
        self, ctx: context.UnitContext, unit: Unit, hook: Hook, shown: testing.State
    ) -> Any:
        if hook.action is not None:
            action = self._juju.actions[hook.action]
            return ctx.on.action(action.name, params=action.params, id=str(action.id))
        make: Any = getattr(ctx.on, hook.kind.replace("-", "_"))
        if hook.relation is not None:
            relation = shown.get_relation(hook.relation)
            if hook.kind in ("relation-created", "relation-broken"):
                return make(relation)
            # ops.testing insists on some unit; the context tells the charm the right one, if any.
            return make(relation, remote_unit=0)
        if hook.secret is not None:
            secret = view.secret_of(unit, self._juju.secrets[hook.secret])
            return make(secret) if hook.revision is None else make(secret, revision=hook.revision)
        if hook.storage is not None:
            name, _, index = hook.storage.partition("/")
            return make(shown.get_storage(name, index=int(index)))
        return make()

    def _remote(self, unit: Unit, hook: Hook) -> context.Remote | None:
        if hook.relation is None:
            return None
        relation = self._juju.relations[hook.relation]
        return context.Remote(relation.remote_app(unit.app), hook.remote, hook.departing)


@contextlib.contextmanager
def _working_in(folder: str) -> Generator[None, None, None]:
    """Juju starts a hook in the charm's folder."""
    former = os.getcwd()  # noqa: PTH109
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(former)


def _lines(ctx: context.UnitContext) -> list[str]:
    return [f"{line.level} {line.message}" for line in ctx.juju_log]


def _finish(action: entities.ActionRun, ctx: context.UnitContext) -> None:
    """Note how an action ended."""
    action.results = dict(ctx.action_results or {})
    action.logs = list(ctx.action_logs)
    action.message = ctx.failure or ""
    action.status = "failed" if ctx.failure is not None else "completed"
