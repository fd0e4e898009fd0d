#!/usr/bin/env python3
"""Be the hands of this machine: carry orders to its agent, and tell what becomes of them."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable

import ops

import identity
import knowledge
import machine_facts
import node_options
import node_status
import program
import relay
import stillness
from edgecloud import host as machines
from edgecloud.agent import bell, hardware, paths
from edgecloud.agent import settings as agent_settings
from edgecloud.host import failures, files
from edgecloud.interfaces import cos_agent, edge_component, node_metrics, node_upgrade

logger = logging.getLogger(__name__)

COMPONENT = "component"
CONTROLLER = "controller"
MONITOR = "monitor"
COS_AGENT = "cos-agent"

EXPECTED = (failures.WorkloadError, OSError, relay.RelayError)
"""What fails now and then on a small machine; it is said in the status and tried again."""


class EdgeNodeCharm(ops.CharmBase):
    """Everything that disturbs this machine is done by the agent; this only exchanges files."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._host = machines.this()
        self._component = edge_component.ComponentRequirer(self, COMPONENT)
        self._controller = node_upgrade.NodeUpgradeRequirer(self, CONTROLLER)
        self._monitor = node_metrics.MetricsRequirer(self, MONITOR)
        self._agent = cos_agent.CosAgentProvider(self, COS_AGENT)
        self._known = knowledge.Knowledge(self._host, self._component, self._controller)
        self._troubles: list[str] = []
        self._uncollected = ""

        for event in (
            self.on.install,
            self.on.start,
            self.on.config_changed,
            self.on.upgrade_charm,
            self.on.update_status,
            self.on.secret_changed,
            self.on[COMPONENT].relation_created,
            self.on[COMPONENT].relation_changed,
            self.on[CONTROLLER].relation_created,
            self.on[CONTROLLER].relation_changed,
            self.on[CONTROLLER].relation_broken,
            self.on[MONITOR].relation_created,
            self.on[MONITOR].relation_changed,
            self.on[MONITOR].relation_departed,
            self.on[MONITOR].relation_broken,
            self.on[COS_AGENT].relation_created,
            self.on[COS_AGENT].relation_broken,
        ):
            framework.observe(event, self._on_reconcile)
        framework.observe(self.on.stop, self._on_stop)
        framework.observe(self.on.remove, self._on_remove)
        for name in self.meta.actions:
            action = getattr(self.on, f"{name.replace('-', '_')}_action")
            framework.observe(action, self._on_action)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    # --- reconcile -------------------------------------------------------------------------

    def _on_reconcile(self, _: ops.EventBase) -> None:
        """Bring the agent and what it is told, and what it says, to where they should be."""
        if self._rival:
            return
        self._attempt(self._install)
        if self._known.who is not None:
            self._attempt(self._settle)
            self._attempt(self._tell_agent)
            self._attempt(self._tell_controller)
        self._attempt(self._keep_still)
        self._collect()
        if self._known.outbox.spoke:
            bell.took(self._host, self._known.outbox.report, self._known.outbox.state)

    def _attempt(self, step: Callable[[], None]) -> None:
        """Take a step; note what is expected to fail now and then instead of failing the hook."""
        try:
            step()
        except EXPECTED as e:
            logger.warning("%s: %s", step.__name__.strip("_").replace("_", " "), e)
            self._troubles.append(" ".join(str(e).split()))

    def _install(self) -> None:
        """Ensure that this machine is ours and runs this charm's agent."""
        machine_facts.claim(self._host, self.unit.name)
        program.ensure(self._host)

    def _settle(self) -> None:
        """Tell the agent its place in the site; wrong options leave the former ones in force."""
        options, who = self._options, self._known.who
        if options is None or who is None:
            return
        settings = identity.settings(who, self._known.board, options, self.unit.name)
        relay.ensure_signers(self._host, options.signers)
        agent_settings.write(self._host, settings)

    def _tell_agent(self) -> None:
        """Ask the principal for what the agent needs, and hand the order on once it is there."""
        known, published = self._known, self._known.published
        work = relay.work(published) if published else None
        wishes = relay.wishes(
            published.order if published else None,
            known.outbox.report,
            known.kubernetes,
            self._host.now(),
            rejoins=work is not None and work.rollback == "rejoin",
            alone=known.is_control_plane and known.is_alone,
        )
        hosted = relay.hosted_wish(self._host, known.outbox)
        self._component.ask(dataclasses.replace(wishes, hosted=hosted))
        if published is None or work is None or not known.is_settled:
            return
        if not known.waits_for:
            relay.hand_on(self._host, published)

    def _tell_controller(self) -> None:
        """Say what this machine is and where its upgrade stands."""
        known, who = self._known, self._known.who
        if who is None or not self._controller.related:
            return
        report = known.outbox.report
        if known.waits_for and not report.reason:
            report = dataclasses.replace(report, reason=f"waits for {known.waits_for}")
        options = self._options or node_options.NodeOptions()
        machine = identity.machine(who, known.board, options, report.version, known.measured_s)
        said = node_upgrade.describe(report, who.name, machine, address=self._address(CONTROLLER))
        settings = agent_settings.read(self._host)
        self._controller.publish(
            dataclasses.replace(
                said,
                doing=known.doing or None,
                clock=hardware.is_clock_trusted(self._host, settings),
                foreign=hardware.foreign(self._host) or None,
                cluster=known.view,
                budgets=known.budgets,
            )
        )

    def _keep_still(self) -> None:
        """Let no snap move here but by a plan."""
        options = self._options
        if options is not None:
            stillness.ensure_held(self._host, wanted=options.hold_snaps)

    def _collect(self) -> None:
        """Have this machine's metrics collected and delivered, as long as there is a monitor.

        What fails here is said, and keeps nothing else from its work.
        """
        if not self._monitor.related:
            if machine_facts.is_watched(self._host) or machine_facts.is_shown(self._host):
                self._attempt(self._stop_collecting)
            self._export()
            return
        # What a monitor is given an agent beside this unit would bring a second time.
        self._agent.publish(jobs=(), alert_rules={}, dashboards=())
        who, options = self._known.who, self._options
        if who is not None and options is not None:
            said = self._watch(who.name, options)
            hostname = self._known.board.hostname
            self._monitor.publish(dataclasses.replace(said, hostname=hostname))

    def _watch(self, name: str, options: node_options.NodeOptions) -> node_metrics.Sender:
        """Have this machine deliver, or be scraped; return what its monitor is to know of it."""
        import collection  # Only a machine with a monitor pays for these.
        import showing

        accesses, scrapers = self._monitor.accesses(), self._monitor.scrapers()
        role, may_install = self._known.role, not self._known.has_plan
        shows = showing.is_wanted(
            options.forwarder,
            machine_facts.memory_kb(self._host),
            is_let_in=bool(accesses),
            is_scraped=bool(scrapers),
        )
        if shows:
            address = self._address(MONITOR)
            self._uncollected = showing.attempt(
                self._host, scrapers, address, may_install=may_install
            )
            return showing.said(self._host, address, name, role)
        wish = collection.Wish(accesses, name, role, options.buffer_mb)
        self._uncollected = collection.attempt(self._host, wish, may_install=may_install)
        return node_metrics.Sender(sends=machine_facts.is_watched(self._host))

    def _export(self) -> None:
        """Show this machine's metrics to an agent beside this unit, as long as there is one."""
        who = self._known.who
        if not self._agent.related:
            if machine_facts.is_exported(self._host):
                self._attempt(self._stop_collecting)
        elif who is not None:
            import collection  # Only a machine with an agent pays for these.
            import for_agent

            may_install = not self._known.has_plan
            self._uncollected = collection.attempt_export(self._host, may_install=may_install)
            prefix = f"{self.model.name}_{self.model.uuid}_{self.app.name}"
            for_agent.offer(self._agent, who.name, self._known.role, prefix)

    def _stop_collecting(self) -> None:
        import collection

        collection.remove(self._host)

    # --- the end -----------------------------------------------------------------------------

    def _on_stop(self, _: ops.StopEvent) -> None:
        """Leave only when nothing is half done: nobody else would end it."""
        if self._rival:
            return
        try:
            left = program.retire(self._host)
        except EXPECTED as e:
            logger.error("not leaving yet: %s", e)
            left = False
        if not left:
            self.unit.status = ops.BlockedStatus("not leaving before the agent ended its upgrade")
            # Juju runs a hook that failed again, and the departure goes through once it is safe.
            raise SystemExit(1)

    def _on_remove(self, _: ops.RemoveEvent) -> None:
        """Take the agent off, and set free what was held."""
        if self._rival:
            return
        self._attempt(self._set_free)
        self._attempt(self._stop_collecting)
        try:
            program.remove(self._host)
        except EXPECTED as e:
            logger.error("the agent cannot be removed yet: %s", e)
            raise SystemExit(1) from None  # Juju tries again; an agent must not be left behind.
        machine_facts.release(self._host, self.unit.name)

    def _set_free(self) -> None:
        stillness.release(self._host)

    # --- actions and status --------------------------------------------------------------------

    def _on_action(self, event: ops.ActionEvent) -> None:
        """Run an action; say why, without a traceback, if it is refused."""
        if self._rival:
            event.fail(f"{self._rival} has this machine")
            return
        import actions  # No hook needs it.

        name = event.handle.kind.removesuffix("_action").replace("_", "-")
        try:
            event.set_results(actions.ACTIONS[name](actions.Context(self._host, event.params)))
        except EXPECTED as e:
            event.fail(str(e))

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        line = node_status.judge(self._facts)
        event.add_status(ops.StatusBase.from_name(line.status, line.message))

    @property
    def _facts(self) -> node_status.Facts:
        who, outbox = self._known.who, self._known.outbox
        return node_status.Facts(
            problems=tuple(self._option_problems),
            rival=self._rival,
            name=who.name if who else "",
            installed=not program.is_outdated(self._host),
            spoke=outbox.spoke,
            report=outbox.report,
            state=outbox.state,
            awaits=outbox.awaits,
            agent_problem=outbox.problem,
            waits_for=self._known.waits_for,
            veto=files.read(self._host, paths.VETO).strip(),
            troubles=tuple(self._troubles),
            uncollected=self._uncollected,
            is_scraped=machine_facts.is_shown(self._host),
        )

    # --- what is known in this hook ------------------------------------------------------------

    @functools.cached_property
    def _rival(self) -> str:
        return machine_facts.rival(self._host, self.unit.name)

    @functools.cached_property
    def _checked(self) -> tuple[node_options.NodeOptions | None, list[str]]:
        try:
            return self.load_config(node_options.NodeOptions), []
        except node_options.OptionError as e:
            return None, list(e.problems)

    @property
    def _options(self) -> node_options.NodeOptions | None:
        return self._checked[0]

    @property
    def _option_problems(self) -> list[str]:
        return self._checked[1]

    def _address(self, endpoint: str) -> str:
        """Return where this machine is on the network of an endpoint; empty if Juju has none."""
        try:
            binding = self.model.get_binding(endpoint)
            found = binding.network.bind_address if binding else None
        except ops.ModelError:
            return ""
        return str(found or "")


if __name__ == "__main__":  # pragma: nocover
    ops.main(EdgeNodeCharm)
