"""Runs an end of an interface inside a charm that does nothing else."""

import dataclasses

import ops
import pytest
from ops import testing

ENDPOINTS = {
    "peers": {"cluster": {"interface": "cluster_join"}},
    "provides": {
        "workers": {"interface": "cluster_join"},
        "component": {"interface": "edge_component", "scope": "container"},
        "cos-agent": {"interface": "cos_agent", "scope": "container"},
        "nodes": {"interface": "node_upgrade"},
        "gate": {"interface": "health_gate"},
    },
    "requires": {
        "control-plane": {"interface": "cluster_join", "limit": 1},
        "principal": {"interface": "edge_component", "scope": "container"},
        "controller": {"interface": "node_upgrade", "limit": 1},
        "health-gate": {"interface": "health_gate", "limit": 1},
    },
}


@dataclasses.dataclass
class Ran:
    """What a step returned inside a charm, and what it left behind."""

    result: object
    state: testing.State

    def relation(self, endpoint):
        (found,) = self.state.get_relations(endpoint)
        return found


@pytest.fixture
def inside():
    """Run a function of a charm inside an event; a dummy charm of any name and number."""

    def run(step, *relations, app="dummy", number=0, **state):
        class DummyCharm(ops.CharmBase):
            def __init__(self, framework):
                super().__init__(framework)
                framework.observe(self.on.update_status, self._on_update_status)

            def _on_update_status(self, _):
                results.append(step(self))

        results = []
        meta = {"name": app, "subordinate": False, **ENDPOINTS}
        ctx = testing.Context(DummyCharm, meta=meta, app_name=app, unit_id=number)
        shown = testing.State(relations=relations, **state)
        out = ctx.run(ctx.on.update_status(), shown)
        return Ran(results[0], out)

    return run
