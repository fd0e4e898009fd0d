#!/usr/bin/env python3
"""Coordinate the upgrades of a site: one plan, one node after the other, and the way back."""

from __future__ import annotations

import dataclasses
import functools
import logging

import ops

import books as site_books
import coordination
import disturbances
import gates
import sighting
import site_options
import site_status
from edgecloud import host as machines
from edgecloud.host import failures, systemd
from edgecloud.interfaces import health_gate, node_upgrade
from edgecloud.metrics import site_upgrade
from edgecloud.rollout import intent, inventory, ledger, messages, plan, site

logger = logging.getLogger(__name__)

PEERS = "coordinators"
NODES = "nodes"
HEALTH_GATE = "health-gate"


class EdgeUpgradeControllerCharm(ops.CharmBase):
    """A coordinator. The leader decides and writes; the others stand by with the same books."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._host = machines.this()
        self._nodes = node_upgrade.NodeUpgradeProvider(self, NODES)
        self._gate = health_gate.GateRequirer(self, HEALTH_GATE)
        self._refusal = ""
        self._trusts_source = True
        self._written: site_books.Books | None = None
        self._answers: dict[str, gates.Answer] | None = None
        self._excused: tuple[health_gate.Disturbance, ...] = ()

        for event in (
            self.on.config_changed,
            self.on.update_status,
            self.on.secret_changed,
            self.on[PEERS].relation_created,
            self.on[PEERS].relation_changed,
            self.on[NODES].relation_created,
            self.on[NODES].relation_changed,
            self.on[NODES].relation_departed,
            self.on[HEALTH_GATE].relation_created,
            self.on[HEALTH_GATE].relation_changed,
            self.on[HEALTH_GATE].relation_broken,
        ):
            framework.observe(event, self._on_reconcile)
        for event in (self.on.start, self.on.upgrade_charm, self.on.leader_elected):
            framework.observe(event, self._on_begin)
        framework.observe(self.on.secret_remove, self._on_secret_remove)
        for name in self.meta.actions:
            action = getattr(self.on, f"{name.replace('-', '_')}_action")
            framework.observe(action, self._on_action)
        framework.observe(self.on.collect_unit_status, self._on_collect_status)
        framework.observe(self.on.collect_app_status, self._on_collect_status)

    # --- reconcile -------------------------------------------------------------------------

    def _on_begin(self, event: ops.EventBase) -> None:
        """Reconcile, and trust nothing that was published before: say every order again."""
        self._standing = None
        self._trusts_source = False  # This revision may read the option in another way.
        self._on_reconcile(event)

    def _on_secret_remove(self, event: ops.SecretRemoveEvent) -> None:
        """Drop the content of an order that its node has read past."""
        if self.unit.is_leader():
            self._nodes.forget_revision(event)

    def _on_reconcile(self, _: ops.EventBase) -> None:
        """Read the books and the site, decide, write both back."""
        if self.unit.is_leader() and self._peers is not None and not self._books.problem:
            self._decide(self._take_plan(self._books))
        self._measure()

    def _take_plan(self, books: site_books.Books) -> site_books.Books:
        """Accept the plan of the option, where plans may start by themselves."""
        offered, options = self._offered, self._options
        if offered is None or options is None or options.start_plans != "automatic":
            return books
        try:
            taken = coordination.accept(books, offered, self._members, self._now)
        except intent.IntentError as e:
            self._refusal = f"plan: {e}"
            return books
        return taken

    def _decide(self, books: site_books.Books) -> None:
        led = coordination.lead(books, self.unit.name, self._now)
        led = coordination.outrank(led, self._reports, self._now)
        sight = self._look(led)
        decided = coordination.decide(led, sight, self._now, self._said)
        kept = coordination.time_gates(decided.books, sight, self._now)
        self._write(self._with_source(kept))
        self._publish(kept)
        self._excuse(kept)
        self._wake_up_later(kept, sight)

    def _with_source(self, books: site_books.Books) -> site_books.Books:
        """Note that the option says just what was accepted, if so: it is not parsed again then."""
        options, offered, _ = self._checked
        same = offered and books.accepted and offered.digest == books.accepted.digest
        source = site_options.source_of(options.plan) if options and same else ""
        return dataclasses.replace(books, source=source)

    def _look(self, books: site_books.Books) -> ledger.Sight:
        if books.rollout is None or books.accepted is None:
            return ledger.Sight()
        if self._answers is None:  # Asked once in a hook.
            asked = books.accepted.gates if coordination.may_grant(books) else ()
            self._answers = gates.ask(self._gate.access(), asked, self._now) if asked else {}
        verdicts = {name: each.verdict for name, each in self._answers.items()}
        return sighting.look(self._reports, books.rollout, verdicts, self._now)

    @property
    def _said(self) -> dict[str, str]:
        """Why gates do not pass, in words."""
        answers = (self._answers or {}).items()
        return {f"gate {name}": each.said for name, each in answers if each.said}

    def _write(self, books: site_books.Books) -> None:
        self._written = books
        assert self._peers is not None
        bag, wanted = self._peers.data[self.app], site_books.write(books)
        changes = {key: text for key, text in wanted.items() if bag.get(key, "") != text}
        if changes:
            bag.update(changes)

    def _publish(self, books: site_books.Books) -> None:
        """Say to the nodes what the books say, in the same hook, so that neither goes ahead."""
        rollout, accepted = books.rollout, books.accepted
        if rollout is not None and accepted is not None:
            orders = site.orders(rollout)
            text = plan.canonical(accepted)
            self._nodes.publish(
                text, books.signature, orders, rollout.members, standing=self._standing
            )

    def _excuse(self, books: site_books.Books) -> None:
        """Say to the monitor which nodes are disturbed on purpose, and for how long yet."""
        self._excused = disturbances.disturbed(books.rollout, books.accepted, self._now)
        self._gate.say(self._excused)

    def _wake_up_later(self, books: site_books.Books, sight: ledger.Sight) -> None:
        """Run this charm again when time alone may have changed something, and not before."""
        after_s = coordination.wake_after_s(books, sight, self._now)
        if self._gate.related:
            renewal_s = disturbances.renew_after_s(self._excused, self._now)
            after_s = min((s for s in (after_s, renewal_s) if s is not None), default=None)
        name = f"edge-upgrade-controller-{self.unit.name.replace('/', '-')}"
        try:
            # One that is armed already may come too late, or for nothing.
            systemd.disarm(self._host, name)
            if after_s is not None:
                command = systemd.dispatch_command(self.unit.name)
                systemd.arm(self._host, name, after_s, command)
        except (failures.WorkloadError, OSError) as e:
            logger.warning("no wake-up but update-status: %s", e)

    def _measure(self) -> None:
        """Let the leader's machine say in numbers where the site stands, and no other's."""
        import site_metrics  # No action needs it.

        text = ""
        if self.unit.is_leader():
            kept = self._written or self._books
            text = site_metrics.text(self._facts, kept)
        try:
            if text:
                self._host.write(site_upgrade.TEXTFILE, text)
            else:
                self._host.remove(site_upgrade.TEXTFILE)
        except OSError as e:
            logger.warning("no metrics of the site: %s", e)

    # --- actions -----------------------------------------------------------------------------

    def _on_action(self, event: ops.ActionEvent) -> None:
        """Run an action; say why, without a traceback, if it is refused."""
        problems = (*self._option_problems, *filter(None, [self._books.problem]))
        if self._options is None or self._books.problem or self._peers is None:
            event.fail("; ".join(problems) or "not started yet")
            return
        import actions  # No hook needs it.

        name = event.handle.kind.removesuffix("_action").replace("_", "-")
        context = actions.Context(
            books=self._books,
            options=self._options,
            members=self._members,
            params=event.params,
            facts=self._facts,
            budgets=sighting.budgets(self._reports, self._now),
            has_monitor=self._gate.related,
            now=self._now,
        )
        try:
            outcome = actions.run(name, context, is_leader=self.unit.is_leader())
        except actions.ActionError as e:
            event.fail(str(e))
            return
        if outcome.books is not None:
            self._decide(outcome.books)
        event.set_results(outcome.results)

    # --- status ------------------------------------------------------------------------------

    def _on_collect_status(self, event: ops.CollectStatusEvent) -> None:
        line = self._line
        event.add_status(ops.StatusBase.from_name(line.status, line.message))

    @functools.cached_property
    def _line(self) -> site_status.Line:
        return site_status.judge(self._facts)

    @property
    def _facts(self) -> site_status.Facts:
        books = self._written or self._books
        sight = self._look(books)
        decided = coordination.decide(books, sight, self._now, self._said)
        # Without the leader's pen this is what it would decide: good enough to explain.
        return site_status.Facts(
            is_leader=self.unit.is_leader(),
            has_peers=self._peers is not None,
            has_nodes=self._nodes.related,
            nodes=len(self._members),
            problems=self._problems,
            rollout=books.rollout,
            accepted=books.accepted,
            sight=sight,
            waiting=decided.waiting,
            offered=None if coordination.is_under_way(books) else self._offered,
            obstacle=self._obstacle(books),
            now=self._now,
            doing=sighting.doing(self._reports),
            whys=dict(decided.books.whys),
            said=self._said,
        )

    @property
    def _problems(self) -> tuple[str, ...]:
        found = [self._books.problem, self._refusal, *self._option_problems]
        return (*filter(None, found), *sighting.problems(self._reports))

    def _obstacle(self, books: site_books.Books) -> str:
        """Return why the plan of the option may not begin now; empty if it may."""
        if self._offered is None or coordination.is_under_way(books):
            return ""
        try:
            coordination.accept(books, self._offered, self._members, self._now)
        except intent.IntentError as e:
            return str(e)
        return ""

    # --- what is known in this hook ------------------------------------------------------------

    @functools.cached_property
    def _now(self) -> int:
        return int(self._host.now())

    @property
    def _peers(self) -> ops.Relation | None:
        return self.model.get_relation(PEERS)

    @functools.cached_property
    def _books(self) -> site_books.Books:
        if self._peers is None:
            return site_books.Books()
        return site_books.read(self._peers.data[self.app])

    @functools.cached_property
    def _standing(self) -> dict[str, messages.Order] | None:
        """The orders of the books as they were; Juju keeps both, or neither, of a hook."""
        return site.orders(self._books.rollout) if self._books.rollout else None

    @functools.cached_property
    def _reports(self) -> dict[str, node_upgrade.NodeReport]:
        return self._nodes.reports()

    @functools.cached_property
    def _members(self) -> inventory.Inventory:
        return sighting.members(self._reports, self._addresses)

    @property
    def _addresses(self) -> frozenset[str]:
        """Where the coordinators themselves live."""
        binding = self.model.get_binding(PEERS)
        found = {str(binding.network.bind_address)} if binding else set[str]()
        if self._peers is not None:
            bags = (self._peers.data[unit] for unit in self._peers.units)
            found |= {bag.get("ingress-address", "") for bag in bags}
        return frozenset(found - {""})

    @functools.cached_property
    def _checked(self) -> tuple[site_options.SiteOptions | None, plan.Plan | None, list[str]]:
        """The options, the plan among them, and what is wrong with them."""
        try:
            options = self.load_config(site_options.SiteOptions)
        except site_options.OptionError as e:
            return None, None, list(e.problems)
        if not options.plan.strip():
            return options, None, []
        try:
            offered = self._at_hand(options.plan) or site_options.read_plan(options.plan)
        except plan.PlanError as e:
            return options, None, [f"plan: {problem}" for problem in e.problems]
        return options, offered, []

    def _at_hand(self, text: str) -> plan.Plan | None:
        """Return the accepted plan if it was read from this text; None if that is to be read."""
        known = self._trusts_source and self._books.source == site_options.source_of(text)
        return self._books.accepted if known else None

    @property
    def _options(self) -> site_options.SiteOptions | None:
        return self._checked[0]

    @functools.cached_property
    def _offered(self) -> plan.Plan | None:
        """The plan of the option, unless it is the one at hand or this site does not take it."""
        options, offered, _ = self._checked
        rollout = self._books.rollout
        if options is None or offered is None or not self._members:
            return None
        if self._limits or (rollout is not None and rollout.digest == offered.digest):
            return None
        return offered

    @functools.cached_property
    def _limits(self) -> tuple[str, ...]:
        """Where the plan of the option asks for more than this site allows."""
        import actions  # The rule is the one of the action `start`.

        options, offered, _ = self._checked
        if options is None or offered is None or not self._members:
            return ()
        found = actions.refusals(offered, options, self._members, has_monitor=self._gate.related)
        return tuple(f"plan: {problem}" for problem in found)

    @property
    def _option_problems(self) -> tuple[str, ...]:
        return (*self._checked[2], *self._limits)


if __name__ == "__main__":  # pragma: nocover
    ops.main(EdgeUpgradeControllerCharm)
