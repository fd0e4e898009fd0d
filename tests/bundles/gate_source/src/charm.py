"""A monitor that is only an address: whoever answers there is the test's."""

from __future__ import annotations

import ops

from edgecloud.interfaces import health_gate


class GateSourceCharm(ops.CharmBase):
    """Publishes the option."""

    def __init__(self, framework):
        super().__init__(framework)
        self._gate = health_gate.GateProvider(self, "gate")
        for event in (self.on.config_changed, self.on["gate"].relation_created):
            framework.observe(event, self._on_any)

    def _on_any(self, _):
        self._gate.publish(health_gate.GateSource(url=str(self.config["url"])))
        self.unit.status = ops.ActiveStatus()
