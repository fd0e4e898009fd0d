#!/usr/bin/env python3
"""Watch over a site: keep its metrics, raise its alerts, answer whether it is well."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import ops

import alerting
import answers
import door
import guest_alerts
import guest_rules
import intake
import monitor_host
import monitor_options
import monitor_status
import questions
import remotes
import shown
import signed
import silencer
import targets
import writers
from edgecloud import host as machines
from edgecloud.host import failures, files, systemd
from edgecloud.interfaces import cos_agent, health_gate, node_metrics, others, stack
from edgecloud.telemetry import packages

Read = TypeVar("Read")

logger = logging.getLogger(__name__)

HEALTH_GATE = "health-gate"
TARGETS = "targets"
NODES = "nodes"
PACKAGES = ("victoria-metrics", "prometheus-alertmanager", "prometheus-node-exporter")
EXPECTED = (failures.WorkloadError, OSError)
"""What fails now and then on a small machine; it is said in the status and tried again."""

WAKE_UP_S = 60


class EdgeMonitorCharm(ops.CharmBase):
    """The monitor of a site."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._host = machines.this()
        self._targets = cos_agent.CosAgentConsumer(self, TARGETS)
        self._gate = health_gate.GateProvider(self, HEALTH_GATE)
        self._nodes = node_metrics.MetricsProvider(self, NODES)
        self._stack = stack.ObservabilityStack(self)
        self._others = others.Others(self)
        self._unfit: list[str] = []
        self._notes: list[str] = []
        self._troubles: list[str] = []
        self._brought = guest_alerts.NOTHING
        self._applications: tuple[intake.Writer, ...] = ()

        for event in (
            self.on.install,
            self.on.start,
            self.on.config_changed,
            self.on.upgrade_charm,
            self.on.leader_elected,
            self.on.update_status,
            self.on.secret_changed,
            *stack.events(self, TARGETS, NODES, HEALTH_GATE),
            *self._stack.events(),
            *self._others.events(),
        ):
            framework.observe(event, self._on_reconcile)
        framework.observe(self.on.secret_remove, self._on_secret_remove)
        framework.observe(self.on.remove, self._on_remove)
        framework.observe(self.on.site_page_action, self._on_site_page)
        framework.observe(self.on.collect_unit_status, self._on_collect_status)

    # --- reconcile -------------------------------------------------------------------------

    def _on_reconcile(self, event: ops.EventBase) -> None:
        """Bring this machine to where the options want it, and say where it can be asked."""
        options = self._options
        if options is None or not self._attempt(self._install):
            return
        self._attempt(self._have_signed)
        self._attempt(lambda: self._see_writers(options))
        self._attempt(lambda: self._judge(options))
        if self._attempt(lambda: self._run(options)) and not self._unfit:
            self._attempt(lambda: self._let_in(options))
            self._receive(options)
        keeps = options.mode != monitor_options.AGENT
        if self.unit.is_leader() and self._gate.related and self._is_up and keeps:
            self._attempt(self._offer_gate)
        is_over = isinstance(event, ops.RelationBrokenEvent)
        if (self._gate.related or is_over) and self._is_up and keeps:
            self._silence()
        if self.unit.is_leader() and self._stack.related:
            self._stack.offer(
                rules=monitor_host.shipped_rules(), dashboards=monitor_host.shipped_dashboards()
            )

    def _install(self) -> None:
        if packages.missing(self._host, PACKAGES):
            self.unit.status = ops.MaintenanceStatus("installing packages")
        packages.ensure(self._host, PACKAGES)

    def _have_signed(self) -> None:
        """Let an authority that is related sign what the door shows."""
        names = monitor_host.door_names(self._host, self._address)
        came = signed.ensure(self._host, self._others.signer, names)
        self._notes += [came.note] if came.note else []
        if came.again:
            self._look_again()

    def _see_writers(self, options: monitor_options.MonitorOptions) -> None:
        """See which applications of other charms may write here, if any may."""
        wanted = self._others.writers.writers()
        if not wanted:
            return
        if not options.takes_in:
            self._notes.append("receive-remote-write not taken in: see open-writes")
        elif not intake.is_able(self._host):
            self._notes.append("receive-remote-write not taken in: this vmagent has no limits")
        else:
            self._applications = intake.writers(wanted)
            lost = [each.application for each in self._applications if not each.addresses]
            self._notes += [f"no address of {', '.join(lost)} to let in"] if lost else []

    def _judge(self, options: monitor_options.MonitorOptions) -> None:
        """See which of the alert rules that applications bring can be evaluated."""
        if options.mode != monitor_options.AGENT:
            taken = [guest_rules.take(each, reserved=options.labels) for each in self._bringing]
            self._brought = guest_alerts.kept(self._host)
            self._brought = guest_alerts.judge(self._host, taken)
            self._notes += guest_alerts.words(self._brought)

    def _run(self, options: monitor_options.MonitorOptions) -> None:
        size, self._unfit = monitor_host.fitting(self._host, options, self._around)
        receivers = self._secret("alert-receivers", options.alert_receivers, alerting.read)
        credentials = self._secret("remote-credentials", options.remote_credentials, remotes.read)
        if not self._unfit:
            site = monitor_host.Site(
                options,
                self._plan(options),
                self._address,
                name=options.labels.get("site", self.model.name),
                charm=str(self.charm_dir),
                receivers=receivers or alerting.Receivers(),
                credentials=credentials or remotes.Credentials(),
                alertmanagers=self._stack.alertmanagers(),
                authorities=self._stack.authorities(),
                around=self._around,
                applications=self._applications,
                brought=self._brought,
                writers=tuple(self._right(each, options) for each in self._writers),
            )
            monitor_host.ensure(self._host, site, size)

    def _let_in(self, options: monitor_options.MonitorOptions) -> None:
        """Hand each machine what opens the door to its samples, and nobody else's."""
        gone = writers.left(self._host, [each.unit for each in self._writers])
        self._nodes.withdraw(gone)
        writers.note(self._host, [each.unit for each in self._writers])
        if self._senders:
            sink = node_metrics.Sink(
                url=f"{door.url(self._address)}{door.WRITE}",
                ca=signed.trusted(self._host),
                interval_s=options.scrape_interval,
                scraper=shown.ensure_key(self._host),
            )
            self._nodes.offer(sink, writers.contents(self._host, self._writers))

    def _receive(self, options: monitor_options.MonitorOptions) -> None:
        """Say where questions are answered without a password, if an operator wants that."""
        url = door.open_url(self._address) if options.answers_anybody else ""
        trusted, asking = signed.trusted(self._host), self._others.asking
        self._others.receive(url, authority=trusted, interval_s=options.scrape_interval)
        if asking and not url:
            self._notes.append(f"{', '.join(asking)} not answered: see open-queries")
        names = [each.application for each in self._applications]
        self._others.writers.publish({name: intake.url(self._address, name) for name in names})

    def _right(
        self, sender: targets.Sender, options: monitor_options.MonitorOptions
    ) -> door.Right:
        labels = {**options.labels, **self._topology.labels(sender.application, sender.unit)}
        return door.writer(sender.unit, labels, monitor_host.intake(options))

    def _offer_gate(self) -> None:
        """Say where health can be asked; only questions that have had an answer are offered."""
        offered = questions.offered(self._expected)
        known = {each.name for each in self._gate.offered()}
        answered = [
            each for each in offered if each.name in known or answers.knows(self._host, each.query)
        ]
        source = health_gate.GateSource(
            url=door.url(self._address),
            ca=signed.trusted(self._host),
            questions=tuple(answered),
        )
        password = door.password(self._host, door.GATE)
        self._gate.offer(source, username=door.GATE, password=password)
        if len(answered) < len(offered):
            self._look_again()

    def _silence(self) -> None:
        """Tell nobody of what an upgrade is bound to do to the nodes that it disturbs."""
        disturbed = self._gate.disturbed()
        if not self._attempt(lambda: silencer.ensure(self._host, disturbed)):
            self._look_again()

    def _look_again(self) -> None:
        """Run this charm again soon, without keeping a hook waiting."""
        name = f"edge-monitor-{self.unit.name.replace('/', '-')}"
        systemd.arm(self._host, name, WAKE_UP_S, systemd.dispatch_command(self.unit.name))

    def _attempt(self, step: Callable[[], object]) -> bool:
        """Take a step; note what is expected to fail now and then instead of failing the hook."""
        try:
            step()
        except EXPECTED as e:
            logger.warning("%s", e)
            self._troubles.append(str(e))
            return False
        return True

    def _on_secret_remove(self, event: ops.SecretRemoveEvent) -> None:
        """Drop a revision that nobody reads any more."""
        event.remove_revision()

    def _on_remove(self, _: ops.RemoveEvent) -> None:
        """Leave nothing behind that runs."""
        monitor_host.remove(self._host)
        writers.note(self._host, [])

    # --- actions -----------------------------------------------------------------------------

    def _on_site_page(self, event: ops.ActionEvent) -> None:
        """Say where the site's page is, and how to get in."""
        if not self._is_up:
            event.fail("this monitor does not run yet: see its status")
            return
        event.set_results(
            {
                "url": f"{door.url(self._address)}/",
                "username": door.READER,
                "password": door.password(self._host, door.READER),
                "authority": signed.trusted(self._host),
            }
        )

    # --- status ------------------------------------------------------------------------------

    def _on_collect_status(self, event: ops.CollectStatusEvent) -> None:
        line = monitor_status.judge(self._facts)
        event.add_status(ops.StatusBase.from_name(line.status, line.message))

    @property
    def _facts(self) -> monitor_status.Facts:
        options = self._options
        if options is None:
            return monitor_status.Facts(problems=self._checked[1])
        plan = self._plan(options)
        stopped = (
            []
            if self._troubles or self._unfit
            else monitor_host.stopped(self._host, options, self._around)
        )
        return monitor_status.Facts(
            problems=tuple(self._unfit),
            troubles=(*self._troubles, *(f"{name} does not run" for name in stopped)),
            silent=plan.silent,
            notes=tuple(self._notes),
            summary=monitor_status.summary(options, sum(plan.expected.values())),
        )

    # --- what is known in this hook ------------------------------------------------------------

    @property
    def _options(self) -> monitor_options.MonitorOptions | None:
        return self._checked[0]

    @functools.cached_property
    def _checked(self) -> tuple[monitor_options.MonitorOptions | None, tuple[str, ...]]:
        """The options, or what is wrong with them."""
        try:
            related = self._stack.stores()
            options = self.load_config(monitor_options.MonitorOptions, related_stores=related)
            return options, ()
        except monitor_options.OptionError as e:
            return None, e.problems

    def _secret(
        self, option: str, secret: Any, read: Callable[[Mapping[str, str]], Read]
    ) -> Read | None:
        """Return what an operator's secret holds; None if there is none, or none that is fit."""
        if secret is None:
            return None
        try:
            return read(secret.get_content(refresh=True))
        except (ops.SecretNotFoundError, ops.ModelError):
            self._unfit.append(
                f"{option} cannot be read: 'juju grant-secret' it to this application"
            )
        except (alerting.ReceiverError, remotes.RemoteError) as e:
            self._unfit.append(f"{option}: {e}")
        return None

    def _plan(self, options: monitor_options.MonitorOptions) -> targets.Plan:
        return targets.plan(
            [
                targets.Unit(each.unit, each.application, each.address, each.jobs)
                for each in self._targets.published()
            ],
            own=targets.Unit(self.unit.name, self.app.name, self._address),
            node=self._hostname,
            topology=self._topology,
            present=monitor_host.lendable(self._host),
            daemon=monitor_host.scraper(options),
            series=options.series,
            ports=monitor_host.ports(options, self._around),
            aside=monitor_host.aside(options, self._around),
            senders=self._senders,
            guests=[
                targets.Unit(each.known_as, each.application, each.address, list(each.jobs))
                for each in self._others.guests.targets()
            ],
        )

    @functools.cached_property
    def _senders(self) -> tuple[targets.Sender, ...]:
        """The machines that deliver their samples here, or show them to this unit."""
        return tuple(
            targets.Sender(
                each.unit, each.application, each.hostname, each.sends, shown.page(each)
            )
            for each in self._nodes.machines()
        )

    @property
    def _writers(self) -> list[targets.Sender]:
        """The machines that have a way through the door: nobody who does not need one."""
        return [each for each in self._senders if each.delivers]

    @property
    def _around(self) -> monitor_host.Around:
        here = targets.sends_from(self._senders, self._hostname)
        rules = bool(self._brought.texts)
        return monitor_host.Around(
            deliver=bool(self._writers), export=here, rules=rules, writes=bool(self._applications)
        )

    @property
    def _bringing(self) -> list[guest_rules.Guest]:
        """The applications of other charms that bring alert rules."""
        scraped, written = self._others.guests, self._others.writers.alert_rules()
        return [
            guest_rules.Guest(
                name, rules.get("groups"), self._topology.of_all(name), scraped.called(name)
            )
            for name, rules in sorted(scraped.alert_rules().items())
        ] + [
            guest_rules.writer(each.application, written[each.application], intake.MARK)
            for each in self._applications
            if each.application in written
        ]

    @property
    def _topology(self) -> targets.Topology:
        return targets.Topology(self.model.name, self.model.uuid)

    @functools.cached_property
    def _hostname(self) -> str:
        return files.read(self._host, "/etc/hostname").strip()

    @property
    def _expected(self) -> dict[str, int]:
        options = self._options
        return dict(self._plan(options).expected) if options else {}

    @functools.cached_property
    def _address(self) -> str:
        """Where this machine is on the site's network."""
        binding = self.model.get_binding(HEALTH_GATE)
        found = binding.network.bind_address if binding else None
        return str(found or "127.0.0.1")

    @property
    def _is_up(self) -> bool:
        return self._host.exists(door.CONFIG) and not self._unfit


if __name__ == "__main__":
    ops.main(EdgeMonitorCharm)
