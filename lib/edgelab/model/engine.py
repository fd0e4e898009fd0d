"""Run the hooks of a model in some order, as the units' agents would.

The order is a parameter: the seed of the model picks which unit is next and which of its hooks,
so the same seed gives the same run.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
from collections.abc import Callable

from ops import testing
from scenario import errors

from edgelab import pi
from edgelab.model import dispatcher, entities, record, removal, told, uniter, view
from edgelab.model.entities import Hook, Life, RelationView, Unit

logger = logging.getLogger(__name__)

UPDATE_STATUS_INTERVAL_S = 300
LEASE_S = 60
HOOK_OVERHEAD_S = 1
RETRY_S = (5, 10, 20, 40, 80, 160, 300)
QUIET_HORIZON_S = 900
"""A timer further away than this is routine (a nightly backup), not unfinished work."""


class NotSettledError(Exception):
    """Some units still have work after the time that was given them."""

    def __init__(self, units: dict[str, str]):
        self.units = units
        listed = "\n".join(f"  {name}: {why}" for name, why in sorted(units.items()))
        super().__init__(f"these units do not converge:\n{listed}")


class Engine:
    """Runs hooks; :class:`edgelab.model.Model` adds what an operator does."""

    def __init__(self, world: pi.World, *, seed: int = 0):
        self.world = world
        world.concurrent = True
        self.clock = world.clock
        self.random = random.Random(seed)
        self.applications: dict[str, entities.Application] = {}
        self.units: dict[str, Unit] = {}
        self.relations: dict[int, entities.Relation] = {}
        self.secrets: dict[str, entities.Secret] = {}
        self.actions: dict[int, entities.ActionRun] = {}
        self.unreachable: set[str] = set()
        """Machines that the Juju controller cannot reach."""
        self.zones: dict[str, str] = {}
        """Machine → availability zone, where the cloud has any."""
        self.record = record.Record()
        self.state_model = testing.Model(
            name="site", uuid="5ba5f3b0-0000-4000-8000-000000000000", type="lxd"
        )
        self._dispatcher = dispatcher.Dispatcher(self)
        self._leaderless_since: dict[str, float] = {}
        self._scheduled: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = itertools.count()

    def address(self, unit: Unit) -> str:
        """Return the address of a unit's machine."""
        return self.world.machines[unit.machine].address

    def step(self) -> bool:
        """Run one hook of some unit. Return false if none is due."""
        self._elect()
        self._drop_stale()
        now = self.clock.now()
        ready = [
            (unit, hooks)
            for _, unit in sorted(self.units.items())
            if self.online(unit.machine) and (hooks := uniter.runnable(self, unit, now))
        ]
        if not ready:
            return False
        unit, hooks = self.random.choice(ready)
        self._run(unit, self.random.choice(hooks))
        self._catch_up()
        return True

    def settle(self, *, within_s: float = 6 * 3600, max_hooks: int = 4000) -> None:
        """Run until nothing is queued, no wake-up is near, and a round of update-status is calm.

        Raises:
            NotSettledError: units still had work after this much virtual time or this many hooks.
        """
        deadline = self.clock.now() + within_s
        left = max_hooks
        before = ""
        while True:
            while self.step():
                left -= 1
                if left <= 0 or self.clock.now() > deadline:
                    raise NotSettledError(self._unfinished())
            due = self.next_due(routine=False)
            if due is not None and due - self.clock.now() <= QUIET_HORIZON_S:
                self.advance_to(due)
                continue
            if before == (before := self.digest()):
                if stuck := self._stuck():
                    raise NotSettledError(stuck)
                return
            self._poll()

    def advance(self, seconds: float) -> None:
        """Let this much virtual time pass, running what falls due on the way."""
        until = self.clock.now() + seconds
        while self.clock.now() < until:
            while self.clock.now() < until and self.step():
                pass
            due = [time for time in (self.next_due(), self._next_poll()) if time is not None]
            self.advance_to(min([until, *due]))
        while self.step():
            pass

    def advance_to(self, time: float) -> None:
        """Set the clock forward and let the machines' own timers run."""
        # A moment past the due time, so that rounding leaves nothing due in the same instant.
        self.clock.advance(max(time - self.clock.now(), 0) + 0.001)
        self._catch_up()

    def next_due(self, *, routine: bool = True) -> float | None:
        """Return when a retry, a wake-up or a machine's own timer is due next.

        Args:
            routine: count timers that fire again and again, whatever goes on.
        """
        times = [
            unit.retry_at
            for unit in self.units.values()
            if unit.failed is not None and self.online(unit.machine)
        ]
        times.extend(since + LEASE_S for since in self._leaderless_since.values())
        times.extend(
            secret.expire.timestamp()
            for secret in self.secrets.values()
            if secret.expire is not None and secret.expired_told != secret.latest
        )
        times.extend(s.rotate_at for s in self.secrets.values() if s.rotate_at is not None)
        times.extend(time for time, _, _ in self._scheduled[:1])
        world = self.world.next_due(routine=routine)
        if world is not None:
            times.append(world)
        return min(times, default=None)

    def schedule(self, at: float, happen: Callable[[], None]) -> None:
        """Let something happen to the site at a time: a fault, its end, what an operator does."""
        heapq.heappush(self._scheduled, (at, next(self._sequence), happen))

    def online(self, machine: str) -> bool:
        """Return whether a machine runs and reaches the Juju controller."""
        return self.world.machines[machine].powered and machine not in self.unreachable

    def digest(self) -> str:
        """Return a text that differs when a databag, a secret or a status differs."""
        bags = [
            (relation.id, sorted((name, bag.version) for name, bag in bags.items()))
            for relation in self.relations.values()
            for bags in (relation.app_bags, relation.unit_bags)
        ]
        statuses = sorted((unit.name, str(unit.status)) for unit in self.units.values())
        secrets = sorted((secret.id, secret.latest) for secret in self.secrets.values())
        return repr((bags, statuses, secrets))

    def _poll(self) -> None:
        """Bring forward the next update-status of every unit."""
        self.advance_to(self.clock.now() + UPDATE_STATUS_INTERVAL_S)
        for unit in self.units.values():
            unit.next_update_status = self.clock.now()

    def _next_poll(self) -> float | None:
        times = [
            unit.next_update_status
            for unit in self.units.values()
            if unit.started and unit.failed is None and self.online(unit.machine)
        ]
        return min(times, default=None)

    def _catch_up(self) -> None:
        """Let the world do what is due by now, and queue the hooks that its timers ask for."""
        while self._scheduled and self._scheduled[0][0] <= self.clock.now():
            heapq.heappop(self._scheduled)[2]()
        self.world.tick()
        for _, unit_name, hook in self.world.fire_due():
            unit = self.units.get(unit_name)
            if unit is not None and not any(queued.kind == hook for queued in unit.queue):
                unit.queue.append(Hook(hook))
        self._tend_secrets()

    def _tend_secrets(self) -> None:
        for secret in self.secrets.values():
            if view.expired(secret, self.clock.now()):
                secret.expired_told = secret.latest
                hook = Hook("secret-expired", secret=secret.id, revision=secret.latest)
                self._tell_owner(secret, hook)
            if secret.rotate_at is not None and secret.rotate_at <= self.clock.now():
                secret.rotate_at = view.next_rotation(secret.rotate, self.clock.now())
                self._tell_owner(secret, Hook("secret-rotate", secret=secret.id))
            for revision in view.newly_obsolete(secret):
                hook = Hook("secret-remove", secret=secret.id, revision=revision)
                self._tell_owner(secret, hook)

    def _drop_stale(self) -> None:
        """Forget events of secrets that are gone by now."""
        for unit in self.units.values():
            unit.queue = [h for h in unit.queue if h.secret is None or h.secret in self.secrets]
            failed = unit.failed
            if failed is not None and failed.secret and failed.secret not in self.secrets:
                unit.failed = None

    def _tell_owner(self, secret: entities.Secret, hook: Hook) -> None:
        app = self.applications.get(secret.owner)
        name = app.leader if app is not None else secret.owner
        if name in self.units:
            self.units[name].queue.append(hook)

    def _tell_readers(self, before: dict[str, int]) -> None:
        """Queue secret-changed for those who may read a secret that has a new revision."""
        for secret in self.secrets.values():
            if secret.id in before and before[secret.id] != secret.latest:
                for unit in self.units.values():
                    mine = secret.owner in (unit.name, unit.app)
                    if not mine and view.may_read(self, unit, secret):
                        unit.queue.append(Hook("secret-changed", secret=secret.id))

    def _elect(self) -> None:
        """Give every application a leader that the controller can reach."""
        now = self.clock.now()
        for app in self.applications.values():
            if app.leader in self.units and self.online(self.units[app.leader].machine):
                self._leaderless_since.pop(app.name, None)
                continue
            candidates = [
                unit.name
                for unit in self.units.values()
                if unit.app == app.name and unit.life is Life.ALIVE and self.online(unit.machine)
            ]
            since = self._leaderless_since.setdefault(app.name, now)
            if app.leader in self.units and now < since + LEASE_S:
                continue  # The lease of a lost leader has to run out first.
            self._leaderless_since.pop(app.name, None)
            if candidates:
                self.move_leader(app.name, self.random.choice(sorted(candidates)))

    def move_leader(self, app_name: str, unit_name: str) -> None:
        """Make a unit the leader of its application from the next hook on."""
        app = self.applications[app_name]
        if app.leader in self.units:
            self.units[app.leader].leader_told = False
        app.leader = unit_name

    def _stuck(self) -> dict[str, str]:
        return {
            unit.name: f"hook failed: {self.label(unit, unit.failed)}"
            for unit in self.units.values()
            if unit.failed is not None and self.online(unit.machine)
        }

    def _unfinished(self) -> dict[str, str]:
        now = self.clock.now()
        found = self._stuck()
        recent: dict[str, list[str]] = {}
        for hook in self.record.hooks[-40:]:
            recent.setdefault(hook.unit, []).append(hook.label)
        for unit in self.units.values():
            if unit.name in recent or uniter.runnable(self, unit, now):
                last = ", ".join(recent.get(unit.name, [])[-5:])
                found.setdefault(unit.name, f"{unit.status}; last hooks: {last or 'none'}")
        return found

    def _run(self, unit: Unit, hook: Hook) -> None:
        """Run one hook; keep what it wrote only if it succeeds."""
        started, label = self.clock.now(), self.label(unit, hook)
        self._before(unit, hook)
        secrets = {secret.id: secret.latest for secret in self.secrets.values()}
        try:
            out, lines = self._dispatcher.run(unit, hook)
            changes = view.take(self, unit, out, self.clock.now())
        except pi.PowerCut:
            self._interrupted(unit, hook)
            outcome, changes = "power cut", list[str]()
        except (errors.UncaughtCharmError, view.DuplicateLabelError, SystemExit) as e:
            outcome, changes = self._failed(unit, hook, e), list[str]()
        else:
            outcome = "ok"
            self._done(unit, hook, lines)
        self._tell_readers(secrets)
        self.clock.advance(HOOK_OVERHEAD_S)
        self._see(unit)
        self.record.add(
            record.HookRecord(
                at=started,
                seconds=self.clock.now() - started,
                unit=unit.name,
                machine=unit.machine,
                label=label,
                outcome=outcome,
                status=str(unit.status),
                changes=tuple(changes),
            )
        )

    def _before(self, unit: Unit, hook: Hook) -> None:
        """Enter or leave a relation's scope where Juju does so before the hook."""
        if hook.relation is None:
            return
        relation = self.relations[hook.relation]
        if hook.kind == "relation-created" and relation.id not in unit.relations:
            unit.relations[relation.id] = RelationView(created=True)
            relation.unit_bags.setdefault(unit.name, entities.Bag(self._network_keys(unit)))
        if hook.kind == "relation-joined" and hook.remote is not None:
            unit.relations[relation.id].joined.setdefault(hook.remote, 0)
        if hook.kind == "relation-departed" and hook.remote is not None:
            unit.relations[relation.id].joined.pop(hook.remote, None)

    def _network_keys(self, unit: Unit) -> dict[str, str]:
        address = self.address(unit)
        return {
            "egress-subnets": f"{address}/32",
            "ingress-address": address,
            "private-address": address,
        }

    def _see(self, unit: Unit) -> None:
        """Note everything of the model that others than root may read."""
        self.record.see(f"{unit.name}: {unit.status}")
        if unit.app in self.applications:
            self.record.see(f"{unit.app}: {self.applications[unit.app].status}")
        for relation in self.relations.values():
            for owner, bag in (*relation.app_bags.items(), *relation.unit_bags.items()):
                if owner in (unit.name, unit.app):
                    self.record.see(f"{relation.id} {owner} {bag.data}")

    def _failed(self, unit: Unit, hook: Hook, error: BaseException) -> str:
        """Note that a hook failed, so that it runs again; an action does not."""
        cause = error.__cause__ or error
        text = f"{type(cause).__name__}: {cause}"
        logger.debug("%s: %s failed", unit.name, hook.kind, exc_info=error)
        self.record.see(f"{unit.name}: {text}")
        if hook.action is not None:
            action = self.actions[hook.action]
            action.status, action.message = "failed", text
            unit.queue.remove(hook)
            return text
        wait = RETRY_S[min(unit.failures, len(RETRY_S) - 1)]
        unit.failed, unit.failures = hook, unit.failures + 1
        unit.retry_at = self.clock.now() + wait
        return text

    def _interrupted(self, unit: Unit, hook: Hook) -> None:
        """A hook that lost its machine runs again at the next boot; an action is lost."""
        if hook.action is not None:
            self.actions[hook.action].status = "failed"
            self.actions[hook.action].message = "action terminated"
            unit.queue.remove(hook)
            return
        unit.failed, unit.retry_at = hook, self.clock.now()

    def _done(self, unit: Unit, hook: Hook, lines: list[str]) -> None:
        """Note a hook that succeeded."""
        unit.failed, unit.failures = None, 0
        unit.next_update_status = self.clock.now() + UPDATE_STATUS_INTERVAL_S
        if hook in unit.queue:
            unit.queue.remove(hook)
        for line in lines:
            self.record.see(f"{unit.name}: {line}")
        if hook.action is not None:
            action = self.actions[hook.action]
            self.record.see(f"{unit.name}: {action.name} {action.params} {action.message}")
            return
        told.note(self, unit, hook)
        if hook.kind == "relation-broken" and hook.relation is not None:
            removal.forget_relation(self, self.relations[hook.relation])
        elif hook.kind == "remove":
            removal.forget_unit(self, unit)

    def label(self, unit: Unit, hook: Hook) -> str:
        """Return a hook's name as Juju prints it, and whom it is about."""
        if hook.action is not None:
            return f"action {self.actions[hook.action].name}"
        if hook.relation is not None:
            relation = self.relations.get(hook.relation)
            endpoint = relation.endpoints[unit.app] if relation else "?"
            return f"{endpoint}-{hook.kind} {hook.remote or ''}".rstrip()
        if hook.storage is not None:
            return f"{hook.storage.partition('/')[0]}-{hook.kind}"
        return hook.kind

    def close(self) -> None:
        """End what still runs, and free what the run holds on disk outside the world's folder."""
        self.world.close()
        self._dispatcher.close()
