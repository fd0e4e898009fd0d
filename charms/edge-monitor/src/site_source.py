"""Ask the store and the evaluator of rules what a site's page shows."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import rollout_source
import site_samples
from site_facts import Alert, Node, Rollout, Site

Ask = site_samples.Ask

_ROOT = 'mountpoint=~"/|/writable|/var/snap.*"'
_DISKS = 'device=~"mmcblk[0-9]+|sd[a-z]|nvme[0-9]n[0-9]"'

# What is told of each node: field of the record → query that answers with one sample a node.
NUMBERS: Mapping[str, str] = {
    "heard": "max by (node) (tlast_over_time(node_boot_time_seconds[1d]))",
    "celsius": "max by (node) (edge_temperature_celsius)",
    "memory_left": ("min by (node) (node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)"),
    "disk_left": (
        f"min by (node) (node_filesystem_avail_bytes{{{_ROOT}}}"
        f" / node_filesystem_size_bytes{{{_ROOT}}})"
    ),
    "life_used": "max by (node) (edge_flash_life_used_ratio)",
    "written_a_day": (f"sum by (node) (increase(node_disk_written_bytes_total{{{_DISKS}}}[1d]))"),
    "boot_loader": "max by (node) (edge_eeprom_build_timestamp_seconds)",
    "certificate_ends": "min by (node) (edge_certificate_expiry_timestamp_seconds)",
    "state_since": "max by (node) (upgrade_node_state_since_timestamp_seconds)",
}
ANSWERS: Mapping[str, str] = {
    "ready": "min by (node) (edge_kubernetes_ready)",
    "schedulable": "min by (node) (edge_kubernetes_schedulable)",
    "undervoltage": (
        'max by (node) (edge_power_fault{fault="under_voltage",since="now"}'
        " or node_hwmon_in_lcrit_alarm_volts)"
    ),
    "undervoltage_before": (
        'max by (node) (edge_power_fault{fault="under_voltage",since="boot"})'
    ),
    "throttled": (
        "max by (node) (edge_power_fault"
        '{fault=~"frequency_capped|throttled|soft_temperature_limit",since="now"})'
    ),
}
# Fields that are told by labels: field → label and query.
WORDS: Mapping[str, tuple[str, str]] = {
    "role": ("role", "max by (node, role) (last_over_time(node_boot_time_seconds[1d]))"),
    "kubernetes": ("version", 'edge_snap_info{snap="microk8s"}'),
    "lxd": ("version", 'edge_snap_info{snap="lxd"}'),
    "state": ("state", "upgrade_node_state == 1"),
    "plan": ("plan", "upgrade_plan_info"),
    "part": ("part", "upgrade_plan_info"),
}
HEAT = "max by (node) (edge_temperature_celsius)"
WATCHDOG = "Watchdog"


@dataclass
class Known:
    """What was found of each node so far, and what could not be found."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])
    rollout: Rollout | None = None
    problem: str = ""

    def note(self, node: str, key: str, value: object) -> None:
        """Note one fact; of a node without a name nothing can be said."""
        if node:
            self.nodes.setdefault(node, {})[key] = value


def look(store: Ask, rules: Ask, *, name: str, now: float, further: Iterable[Ask] = ()) -> Site:
    """Return a site as its store and its rules see it now. It says what is missing.

    Args:
        store: the store.
        rules: who evaluates the site's own rules.
        name: of the site.
        now: seconds since 1970.
        further: who evaluates the rules that applications bring.
    """
    known = Known()
    try:
        for key, query in NUMBERS.items():
            for labels, value in site_samples.vector(store, query, now):
                known.note(labels.get("node", ""), key, value)
        for key, query in ANSWERS.items():
            for labels, value in site_samples.vector(store, query, now):
                known.note(labels.get("node", ""), key, value > 0)
        for key, (label, query) in WORDS.items():
            for labels, _ in site_samples.vector(store, query, now):
                known.note(labels.get("node", ""), key, labels.get(label, ""))
        _heat(store, known, now)
        known.rollout = rollout_source.look(store, now)
    except (OSError, ValueError, KeyError, TypeError) as e:
        known.problem = f"The store does not answer: {e}."
    nodes = tuple(Node(node, **facts) for node, facts in sorted(known.nodes.items()))
    site = Site(name, now, nodes, rollout=known.rollout, problem=known.problem)
    site = _with_alerts(site, rules)
    for each in further:
        site = _with_more(site, each)
    return site


def _heat(store: Ask, known: Known, now: float) -> None:
    for labels, samples in site_samples.history(store, HEAT, now):
        values = tuple(value for _, value in samples)
        known.note(labels.get("node", ""), "heat", values)


def _firing(rules: Ask) -> tuple[Alert, ...]:
    raised = rules("/api/v1/alerts")["data"]["alerts"]
    return tuple(_alert(raw) for raw in raised if raw["state"] == "firing")


def _with_more(site: Site, rules: Ask) -> Site:
    """Return a site with the alerts of its applications, too."""
    if site.alerts is None:
        return site  # With some of them unknown, none are shown as all.
    try:
        return replace(site, alerts=(*site.alerts, *_firing(rules)))
    except (OSError, ValueError, KeyError, TypeError) as e:
        said = f"{site.problem} The rules of applications do not answer: {e}."
        return replace(site, problem=said.strip())


def _with_alerts(site: Site, rules: Ask) -> Site:
    try:
        alerts = _firing(rules)
    except (OSError, ValueError, KeyError, TypeError) as e:
        return replace(site, problem=f"{site.problem} The rules do not answer: {e}.".strip())
    if all(alert.name != WATCHDOG for alert in alerts):
        return replace(site, problem=f"{site.problem} The rules are not evaluated.".strip())
    return replace(site, alerts=alerts)


def _alert(raw: Mapping[str, Any]) -> Alert:
    labels, words = raw["labels"], raw["annotations"]
    return Alert(
        name=raw.get("name") or labels["alertname"],
        severity=labels.get("severity", "warning"),
        node=labels.get("node", ""),
        summary=words.get("summary", ""),
        description=words.get("description", ""),
        since=_moment(raw.get("activeAt", "")),
        holds_upgrades=labels.get("gate") == "upgrade",
    )


def _moment(text: str) -> float | None:
    """Return the seconds since 1970 of a time as Go writes it, to the nanosecond."""
    try:
        plain = re.sub(r"\.\d+", "", text).replace("Z", "+00:00")
        return datetime.datetime.fromisoformat(plain).timestamp()
    except ValueError:
        return None
