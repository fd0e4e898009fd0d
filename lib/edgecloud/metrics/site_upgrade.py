"""The metrics of a whole site's upgrade: the leader of ``edge-upgrade-controller`` writes them.

One text file beside the one of ``edge-node``, by the same rules: replaced in one step, and what
cannot be told is left out. Units that do not lead have none, so each series is there once.
"""

from __future__ import annotations

from edgecloud.metrics import node
from edgecloud.metrics.exposition import COUNTER, Metric

TEXTFILE = f"{node.FOLDER}/edge-upgrade-controller.prom"

PLAN = Metric(
    "upgrade_site_plan_info", "The plan at hand; always 1.", ("plan", "generation", "digest")
)
PHASE = Metric(
    "upgrade_site_phase", "1 for the phase that the plan is in, 0 for every other.", ("phase",)
)
STEP = Metric("upgrade_site_step_info", "The step at hand; always 1.", ("part",))
WAVE = Metric("upgrade_site_wave", "The wave at hand; 0 is the canary.")
WAVES = Metric("upgrade_site_waves", "Waves of the step at hand, the canary among them.")
MEMBER = Metric(
    "upgrade_site_member_info",
    "A node of the plan, its wave, and what it does in it; always 1. Of the first 64 only.",
    ("member", "wave", "state"),
)
WAITS = Metric(
    "upgrade_site_waits",
    "What keeps a node of the plan from its turn; always 1. Of the first 64 only.",
    ("member", "reason"),
)
PAUSED = Metric("upgrade_site_paused", "Whether an operator paused the plan.")
NODES = Metric(
    "upgrade_site_nodes", "Nodes of the plan by the status that they report.", ("status",)
)
DONE = Metric("upgrade_site_done_nodes", "Nodes of the plan that are through with every step.")
GRANTED = Metric("upgrade_site_granted_nodes", "Nodes whose grants may be in use.")
UNAVAILABLE = Metric(
    "upgrade_site_unavailable_nodes",
    "Nodes that are out of service for any cause, grants included.",
)
BUDGET = Metric("upgrade_site_budget_nodes", "The most that the plan lets be unavailable at once.")
FAILED = Metric("upgrade_site_failed_nodes", "Nodes on which the plan failed.")
QUARANTINED = Metric(
    "upgrade_site_quarantined_nodes", "Nodes that could not go back, and are kept from serving."
)
DEBT = Metric(
    "upgrade_site_debt_nodes", "Nodes that were away for longer than their grace, and are owed it."
)
ORDERS = Metric(
    "upgrade_site_orders_total",
    "Orders ever given; `grant` and `roll-back` are those that disturb.",
    ("verb",),
    COUNTER,
)
OUTCOMES = Metric(
    "upgrade_site_outcomes_total",
    "How often a node ever came to a status at which an attempt ends.",
    ("status",),
    COUNTER,
)
SILENT = Metric(
    "upgrade_site_silent_since_timestamp_seconds",
    "Since when Kubernetes does not hear from a node of the plan; only while it does not.",
    ("member",),
)
VOTERS = Metric("upgrade_site_voters_answering", "Voters of the datastore that answer.")
SLACK = Metric(
    "upgrade_site_voters_slack", "How many of those could be missed without losing the majority."
)
SKEW = Metric("upgrade_site_skew_minors", "Minors between the oldest node and the newest.")
GATE = Metric(
    "upgrade_site_gate_status",
    "1 if a gate passes, 0 if it fails, -1 if its answer is none to go by.",
    ("gate",),
)
GATE_INFO = Metric(
    "upgrade_site_gate_info",
    "A gate of the plan, and what it asks; always 1.",
    ("gate", "kind", "asks", "when"),
)
GATE_BLOCKED = Metric(
    "upgrade_site_gate_blocked_seconds_total",
    "For how long this gate alone was enough to hold the plan back; in steps of some minutes.",
    ("gate",),
    COUNTER,
)
WINDOW = Metric("upgrade_site_window_open", "Whether nodes may be disturbed now.")
REMAINING = Metric(
    "upgrade_site_window_remaining_seconds", "For how long they may still be disturbed."
)
CHANGED = Metric(
    "upgrade_site_changed_timestamp_seconds", "When the audit chain got its last record."
)
RECORDS = Metric(
    "upgrade_site_audit_records_total", "Records that the audit chain ever got.", (), COUNTER
)
INTACT = Metric("upgrade_site_audit_intact", "Whether the audit chain still verifies.")

METRICS = (
    PLAN, PHASE, STEP, WAVE, WAVES, MEMBER, WAITS, PAUSED, NODES, DONE, GRANTED, UNAVAILABLE,
    BUDGET, FAILED, QUARANTINED, DEBT,
    ORDERS, OUTCOMES, SILENT, VOTERS, SLACK, SKEW, GATE, GATE_INFO, GATE_BLOCKED,
    WINDOW, REMAINING, CHANGED, RECORDS, INTACT,
)  # fmt: skip
