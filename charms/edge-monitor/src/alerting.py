"""Raise alerts and hand them on: vmalert asks the store, Alertmanager tells whoever should know.

Both work with the uplink down. What could not be delivered is tried again until it can be.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import store
from edgecloud.telemetry import daemons

RULES_PROGRAM = "/usr/bin/vmalert"
RULES_NAME = "edge-monitor-rules"
RULES_PORT = 18880
RULES = "/etc/edge-monitor/rules"

PROGRAM = "/usr/bin/prometheus-alertmanager"
NAME = "edge-monitor-alerts"
PORT = 19093
URL = f"http://127.0.0.1:{PORT}"
CONFIG = "/etc/edge-monitor/alertmanager.yml"

AUTHORITY = "elsewhere-ca.pem"
WATCHDOG = "Watchdog"
EVALUATE_S = 30


class ReceiverError(Exception):
    """What the secret with receivers holds cannot be used; says every problem at once."""


@dataclass(frozen=True)
class Receivers:
    """Who is told of alerts."""

    webhook_url: str = ""
    webhook_token: str = ""
    heartbeat_url: str = ""
    """Called as long as all is well here; whoever is behind it misses us when we fall silent."""
    smtp_server: str = ""
    smtp_from: str = ""
    smtp_to: str = ""
    smtp_username: str = ""
    smtp_password: str = ""


@dataclass(frozen=True)
class Evaluator:
    """One of those that look at rules."""

    name: str
    port: int
    rules: str
    """Folder of its files."""
    purpose: str
    memory_mb: int


SITE = Evaluator(RULES_NAME, RULES_PORT, RULES, "Alerts of this site, raised", 96)


def read(content: Mapping[str, str]) -> Receivers:
    """Return the receivers that a secret holds. Raises :class:`ReceiverError`."""
    fields = Receivers.__dataclass_fields__
    problems = [
        f"{key} is not known"
        for key in sorted(content)
        if key.replace("-", "_") not in fields or "_" in key
    ]
    found = Receivers(
        **{
            name: content[name.replace("_", "-")].strip()
            for name in fields
            if name.replace("_", "-") in content
        }
    )
    problems += _problems(found)
    if problems:
        raise ReceiverError("; ".join(problems))
    return found


def config(receivers: Receivers, *, interval_s: int = 60) -> str:
    """Return Alertmanager's configuration; JSON, which is YAML too.

    Args:
        receivers: who is told.
        interval_s: after which an alert that could not be delivered is tried again.
    """
    heartbeat = [{"url": receivers.heartbeat_url, "send_resolved": False}]
    document = {
        "route": {
            "receiver": "site",
            "group_by": ["alertname", "juju_unit", "node"],
            "group_wait": f"{min(10, interval_s)}s",
            "group_interval": f"{interval_s}s",
            "repeat_interval": "12h",
            "routes": [
                {
                    "receiver": "heartbeat",
                    "matchers": [f'alertname="{WATCHDOG}"'],
                    "repeat_interval": "5m",
                },
                {"receiver": "nobody", "matchers": ['severity="none"']},
            ],
        },
        "receivers": [
            {"name": "site", **_ways(receivers)},
            {
                "name": "heartbeat",
                **({"webhook_configs": heartbeat} if receivers.heartbeat_url else {}),
            },
            {"name": "nobody"},
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def manager(known: Collection[str]) -> daemons.Daemon:
    """Return how this version of Alertmanager is run."""
    wanted = {
        "config.file": f"{daemons.CREDENTIALS}/alertmanager.yml",
        "storage.path": f"{daemons.STATE}/{NAME}",
        "web.listen-address": f"127.0.0.1:{PORT}",
        # Empty, or it would talk to others of its kind on every address.
        "cluster.listen-address": "",
        "log.level": "warn",
    }
    return daemons.Daemon(
        name=NAME,
        purpose="Alerts of this site, delivered",
        command=(PROGRAM, *(f"--{key}={value}" for key, value in wanted.items() if key in known)),
        secrets={"alertmanager.yml": CONFIG},
        memory_mb=128,
    )


def evaluator(
    known: Collection[str],
    *,
    interval_s: int,
    labels: Mapping[str, str],
    elsewhere: Sequence[str] = (),
    authority: str = "",
    of: Evaluator = SITE,
) -> daemons.Daemon:
    """Return how this version of vmalert is run.

    Args:
        known: the options that the program has.
        interval_s: between two looks at each rule.
        labels: put on every alert.
        elsewhere: further Alertmanagers that are told.
        authority: file with those whom to trust there; empty for those of the machine.
        of: whose rules.
    """
    wanted = {
        "rule": f"{of.rules}/*.rules",
        "datasource.url": store.URL,
        # Written back: a gate asks for alerts as it asks for anything else.
        "remoteWrite.url": store.URL,
        # What was pending or firing before a restart goes on from there.
        "remoteRead.url": store.URL,
        "evaluationInterval": f"{interval_s}s",
        # Later versions look half a minute back unless they are told that the store need not.
        "rule.evalDelay": "2s",
        "httpListenAddr": f"127.0.0.1:{of.port}",
        "loggerLevel": "WARN",
        "enableTCP6": "true",
    }
    words = [f"-{key}={value}" for key, value in wanted.items() if key in known]
    words += [f"-external.label={name}={value}" for name, value in sorted(labels.items())]
    words += [f"-notifier.url={url}" for url in (URL, *elsewhere)]
    trusted = f"{daemons.CREDENTIALS}/{AUTHORITY}" if authority and elsewhere else ""
    if trusted:
        # Said once, it holds for all; our own speaks plain HTTP and needs none.
        words += [f"-notifier.tlsCAFile={trusted}"]
    return daemons.Daemon(
        name=of.name,
        purpose=of.purpose,
        command=(RULES_PROGRAM, *words),
        secrets={AUTHORITY: authority} if trusted else {},
        after=(f"{store.NAME}.service", f"{NAME}.service"),
        memory_mb=of.memory_mb,
    )


def heartbeat(expected: Mapping[str, int]) -> str:
    """Return the rule of the alert that always fires while the site is looked at.

    It falls silent when rules are not evaluated, and when a unit that Juju knows was not looked
    at of late: nobody then takes the absence of other alerts for health.

    Args:
        expected: application → how many of its units are scraped.
    """
    parts = ["vector(1)", *(seen(app, units) for app, units in sorted(expected.items()))]
    rule: dict[str, Any] = {
        "alert": WATCHDOG,
        "expr": " and on() ".join(parts),
        "labels": {"severity": "none"},
        "annotations": {"summary": "Fires while every unit is looked at and rules are evaluated."},
    }
    return json.dumps({"groups": [{"name": "heartbeat", "rules": [rule]}]}, indent=1) + "\n"


def seen(app: str, units: int) -> str:
    """Return the condition that each unit of an application was looked at of late."""
    # What others wrote here says nothing of whom this monitor looks at.
    pages = f'up{{juju_application="{app}",written_by=""}}'
    return f"(count(count by (juju_unit) ({pages})) >= {units})"


def _ways(receivers: Receivers) -> dict[str, Any]:
    ways: dict[str, Any] = {}
    if receivers.webhook_url:
        webhook: dict[str, Any] = {"url": receivers.webhook_url, "send_resolved": True}
        if receivers.webhook_token:
            token = {"type": "Bearer", "credentials": receivers.webhook_token}
            webhook["http_config"] = {"authorization": token}
        ways["webhook_configs"] = [webhook]
    if receivers.smtp_server:
        mail = {
            "to": receivers.smtp_to,
            "from": receivers.smtp_from,
            "smarthost": receivers.smtp_server,
            "auth_username": receivers.smtp_username,
            "auth_password": receivers.smtp_password,
            "send_resolved": True,
        }
        ways["email_configs"] = [{key: value for key, value in mail.items() if value}]
    return ways


def _problems(receivers: Receivers) -> Iterator[str]:
    for key, url in (
        ("webhook-url", receivers.webhook_url),
        ("heartbeat-url", receivers.heartbeat_url),
    ):
        if url and not url.startswith(("http://", "https://")):
            yield f"{key} must begin with http:// or https://"
    if receivers.webhook_token and not receivers.webhook_url:
        yield "webhook-token needs webhook-url"
    mail = (receivers.smtp_server, receivers.smtp_from, receivers.smtp_to)
    if any(mail) and not all(mail):
        yield "mail needs smtp-server, smtp-from and smtp-to"
    if receivers.smtp_server and ":" not in receivers.smtp_server:
        yield "smtp-server must be host:port"
