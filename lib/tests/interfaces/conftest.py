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
        "receive": {"interface": "node_metrics"},
        "metrics-endpoint": {"interface": "prometheus_scrape"},
        "receive-remote-write": {"interface": "prometheus_remote_write"},
        "prometheus-api": {"interface": "prometheus_api"},
        "grafana-dashboard": {"interface": "grafana_dashboard"},
        "grafana-source": {"interface": "grafana_datasource"},
        "alerting": {"interface": "alertmanager_dispatch"},
        "send-ca-cert": {"interface": "certificate_transfer"},
    },
    "requires": {
        "scrape": {"interface": "prometheus_scrape"},
        "targets": {"interface": "cos_agent"},
        "send-remote-write": {"interface": "prometheus_remote_write"},
        "ask": {"interface": "prometheus_api", "limit": 1},
        "show": {"interface": "grafana_dashboard"},
        "alertmanager": {"interface": "alertmanager_dispatch"},
        "receive-ca-cert": {"interface": "certificate_transfer"},
        "certificates": {"interface": "tls-certificates", "limit": 1},
        "control-plane": {"interface": "cluster_join", "limit": 1},
        "principal": {"interface": "edge_component", "scope": "container"},
        "controller": {"interface": "node_upgrade", "limit": 1},
        "health-gate": {"interface": "health_gate", "limit": 1},
        "monitor": {"interface": "node_metrics"},
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
