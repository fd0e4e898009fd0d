#!/usr/bin/env python3
"""Watch over a site: keep its metrics, raise its alerts, answer whether it is well."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

import ops

import monitor_host
import monitor_options
import monitor_status
from edgecloud import host as machines
from edgecloud.host import failures
from edgecloud.telemetry import packages

logger = logging.getLogger(__name__)

PACKAGES = ("victoria-metrics", "prometheus-node-exporter")
EXPECTED = (failures.WorkloadError, OSError)
"""What fails now and then on a small machine; it is said in the status and tried again."""


class EdgeMonitorCharm(ops.CharmBase):
    """The monitor of a site, or what collects and forwards where the store is elsewhere."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._host = machines.this()
        self._unfit: list[str] = []
        self._troubles: list[str] = []

        for event in (
            self.on.install,
            self.on.start,
            self.on.config_changed,
            self.on.upgrade_charm,
            self.on.leader_elected,
            self.on.update_status,
            self.on.secret_changed,
        ):
            framework.observe(event, self._on_reconcile)
        framework.observe(self.on.remove, self._on_remove)
        framework.observe(self.on.collect_unit_status, self._on_collect_status)

    # --- reconcile -------------------------------------------------------------------------

    def _on_reconcile(self, _: ops.EventBase) -> None:
        """Bring this machine to where the options want it."""
        options = self._options
        if options is not None and self._attempt(self._install):
            self._attempt(lambda: self._run(options))

    def _install(self) -> None:
        if packages.missing(self._host, PACKAGES):
            self.unit.status = ops.MaintenanceStatus("installing packages")
        packages.ensure(self._host, PACKAGES)

    def _run(self, options: monitor_options.MonitorOptions) -> None:
        size, self._unfit = monitor_host.fitting(self._host, options)
        if not self._unfit:
            monitor_host.ensure(self._host, options, size)

    def _attempt(self, step: Callable[[], None]) -> bool:
        """Take a step; note what is expected to fail now and then instead of failing the hook."""
        try:
            step()
        except EXPECTED as e:
            logger.warning("%s", e)
            self._troubles.append(str(e))
            return False
        return True

    def _on_remove(self, _: ops.RemoveEvent) -> None:
        """Leave nothing behind that runs."""
        monitor_host.remove(self._host)

    # --- status ------------------------------------------------------------------------------

    def _on_collect_status(self, event: ops.CollectStatusEvent) -> None:
        line = monitor_status.judge(self._facts)
        event.add_status(ops.StatusBase.from_name(line.status, line.message))

    @property
    def _facts(self) -> monitor_status.Facts:
        options = self._options
        if options is None:
            return monitor_status.Facts(problems=self._checked[1])
        return monitor_status.Facts(
            problems=tuple(self._unfit),
            troubles=tuple(self._troubles),
            summary=f"watching {options.series} series for {options.retention_days} days",
        )

    # --- what is known in this hook ------------------------------------------------------------

    @property
    def _options(self) -> monitor_options.MonitorOptions | None:
        return self._checked[0]

    @functools.cached_property
    def _checked(self) -> tuple[monitor_options.MonitorOptions | None, tuple[str, ...]]:
        """The options, or what is wrong with them."""
        try:
            return self.load_config(monitor_options.MonitorOptions), ()
        except monitor_options.OptionError as e:
            return None, e.problems


if __name__ == "__main__":
    ops.main(EdgeMonitorCharm)
