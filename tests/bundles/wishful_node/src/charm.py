"""A unit beside a principal that asks for what it is told to, with the real interface."""

from __future__ import annotations

import ops

from edgecloud.interfaces import edge_component


class WishfulNodeCharm(ops.CharmBase):
    """Says what a node's agent needs."""

    def __init__(self, framework):
        super().__init__(framework)
        framework.observe(self.on.ask_action, self._on_ask)
        framework.observe(self.on.collect_unit_status, self._on_collect_status)

    def _on_ask(self, event):
        wishes = edge_component.Wishes(
            way_back=event.params["way-back"], busy=event.params["busy"]
        )
        edge_component.ComponentRequirer(self, "principal").ask(wishes)

    def _on_collect_status(self, event):
        event.add_status(ops.ActiveStatus())


if __name__ == "__main__":
    ops.main(WishfulNodeCharm)
