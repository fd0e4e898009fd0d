#!/usr/bin/env python3
"""Make this machine a member of the site's LXD cluster, and keep it one."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

import ops

import installing
import lxd_config
import lxd_status
from edgecloud import host as machines
from edgecloud.host import failures, snap, systemd
from edgecloud.interfaces import edge_component
from edgecloud.lxd import daemon, errors

logger = logging.getLogger(__name__)

COMPONENT = "component"

WAKE_UP_S = 20
EXPECTED = (failures.WorkloadError, OSError)
"""What fails now and then on a small machine; it is said in the status and tried again."""


class EdgeLxdCharm(ops.CharmBase):
    """A member of the cluster."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._host = machines.this()
        self._component = edge_component.ComponentProvider(self, COMPONENT)
        self._troubles: list[str] = []

        for event in (
            self.on.install,
            self.on.start,
            self.on.config_changed,
            self.on.upgrade_charm,
            self.on.update_status,
            self.on[COMPONENT].relation_created,
        ):
            framework.observe(event, self._on_reconcile)
        framework.observe(self.on.remove, self._on_remove)
        framework.observe(self.on.switch_node_action, self._on_switch_node_action)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    # --- reconcile -------------------------------------------------------------------------

    def _on_reconcile(self, _: ops.EventBase) -> None:
        """Bring this machine, and what it says to the others, to where they should be."""
        config = self._config
        if config is not None and not self._blockers:
            self._attempt(self._install, config)
        self._attempt(self._tell_neighbours)
        if self._is_unfinished:
            self._attempt(self._wake_up_later)

    def _attempt(self, step: Callable[..., None], *arguments: lxd_config.LxdConfig) -> bool:
        """Take a step; note what is expected to fail now and then instead of failing the hook."""
        try:
            step(*arguments)
        except EXPECTED as e:
            logger.warning("%s: %s", step.__name__.strip("_").replace("_", " "), e)
            self._troubles.append(_one_line(str(e)))
            return False
        return True

    def _install(self, config: lxd_config.LxdConfig) -> None:
        """Ensure that LXD is there and held."""
        if self._snap is None:
            self.unit.status = ops.MaintenanceStatus(f"installing LXD {config.full_channel}")
        self._snap = installing.ensure(self._host, self._snap, config.full_channel)

    def _tell_neighbours(self) -> None:
        """Tell the edge-node on this machine what runs here."""
        if self._component.related and self._snap is not None:
            self._component.publish(
                edge_component.Component(
                    kind=edge_component.LXD,
                    snap=installing.SNAP,
                    channel=self._config.full_channel if self._config else None,
                    node=self.unit.name.replace("/", "-"),
                    ready=not self._troubles,
                )
            )

    def _wake_up_later(self) -> None:
        """Run this charm again soon, without keeping a hook waiting."""
        name = f"edge-lxd-{self.unit.name.replace('/', '-')}"
        systemd.arm(self._host, name, WAKE_UP_S, systemd.dispatch_command(self.unit.name))

    def _on_remove(self, _: ops.RemoveEvent) -> None:
        """Leave nothing of this charm on the machine."""
        import switch_node

        switch_node.remove(self._host)

    # --- actions -----------------------------------------------------------------------------

    def _on_switch_node_action(self, event: ops.ActionEvent) -> None:
        """Move a workload to another instance; say why, without a traceback, if it did not."""
        import switch_node  # No hook needs it.

        at = daemon.find(self._host)
        if at is None:
            event.fail("LXD does not run on this machine yet")
            return
        try:
            client = daemon.connect(self._host, at)
            event.set_results(switch_node.run(self._host, client, event.params))
        except (errors.LxdError, *EXPECTED) as e:
            event.fail(str(e))

    # --- status ------------------------------------------------------------------------------

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        line = lxd_status.judge(self._facts)
        event.add_status(ops.StatusBase.from_name(line.status, line.message))
        if self._facts.version:
            self.unit.set_workload_version(self._facts.version)

    # --- what is known in this hook ------------------------------------------------------------

    @functools.cached_property
    def _config(self) -> lxd_config.LxdConfig | None:
        """The options; None if they are wrong, and then the previous state is kept."""
        try:
            return self.load_config(lxd_config.LxdConfig)
        except lxd_config.ConfigError:
            return None

    @functools.cached_property
    def _blockers(self) -> tuple[str, ...]:
        """What the operator has to set differently."""
        try:
            config = self.load_config(lxd_config.LxdConfig)
        except lxd_config.ConfigError as e:
            return e.problems
        problem = lxd_config.track_problem(config, self._snap.version if self._snap else "")
        return (problem,) if problem else ()

    @functools.cached_property
    def _snap(self) -> snap.Snap | None:
        try:
            return installing.installed(self._host)
        except snap.SnapError as e:
            self._troubles.append(_one_line(str(e)))
            return None

    @property
    def _is_unfinished(self) -> bool:
        """Whether there is work that no event of Juju's will call this charm for."""
        waiting = (lxd_status.WAITING, lxd_status.MAINTENANCE)
        return lxd_status.judge(self._facts).status in waiting

    @property
    def _facts(self) -> lxd_status.Facts:
        return lxd_status.Facts(
            blockers=self._blockers,
            troubles=tuple(self._troubles),
            version=self._snap.version if self._snap else "",
        )


def _one_line(text: str) -> str:
    """Return what a command said in a line: the first, and the last of a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " … ".join(dict.fromkeys((*lines[:1], *lines[-1:])))


if __name__ == "__main__":  # pragma: nocover
    ops.main(EdgeLxdCharm)
